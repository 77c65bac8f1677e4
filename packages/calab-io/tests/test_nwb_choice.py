import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from layouts.nwb import write_nwb
from layouts.nwb_parts import (
    FIT,
    FLUORESCENCE,
    RESIDUALS,
    SUBTRACTED,
    TABLE,
    F,
    N,
    change,
    quiet,
    raw_of_suite2p,
    set_attribute,
    stored,
    untype,
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


def test_dff_where_there_is_no_raw_trace(neuroconv):
    untype(neuroconv, FIT)
    recording = read(neuroconv)
    assert (recording.trace, recording.notes) == ("dff", ())
    assert recording.why == "processing/ophys/DfOverF/DfOverF: dff, since there is no raw trace"
    untype(neuroconv, "processing/ophys/DfOverF/DfOverF")
    with pytest.warns(UserWarning, match="no raw trace; its noise is gone"):
        assert read(neuroconv).trace == "denoised"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"Fluorescence: not found \(there is .*Deconvolved \(deconvolved\).*'deconvolved'"),
        ({"trace": "dff"}, r"DfOverF: not found .*; trace='deconvolved' reads what there is"),
    ],
)
def test_spikes_are_not_read_unasked(neuroconv, options, message):
    untype(neuroconv, FIT, "processing/ophys/DfOverF/DfOverF", f"{FLUORESCENCE}/Denoised")
    with pytest.raises(MissingKeyError, match=message):
        read(neuroconv, **options)


def test_nothing_but_a_background(caiman):
    for key in (FIT, RESIDUALS):
        change(caiman, key, None)
    with pytest.raises(MissingKeyError, match=r"Background_.*\(other\)\); key reads one of these"):
        read(caiman)


@pytest.mark.parametrize(
    "key", [F, f"/{F}", f"{F}/data", "Fluorescence/plane0", "/Fluorescence/plane0"]
)
def test_key_chooses_among_series(suite2p, key):
    assert quiet(suite2p, key=key).provenance == quiet(suite2p).provenance


def test_key_of_two_series(suite2p):
    with pytest.raises(CalabFormatError, match=r"got 3: .*; name one of them as key"):
        read(suite2p, key="plane0")


def test_a_whole_path_is_not_the_end_of_another(caiman):
    with h5py.File(caiman, "r+") as file:
        module = file.create_group("processing/ophys1/processing/ophys/Fluorescence")
        file.copy(FIT, module)
    assert read(caiman, key=FIT).provenance["keys"][0] == f"{FIT}/data"
    with pytest.raises(CalabFormatError, match="got 2"):
        read(caiman, key="RoiResponseSeries")


def test_key_that_is_not_there(suite2p):
    with pytest.raises(MissingKeyError, match=r"lane0: not found \(there is .*key names one"):
        read(suite2p, key="lane0")


def test_key_of_neuropil_is_read_as_it_is(suite2p):
    key = N
    recording = read(suite2p, key=key)
    np.testing.assert_array_equal(np.asarray(recording.traces), stored(suite2p, key)[[1, 2, 4]])
    assert (recording.trace, recording.notes) == ("raw", ())
    assert read(suite2p, key=key, trace="dff").trace == "dff"


def test_the_user_knows_what_a_name_does_not_tell(suite2p):
    recording = read(suite2p, key=F, trace="dff")
    np.testing.assert_array_equal(np.asarray(recording.traces), stored(suite2p, F)[[1, 2, 4]])
    assert (recording.trace, recording.notes) == ("dff", ())
    with pytest.raises(MissingKeyError, match="trace='deconvolved' reads what there is"):
        read(suite2p, key="Deconvolved/plane0", trace="dff")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("Denoised", "denoised, which key names; its noise is gone"),
        ("Deconvolved", "deconvolved, which key names; it already is"),
    ],
)
def test_key_of_what_is_not_for_inference(neuroconv, key, message):
    with pytest.warns(UserWarning, match=message):
        assert read(neuroconv, key=key).trace == key.lower()


def test_series_of_a_second_channel_is_left_alone(suite2p):
    with h5py.File(suite2p, "r+") as file:
        file.copy(FLUORESCENCE, "processing/ophys/Fluorescence_chan2")
    assert quiet(suite2p).provenance["keys"][0] == f"{F}/data"


@pytest.fixture
def planes(tmp_path):
    return write_nwb(tmp_path / "planes.nwb", "suite2p", planes=2)


