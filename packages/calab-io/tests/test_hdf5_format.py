import pickle
import sys

import calab_core
import calab_io
import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, LazyTraces, MissingKeyError, read
from layouts.arrays import contents, save_hdf5, write_hdf5
from layouts.tables import FS, example

TRACES = example()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.h5"


def test_the_only_array_with_what_is_beside_it(path):
    recording = read(save_hdf5(path, contents()))
    np.testing.assert_array_equal(np.asarray(recording.traces), TRACES)
    assert isinstance(recording.traces, LazyTraces)
    assert recording.traces.dtype == np.float32
    assert (recording.format, recording.fs, recording.trace) == ("hdf5", FS, "raw")
    assert recording.cell_ids.tolist() == [0, 3, 6, 9]
    np.testing.assert_allclose(recording.timestamps, np.arange(50) / FS)
    assert recording.why == "the array session/traces, the only one with two axes"
    assert recording.provenance == {"keys": ["session/traces"]}
    assert recording.notes == ()


@pytest.mark.parametrize("suffix", [".hdf5", ".HDF", ".he5", ".nc", ".dat"])
def test_suffixes(path, suffix):
    other = save_hdf5(path, contents()).rename(path.with_suffix(suffix))
    if suffix == ".dat":
        with pytest.raises(CalabFormatError, match="not a format that is known"):
            read(other)
    assert read(other, "hdf5" if suffix == ".dat" else "auto").n_cells == 4


def test_several_arrays_are_listed(path):
    save_hdf5(path, {"a/F": TRACES, "b/F": TRACES + 1, "mask": TRACES > 1})
    message = r"x.h5: expected one .*, got 2 \(there is a/F \(4, 50\), b/F .*as in key='a/F'"
    with pytest.raises(CalabFormatError, match=message):
        read(path, fs=1)
    recording = read(path, fs=1, key="/b/F", trace="dff")
    np.testing.assert_array_equal(np.asarray(recording.traces), TRACES + 1)
    assert (recording.why, recording.trace) == ("the array b/F, as asked", "dff")


def test_no_array(path):
    save_hdf5(path, {"trace": TRACES[0], "movie": np.zeros((3, 2, 2)), "fs": 5.0})
    message = r"cells x frames: not found \(there is fs \(\), movie \(3, 2, 2\), trace \(50,\)\)"
    with pytest.raises(MissingKeyError, match=message):
        read(path)
    # One axis is one cell, if it is named.
    np.testing.assert_array_equal(read(path, key="trace").traces, TRACES[:1])
    with pytest.raises(CalabFormatError, match=r"movie: expected cells x frames, got shape \(3"):
        read(path, key="movie")


@pytest.mark.parametrize("key", ["b", "a", "", "a/F/x"])
def test_nothing_at_the_key(path, key):
    save_hdf5(path, {"a/F": TRACES})
    with pytest.raises(MissingKeyError, match=r"not found \(there is a/F\); key names one"):
        read(path, key=key)


def test_key_to_what_is_no_numbers(path):
    save_hdf5(path, {"F": np.array([[b"x"]]), "mask": TRACES > 1, "z": TRACES * 1j})
    for key in ("F", "mask", "z"):
        with pytest.raises(CalabFormatError, match=rf"x.h5, {key}: expected real numbers"):
            read(path, key=key)


def test_rows_that_are_frames(path):
    save_hdf5(path, {"F": TRACES.T.astype(">i2")}, {"": {"fs": 5}})
    with pytest.warns(UserWarning, match="50 cells x 4 frames, more cells than frames"):
        assert read(path).n_cells == 50
    traces = read(path, transpose=True).traces
    assert traces.dtype == np.float64
    np.testing.assert_array_equal(traces[[2, 0]], TRACES.astype(int)[[2, 0]])


@pytest.mark.parametrize("name", ["cell_ids", "time"])
def test_orientation_that_the_file_contradicts_is_refused(path, name):
    save_hdf5(path, {"F": TRACES.T, name: np.arange(4 if name == "cell_ids" else 50)})
    with pytest.raises(CalabFormatError, match=rf"F: read as 50 cells.*{name} has .*transpose"):
        read(path, fs=1)
    assert read(path, fs=1, transpose=True).n_cells == 4


def test_axes_of_netcdf_tell_the_orientation(tmp_path):
    path = write_hdf5(tmp_path / "x.nc", scales=True)
    recording = read(path)
    np.testing.assert_array_equal(np.asarray(recording.traces), TRACES)
    # Its times are in ms.
    assert recording.fs == pytest.approx(FS)
    assert recording.timestamps[-1] == pytest.approx(49 / FS)
    assert read(path, transpose=True).n_cells == 4
    with pytest.raises(CalabFormatError, match=r"F: the axes are named time and cell, .*leave out"):
        read(path, transpose=False)


