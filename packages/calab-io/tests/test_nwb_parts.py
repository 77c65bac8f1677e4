import pickle

import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, read
from layouts.nwb import write_nwb
from layouts.nwb_parts import (
    FIT,
    NOT_SUBTRACTED,
    RESIDUALS,
    SUBTRACTED,
    F,
    N,
    change,
    quiet,
    raw_of_suite2p,
    set_attribute,
    stored,
)


@pytest.fixture
def suite2p(tmp_path):
    return write_nwb(tmp_path / "suite2p.nwb", "suite2p")


@pytest.fixture
def caiman(tmp_path):
    return write_nwb(tmp_path / "caiman.nwb", "CaImAn")


@pytest.fixture
def neuroconv(tmp_path):
    return write_nwb(tmp_path / "neuroconv.nwb", "neuroconv")


@pytest.mark.filterwarnings(SUBTRACTED)
def test_older_files_of_suite2p_are_turned(suite2p):
    recording = read(suite2p)
    expected, some = np.asarray(recording.traces), recording.traces[[2, 0]]
    for key in (F, N):
        change(suite2p, f"{key}/data", stored(suite2p, key))
    turned = read(suite2p)
    np.testing.assert_array_equal(np.asarray(turned.traces), expected)
    np.testing.assert_array_equal(turned.traces[[2, 0]], some)
    assert (recording.traces.slab, turned.traces.slab) == (6, 1)


@pytest.mark.filterwarnings(SUBTRACTED)
def test_as_many_frames_as_cells_are_frames_first(tmp_path):
    path = write_nwb(tmp_path / "square.nwb", "suite2p", n_frames=6)
    np.testing.assert_allclose(
        np.asarray(read(path, cells="all").traces), raw_of_suite2p(path, 0), rtol=1e-6
    )


@pytest.mark.parametrize("shape", [(40, 5), (40,), (40, 6, 1)])
def test_samples_of_other_cells(caiman, shape):
    change(caiman, RESIDUALS, None)
    change(caiman, f"{FIT}/data", np.ones(shape))
    with pytest.raises(
        CalabFormatError, match=r"Series/data: expected frames x 6 cells, got shape"
    ):
        quiet(caiman)


@pytest.mark.parametrize("turned", [False, True])
def test_neuropil_of_another_recording(suite2p, turned):
    samples = np.ones((39, 6), np.float32)
    change(suite2p, "processing/ophys/Neuropil/plane0/data", samples.T if turned else samples)
    with pytest.raises(CalabFormatError, match=r"Neuropil/plane0/data: expected 40 frames x 6"):
        read(suite2p)


@pytest.mark.filterwarnings("ignore:.*no residuals")
def test_one_cell_may_have_one_axis(caiman):
    change(caiman, RESIDUALS, None)
    samples = np.arange(40, dtype=np.int16)
    change(caiman, f"{FIT}/data", samples)
    with h5py.File(caiman, "r+") as file:
        table = file[f"{FIT}/rois"].attrs["table"]
        del file[f"{FIT}/rois"]
        file[f"{FIT}/rois"] = np.array([2])
        file[f"{FIT}/rois"].attrs["table"] = table
    recording = read(caiman)
    np.testing.assert_array_equal(np.asarray(recording.traces), samples[np.newaxis])
    assert recording.traces.dtype == np.float64
    assert recording.cell_ids.tolist() == [12]


@pytest.mark.parametrize(("chunks", "slab"), [((40, 2), 2), ((10, 6), 6), (None, 6)])
def test_cells_that_lie_together(caiman, chunks, slab):
    change(caiman, RESIDUALS, None)
    samples = stored(caiman, FIT).T
    with h5py.File(caiman, "r+") as file:
        del file[f"{FIT}/data"]
        file.create_dataset(f"{FIT}/data", data=samples, chunks=chunks)
    recording = quiet(caiman)
    assert recording.traces.slab == slab
    np.testing.assert_array_equal(np.asarray(recording.traces), samples.T[[1, 2, 4]])


def test_rows_are_read_when_asked_for(caiman):
    recording, everything = read(caiman), np.asarray(read(caiman).traces)
    np.testing.assert_array_equal(recording.traces[1], everything[1])
    np.testing.assert_array_equal(recording.traces[[2, 0]], everything[[2, 0]])
    np.testing.assert_array_equal(recording.traces[1:, 5:9], everything[1:, 5:9])
    elsewhere = pickle.loads(pickle.dumps(recording.traces))
    np.testing.assert_array_equal(elsewhere[:2], everything[:2])


def test_missing_samples_stay_missing(caiman):
    samples = stored(caiman, FIT).T.copy()
    samples[3, 1] = np.nan
    change(caiman, f"{FIT}/data", samples)
    assert np.isnan(read(caiman).traces[0, 3])
    assert np.isnan(np.asarray(read(caiman).traces)).sum() == 1


@pytest.mark.filterwarnings(NOT_SUBTRACTED)
@pytest.mark.parametrize(
    ("name", "value"), [("conversion", "no"), ("conversion", 0.0), ("offset", np.inf)]
)
def test_conversion_that_is_no_number(neuroconv, name, value):
    set_attribute(neuroconv, f"{FIT}/data", name, value)
    with pytest.raises(CalabFormatError, match=rf"Series/data: expected {name} by a finite number"):
        read(neuroconv)
    set_attribute(neuroconv, f"{FIT}/data", name, np.array([1, 2]))
    assert read(neuroconv).n_cells == 3


@pytest.mark.filterwarnings(NOT_SUBTRACTED)
@pytest.mark.parametrize("rate", [None, "fast"])
def test_without_a_rate(neuroconv, rate):
    if rate is None:
        change(neuroconv, f"{FIT}/starting_time", None)
    else:
        set_attribute(neuroconv, f"{FIT}/starting_time", "rate", rate)
    with pytest.raises(CalabFormatError, match="neither a rate nor time stamps; give fs in Hz"):
        read(neuroconv)
    assert read(neuroconv, fs=15.0).fs == 15.0


@pytest.mark.filterwarnings(NOT_SUBTRACTED)
@pytest.mark.parametrize("start", [np.nan, np.array([1.0])])
def test_start_that_is_none(neuroconv, start):
    change(neuroconv, f"{FIT}/starting_time", start)
    recording = read(neuroconv)
    assert (recording.fs, recording.provenance["starting_time_s"]) == (20.0, None)


def test_time_stamps_that_do_not_increase(caiman):
    change(caiman, f"{FIT}/timestamps", np.zeros(40))
    with pytest.raises(CalabFormatError, match=r"timestamps: expected time stamps that increase"):
        read(caiman)
    with pytest.warns(UserWarning, match=r"timestamps: no time stamps that increase"):
        recording = read(caiman, fs=20)
    assert (recording.fs, recording.timestamps) == (20.0, None)


def test_gaps_and_another_number_of_time_stamps(caiman):
    times = np.arange(40) / 20
    times[20:] += 1
    change(caiman, f"{FIT}/timestamps", times)
    with pytest.warns(UserWarning, match="1 gaps in the time stamps"):
        assert read(caiman).fs == pytest.approx(20)
    change(caiman, f"{FIT}/timestamps", times[:20])
    with pytest.raises(CalabFormatError, match="got 20 for 40 frames"):
        read(caiman)