@pytest.mark.filterwarnings(SUBTRACTED)
def test_planes_are_joined(planes):
    recording = read(planes)
    expected = np.concatenate(
        [raw_of_suite2p(planes, 0)[[1, 2, 4]], raw_of_suite2p(planes, 1)[[1, 2, 4]]]
    )
    np.testing.assert_allclose(np.asarray(recording.traces), expected, rtol=1e-6)
    assert recording.cell_ids.tolist() == [
        *("plane0_11", "plane0_12", "plane0_14"),
        *("plane1_17", "plane1_18", "plane1_20"),
    ]
    np.testing.assert_allclose(recording.traces[[5, 0, 3]], expected[[5, 0, 3]], rtol=1e-6)
    np.testing.assert_allclose(recording.traces[4], expected[4], rtol=1e-6)
    probabilities = np.linspace(0.9, 0.1, 12)[[1, 2, 4, 7, 8, 10]]
    np.testing.assert_allclose(recording.cells["cell_probability"], probabilities)
    assert len(recording.provenance["keys"]) == 4
    assert recording.provenance["components"] == 12
    assert recording.provenance["starting_time_s"] == 1.5
    assert "and the same of 1 more planes" in recording.why
    assert len(recording.notes) == 2


def test_neuropil_of_another_plane(planes):
    untype(planes, N)
    recording = read(planes, plane=0)
    assert (len(recording.provenance["keys"]), recording.notes) == (1, ())


def test_what_is_said_of_both_planes_is_said_once(planes):
    change(planes, f"{TABLE}/iscell", np.array([b"yes"] * 12))
    recording = quiet(planes)
    assert recording.n_cells == 12
    assert [note for note in recording.notes if "iscell" in note] == [recording.notes[-1]]
    assert len(recording.notes) == 3


def test_planes_of_different_tables(planes):
    with h5py.File(planes, "r+") as file:
        file.copy(TABLE, f"{TABLE}2")
        del file[f"{TABLE}2/iscell"]
        file[f"{FLUORESCENCE}/plane1/rois"].attrs["table"] = file[f"{TABLE}2"].ref
    recording = quiet(planes)
    assert recording.n_cells == 3 + 6
    assert recording.cells == {}


@pytest.mark.filterwarnings(SUBTRACTED)
def test_one_plane(planes):
    recording = read(planes, plane=1)
    np.testing.assert_allclose(
        np.asarray(recording.traces), raw_of_suite2p(planes, 1)[[1, 2, 4]], rtol=1e-6
    )
    assert recording.cell_ids.tolist() == [17, 18, 20]
    with pytest.raises(MissingKeyError, match=r"plane2: not found \(there is .*plane0, .*plane1\)"):
        read(planes, plane=2)


@pytest.mark.filterwarnings(SUBTRACTED)
def test_planes_of_different_length(planes):
    for name in ("Fluorescence", "Neuropil"):
        key = f"processing/ophys/{name}/plane1"
        change(planes, f"{key}/data", stored(planes, key).T[:-1])
    with pytest.raises(
        CalabFormatError, match=r"got 40 at 20\.0 Hz, 39 at 20\.0 Hz; plane chooses"
    ):
        read(planes)
    assert read(planes, plane=1).n_frames == 39


def test_planes_of_different_rate(planes):
    set_attribute(planes, f"{FLUORESCENCE}/plane1/starting_time", "rate", 10.0)
    with pytest.raises(CalabFormatError, match=r"one rate, got 40 at 20\.0 Hz, 40 at 10\.0 Hz"):
        read(planes)


@pytest.mark.filterwarnings(SUBTRACTED)
def test_time_stamps_of_planes(planes):
    times = np.arange(40) / 20
    for plane in (0, 1):
        change(planes, f"{FLUORESCENCE}/plane{plane}/timestamps", times)
    np.testing.assert_array_equal(read(planes).timestamps, times)
    change(planes, f"{FLUORESCENCE}/plane1/timestamps", times + 0.02)
    with pytest.warns(UserWarning, match="planes have different time stamps"):
        assert read(planes).timestamps is None
    change(planes, f"{FLUORESCENCE}/plane1/timestamps", None)
    assert quiet(planes).timestamps is None


def test_a_series_beside_planes(planes):
    with h5py.File(planes, "r+") as file:
        file.copy(F, f"{FLUORESCENCE}/all")
    with pytest.raises(CalabFormatError, match=r"got 3: .*Fluorescence/all, .*; name one"):
        quiet(planes)
    with h5py.File(planes, "r+") as file:
        file.move(f"{FLUORESCENCE}/all", f"{FLUORESCENCE}/plane01")
    with pytest.raises(CalabFormatError, match=r"got 3: .*Fluorescence/plane01, "):
        quiet(planes)


@pytest.mark.parametrize("names", [("a/plane0", "b/plane1"), ("a/F", "a/F_plane1")])
def test_series_that_are_no_planes_of_one(planes, names):
    with h5py.File(planes, "r+") as file:
        for plane, name in enumerate(names):
            file.move(f"{FLUORESCENCE}/plane{plane}", f"processing/ophys/{name}")
    with pytest.raises(CalabFormatError, match=r"expected one series, got 2: .*; name one"):
        quiet(planes)