def test_a_scale_without_coordinates_is_no_time(path):
    save_hdf5(path, {"F": TRACES}, {"F": {"fs": 3}})
    with h5py.File(path, "r+") as file:
        file.create_dataset("time", 50, "f4").make_scale(
            "This is a netCDF dimension but not a netCDF variable.        50"
        )
    assert (read(path).fs, read(path).timestamps) == (3, None)


def test_times_in_an_unknown_unit_are_left_out(path):
    save_hdf5(path, {"F": TRACES, "time": np.arange(50)}, {"time": {"units": "fathoms since 2020"}})
    left = r"time: the times are in 'fathoms', and are left out"
    with pytest.raises(CalabFormatError, match=rf"rate is not in it; {left}; give fs in Hz"):
        read(path)
    with pytest.warns(UserWarning, match=left):
        recording = read(path, fs=2)
    assert (recording.fs, recording.timestamps) == (2, None)


@pytest.mark.parametrize("name", ["fs", "sampling_rate", "sampling_rate_hz", "frame_rate"])
@pytest.mark.parametrize("place", ["a/F", "a", ""])
def test_rate_in_an_attribute(path, place, name):
    assert read(save_hdf5(path, {"a/F": TRACES}, {place: {name: 31}})).fs == 31


def test_the_nearest_rate_is_taken(path):
    save_hdf5(path, {"a/F": TRACES, "a/fs": [30.0], "fs": 20_000}, {"a/F": {"fs": "fast"}})
    assert read(path).fs == 30


def test_several_rates(path):
    save_hdf5(path, {"F": TRACES, "fs": 5}, {"": {"frame_rate": 6}})
    with pytest.raises(CalabFormatError, match=r"expected one sampling rate, got fs 5, frame_rat"):
        read(path)


def test_without_a_rate(path):
    with pytest.raises(CalabFormatError, match=r"frame rate is not in it; give fs in Hz, or save"):
        read(save_hdf5(path, {"F": TRACES}))


def test_a_rate_that_is_text_is_said(path):
    save_hdf5(path, {"a/F": TRACES}, {"a": {"frame_rate": "30 Hz"}})
    with pytest.raises(CalabFormatError, match="; frame_rate is there, but as text and not as a n"):
        read(path)
    # A number elsewhere is one.
    assert read(save_hdf5(path, {"a/F": TRACES, "fs": 5}, {"a": {"fs": "30 Hz"}})).fs == 5


def test_times_that_are_hardly_seconds(path):
    save_hdf5(path, {"F": TRACES, "timestamps": np.arange(50) * 33.333})
    message = (
        r"x.h5, timestamps: the times have no unit and are taken for seconds, which means 0.03"
    )
    with pytest.warns(
        UserWarning, match=message + r"\d+ Hz; give fs in Hz if that is not the fram"
    ):
        read(path)
    with pytest.warns(UserWarning, match=r"0.03\d+ Hz instead of 30 Hz: they are left out"):
        recording = read(path, fs=30)
    assert (len(recording.notes), recording.timestamps) == (1, None)
    with h5py.File(path, "r+") as file:
        file["timestamps"].attrs["units"] = "s"
    assert read(path).notes == ()


def test_times_in_seconds_stay_beside_another_rate(path):
    save_hdf5(path, {"F": TRACES, "fs": 20.0, "time": np.arange(50) / 10})
    with h5py.File(path, "r+") as file:
        file["time"].attrs["units"] = "s"
    with pytest.warns(UserWarning, match=r"time means 10 Hz, but a rate of 20 Hz is saved"):
        recording = read(path)
    assert (recording.fs, recording.timestamps[-1]) == (20, 4.9)


def test_numbers_that_only_count_the_frames_are_no_times(path):
    for first, kind in ((0, np.int64), (1, np.float64)):
        save_hdf5(path, {"F": TRACES, "time": np.arange(first, first + 50, dtype=kind)})
        message = (
            r"time: expected times in seconds, got numbers that only count the frames; give fs"
        )
        with pytest.raises(CalabFormatError, match=message):
            read(path)
        assert (read(path, fs=30).fs, read(path, fs=30).timestamps) == (30, None)
        with h5py.File(path, "r+") as file:
            file["time"].attrs["units"] = "s"
        assert read(path).fs == 1


@pytest.mark.parametrize(
    ("units", "seconds"),
    [
        ("nanoseconds since 2020-01-01", 1e-9),
        ("microseconds since 2020-01-01", 1e-6),
        ("milliseconds since 2020-01-01", 1e-3),
        ("minutes since 2020-01-01", 60),
        ("hours since 2020-01-01", 3600),
        ("days since 2020-01-01", 86400),
    ],
)
def test_units_of_time(path, units, seconds):
    times = np.arange(50) / 30 / seconds
    save_hdf5(path, {"F": TRACES, "time": times}, {"time": {"units": units}})
    assert read(path).fs == pytest.approx(30)


