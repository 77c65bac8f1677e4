import json
import pickle
import sys
import warnings

import calab_core
import calab_io
import numpy as np
import pytest
import zarr
from calab_core.slabs import slab_size
from calab_io import CalabFormatError, LazyTraces, MissingKeyError, read
from layouts.arrays import contents, save_zarr
from layouts.tables import FS, example

TRACES = example()
VERSIONS = pytest.mark.parametrize("version", [2, 3])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.zarr"


@VERSIONS
def test_the_only_array_of_a_group(path, version):
    recording = read(save_zarr(path, contents(), zarr_format=version))
    np.testing.assert_array_equal(np.asarray(recording.traces), TRACES)
    assert isinstance(recording.traces, LazyTraces)
    assert recording.traces.dtype == np.float32
    assert (recording.format, recording.fs, recording.trace) == ("zarr", FS, "raw")
    assert recording.cell_ids.tolist() == [0, 3, 6, 9]
    np.testing.assert_allclose(recording.timestamps, np.arange(50) / FS)
    assert recording.why == "the array session/traces, the only one with two axes"
    assert recording.notes == ()


@VERSIONS
def test_an_array_alone(path, version):
    save_zarr(path, {"": TRACES}, {"": {"sampling_rate": 31}}, zarr_format=version)
    recording = read(path)
    np.testing.assert_array_equal(recording.traces[[3, 1]], TRACES[[3, 1]])
    assert (recording.fs, recording.why) == (31, "the only array")
    with pytest.raises(CalabFormatError, match=r"x.zarr: is one array, without names; leave out"):
        read(path, key="F")


@VERSIONS
def test_several_arrays_are_listed(path, version):
    save_zarr(path, {"a/F": TRACES, "b/F": TRACES + 1, "m": TRACES > 1}, zarr_format=version)
    message = r"x.zarr: expected one .*, got 2 \(there is a/F \(4, 50\), b/F .*as in key='a/F'"
    with pytest.raises(CalabFormatError, match=message):
        read(path, fs=1)
    np.testing.assert_array_equal(np.asarray(read(path, fs=1, key="b/F").traces), TRACES + 1)


@VERSIONS
def test_no_array(path, version):
    save_zarr(path, {"trace": TRACES[0], "fs": 5.0}, zarr_format=version)
    with pytest.raises(MissingKeyError, match=r"not found \(there is fs \(\), trace \(50,\)\)"):
        read(path)
    np.testing.assert_array_equal(read(path, key="trace").traces, TRACES[:1])


@pytest.mark.parametrize("key", ["b", "a", "", "../other.zarr/F", "a/../a/F"])
def test_nothing_at_the_key(path, key):
    save_zarr(path.with_name("other.zarr"), {"F": TRACES})
    save_zarr(path, {"a/F": TRACES})
    with pytest.raises(MissingKeyError, match=r"not found \(there is a/F\); key names one"):
        read(path, fs=1, key=key)


def test_links_between_folders_are_not_walked(path):
    save_zarr(path, {"a/F": TRACES})
    (path / "a" / "circle").symlink_to(path, target_is_directory=True)
    assert read(path, fs=1).n_cells == 4


@VERSIONS
@pytest.mark.parametrize("name", ["frame", "frames", "Time", "t"])
def test_names_of_axes_tell_the_orientation(path, version, name):
    names = {"F": (name, "unit")}
    save_zarr(path, {"F": TRACES.T}, {"F": {"fs": 4}}, names=names, zarr_format=version)
    np.testing.assert_array_equal(np.asarray(read(path).traces), TRACES)
    assert read(path, transpose=True).n_cells == 4
    message = r"F: .* named .* and unit, so its rows are frames, but transpose is False; leave"
    with pytest.raises(CalabFormatError, match=message):
        read(path, transpose=False)


def test_few_frames_are_no_doubt_where_axes_have_names(path):
    save_zarr(path, {"F": TRACES.T}, {"F": {"fs": 4}}, names={"F": ("cell", "time")})
    recording = read(path)
    assert (recording.n_cells, recording.notes) == (50, ())
    with pytest.raises(CalabFormatError, match="its columns are frames, but transpose is True"):
        read(path, transpose=True)


@pytest.mark.parametrize("names", [None, ("x", "y"), ("t", "time")])
def test_rows_are_cells_where_names_do_not_tell(path, names):
    save_zarr(path, {"F": TRACES.T}, names={"F": names})
    with pytest.warns(UserWarning, match="more cells than frames"):
        assert read(path, fs=1).n_cells == 50
    np.testing.assert_array_equal(np.asarray(read(path, fs=1, transpose=True).traces), TRACES)


@VERSIONS
@pytest.mark.parametrize("place", ["a/F", "a", ""])
def test_rate_in_an_attribute(path, version, place):
    values = {"fs": 31, "sampling_rate": "fast", "frame_rate": True}
    assert read(save_zarr(path, {"a/F": TRACES}, {place: values}, zarr_format=version)).fs == 31


@VERSIONS
@pytest.mark.parametrize("name", ["Fs", "fr", "framerate", "FrameRate"])
def test_rate_by_names_that_matlab_has(path, version, name):
    assert read(save_zarr(path, {"F": TRACES}, {"F": {name: 31}}, zarr_format=version)).fs == 31


@VERSIONS
def test_a_rate_that_is_text_is_said(path, version):
    save_zarr(path, {"F": TRACES}, {"F": {"fs": "30 Hz"}}, zarr_format=version)
    with pytest.raises(CalabFormatError, match="; fs is there, but as text and not as a number; g"):
        read(path)


def test_a_rate_beyond_all_numbers(path):
    save_zarr(path, {"F": TRACES}, {"F": {"fs": 10**400}})
    with pytest.raises(CalabFormatError, match=r"x.zarr: cannot be read: .*too large"):
        read(path)


@VERSIONS
def test_ids_of_text(path, version):
    with warnings.catch_warnings():
        # Version 3 does not describe text of a fixed length yet.
        warnings.simplefilter("ignore")
        save_zarr(path, {"F": TRACES, "cell_ids": list("abcd")}, zarr_format=version)
        assert read(path, fs=1).cell_ids.tolist() == ["a", "b", "c", "d"]


@VERSIONS
def test_only_the_chunks_that_are_asked_for_are_read(path, version):
    save_zarr(path, {"F": TRACES}, zarr_format=version, chunks=(1, 50))
    chunk = path / "F" / ("2.0" if version == 2 else "c/2/0")
    chunk.write_bytes(b"damaged")
    traces = pickle.loads(pickle.dumps(read(path, fs=1).traces))
    np.testing.assert_array_equal(traces[1], TRACES[1])
    assert (traces.slab, traces.chunks) == (1, (1, 50))
    with pytest.raises(CalabFormatError, match=r"x.zarr.*F: (cannot be read|expected chunk)"):
        traces[2]


@pytest.mark.parametrize("transpose", [False, True])
def test_chunks_that_cut_time_are_refused_not_read_over_and_over(path, transpose):
    shape, chunks = (2000, 200_000), (2000, 100)
    save_zarr(path, {"": np.zeros((1, 1), "f4")}, {"": {"fs": 20}})
    document = json.loads((path / "zarr.json").read_text())
    document["shape"] = shape[::-1] if transpose else shape
    document["chunk_grid"]["configuration"]["chunk_shape"] = chunks[::-1] if transpose else chunks
    (path / "zarr.json").write_text(json.dumps(document))
    (path / "filler").write_bytes(bytes(50_000))
    traces = read(path, transpose=transpose).traces
    assert (traces.shape, traces.slab, traces.chunks) == (shape, 2000, chunks)
    with pytest.raises(ValueError, match=r"got chunks \(2000, 100\) of shape .*; rechunk it fi"):
        calab_core.run_deconvolution(traces, 20, 0.1, 0.6, 1.0)


def test_deconvolved_slab_by_slab(path):
    save_zarr(path, {"": np.tile(TRACES, (1, 4))}, {"": {"fs": 20}}, chunks=(2, 200))
    traces = read(path).traces
    found = calab_core.run_deconvolution(traces, 20, 0.1, 0.6, 1.0)
    np.testing.assert_array_equal(
        found, calab_core.run_deconvolution(np.asarray(traces), 20, 0.1, 0.6, 1.0)
    )


def test_a_damaged_size_is_not_believed(path):
    save_zarr(path, {"F": TRACES}, zarr_format=2)
    document = path / "F" / ".zarray"
    document.write_text(document.read_text().replace("50", "5000000000"))
    with pytest.raises(CalabFormatError, match=r"F: expected data that fit its files"):
        read(path, fs=1)


def test_a_result_is_no_recording(path):
    calab_io.save(TRACES, path, fs=FS)
    message = r"one of CaLab's results, with the arrays activity \(4, 50\), .*; calab.load reads"
    with pytest.raises(CalabFormatError, match=message):
        read(path)
    with pytest.warns(UserWarning, match="x.zarr, activity: is what CaLab has already inferred"):
        assert read(path, key="activity", fs=FS).trace == "deconvolved"


def test_other_folders_and_files_are_not_taken(path):
    path.mkdir()
    message = "no recording is in this folder.* what lies directly in it, no deeper; name"
    with pytest.raises(CalabFormatError, match=message):
        read(path)
    (path / "x").write_text("x")
    with pytest.raises(CalabFormatError, match="expected the folder of a zarr store, got a file"):
        read(path / "x", "zarr")


def test_without_the_library(path, monkeypatch):
    save_zarr(path, contents())
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImportError, match=r"needs zarr: install calab with its extra 'zarr'"):
        read(path)


@pytest.mark.parametrize(
    ("compressors", "refused"),
    [("auto", False), (zarr.codecs.GzipCodec(), False), (zarr.codecs.BloscCodec(), True)],
)
def test_chunks_that_lie_in_one_file(path, compressors, refused):
    array = zarr.create_array(
        path,
        shape=TRACES.shape,
        shards=(2, 50),
        chunks=(1, 50),
        dtype="f4",
        compressors=compressors,
    )
    array[:] = TRACES
    if refused:
        with pytest.raises(CalabFormatError, match="got blosc in shards"):
            read(path, fs=FS)
        return
    traces = read(path, fs=FS).traces
    np.testing.assert_array_equal(traces, TRACES)
    assert traces.slab == 2
    # A chunk costs as much as the shard that holds it.
    assert slab_size(traces, 1) == 2