@pytest.mark.parametrize("ids", [list("abcd"), np.array([b"a", b"b", b"c", b"d"])])
def test_ids_of_text(path, ids):
    recording = read(save_hdf5(path, {"F": TRACES, "cell_ids": ids}), fs=1, cells=["c", "a"])
    assert recording.cell_ids.tolist() == ["c", "a"]
    np.testing.assert_array_equal(np.asarray(recording.traces), TRACES[[2, 0]])


def test_ids_that_are_none(path):
    save_hdf5(path, {"F": TRACES, "cell_ids": np.arange(4) + 0.5})
    with pytest.raises(CalabFormatError, match=r"cell_ids: expected whole numbers or text, got fl"):
        read(path, fs=1)


def test_only_what_is_asked_for_is_read(path):
    """A stretch of the file that is not asked for may be damaged."""
    with h5py.File(path, "w") as file:
        file.create_dataset("F", data=TRACES, chunks=(1, 50), fletcher32=True)
        place = file["F"].id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    traces = pickle.loads(pickle.dumps(read(path, fs=1).traces))
    np.testing.assert_array_equal(traces[1], TRACES[1])
    assert (traces.slab, traces.chunks) == (1, (1, 50))
    with pytest.raises(CalabFormatError, match=r"x.h5: cannot be read"):
        traces[2]


def test_chunks_that_cut_time_are_refused_not_read_over_and_over(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("F", (2000, 200_000), "f4", chunks=(2000, 100))[:, :300] = 1
    traces = read(path, fs=20, key="F").traces
    assert (traces.slab, traces.chunks) == (2000, (2000, 100))
    with pytest.raises(ValueError, match=r"got chunks \(2000, 100\) of shape .*; rechunk it fir"):
        calab_core.run_deconvolution(traces, 20, 0.1, 0.6, "auto")


def test_links_in_the_file_are_followed_and_arrays_counted_once(path):
    save_hdf5(path, {"a/F": TRACES})
    with h5py.File(path, "r+") as file:
        file["hard"] = file["a/F"]
        file["a/circle"] = file["/"]
        file["soft"] = h5py.SoftLink("/a/F")
    assert read(path, fs=1).n_cells == 4
    assert read(path, fs=1, key="soft").n_cells == 4


def test_links_to_other_files_are_refused(tmp_path, path):
    save_hdf5(tmp_path / "secret.h5", {"F": TRACES})
    with h5py.File(path, "w") as file:
        file["F"] = h5py.ExternalLink(tmp_path / "secret.h5", "/F")
    for key in (None, "F"):
        with pytest.raises(CalabFormatError, match=r"F: is a link to another file, .*not read"):
            read(path, fs=1, key=key)


def test_data_in_other_files_are_refused(tmp_path, path):
    (tmp_path / "secret").write_bytes(bytes(1600))
    save_hdf5(path, {"F": TRACES})
    with h5py.File(path, "r+") as file:
        file.create_dataset("cell_ids", (4,), "S4", external=[(tmp_path / "secret", 0, 16)])
    with pytest.raises(CalabFormatError, match=r"cell_ids: its data are in another file"):
        read(path, fs=1)
    with h5py.File(path, "w") as file:
        file.create_dataset("F", (4, 50), "f8", external=[(tmp_path / "secret", 0, 1600)])
    with pytest.raises(CalabFormatError, match=r"F: its data are in another file"):
        read(path, fs=1)


def test_a_size_that_cannot_be_is_not_believed(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("F", (1 << 30, 1 << 30), "f4", chunks=(1, 1024))
    with pytest.raises(CalabFormatError, match=r"F: expected data that fit the file"):
        read(path, fs=1)


def test_packed_numbers_are_refused(path):
    save_hdf5(path, {"F": TRACES.astype("i2")}, {"F": {"scale_factor": 0.1}})
    with pytest.raises(CalabFormatError, match=r"F: expected plain numbers, got scale_factor"):
        read(path, fs=1)


def test_too_many_groups(path):
    with h5py.File(path, "w") as file:
        for name in range(1001):
            file.create_group(str(name))
        file["F"] = TRACES
    with pytest.raises(CalabFormatError, match=r"more than 1000 groups .*; name the traces as key"):
        read(path, fs=1)
    assert read(path, fs=1, key="F").n_cells == 4


def test_a_result_is_no_recording(path):
    calab_io.save(TRACES, path, fs=FS)
    message = r"one of CaLab's results, with the arrays activity \(4, 50\), .*; calab.load reads"
    with pytest.raises(CalabFormatError, match=message):
        read(path)
    with pytest.warns(UserWarning, match="x.h5, activity: is what CaLab has already inferred"):
        assert read(path, key="activity").trace == "deconvolved"


def test_without_the_library(path, monkeypatch):
    save_hdf5(path, contents())
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"needs h5py: install calab with its extra 'hdf5'"):
        read(path, "hdf5")
