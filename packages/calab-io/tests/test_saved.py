import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
import zarr
from calab_io import Recording, read
from calab_io.writers.saved import load, save
from calab_io.writers.saved.layout import CHUNK_BYTES, chunk_shape
from calab_io.writers.to_xarray import to_xarray
from layouts.results import FS, assert_same, cadecon, deconvolution

#: What older versions wrote, by `make_v1.py`.
OLD = Path(__file__).parent / "saved"
RESULTS = {
    "cadecon": cadecon(),
    "cadecon without details": cadecon(details=False),
    "deconvolution": deconvolution(),
    "single": deconvolution(single=True),
    "deconvolution without details": deconvolution(details=False),
    "array": np.array([[0.0, -0.0, np.nan], [np.inf, 1e-310, 3.0]]),
    "trace": np.array([1, 2, 3], np.uint16),
}


@pytest.fixture(params=[".zarr", ".h5"])
def path(request, tmp_path):
    return tmp_path / f"result{request.param}"


def opened(path):
    if path.suffix == ".zarr":
        return xarray.open_zarr(path)
    return xarray.open_dataset(path, engine="h5netcdf")


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("suffix", [".zarr", ".h5", ".HDF5"])
def test_what_is_saved_is_read(tmp_path, suffix, name):
    path, result = tmp_path / f"result{suffix}", RESULTS[name]
    assert save(result, path, fs=FS) is None
    assert_same(load(str(path)), result)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", ">f4", "i1", "i2", "i4", "i8", "u1", "u4", "u8", ">u2"]
)
@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (2, 0), (0, 0), (0,)])
def test_every_type_and_nothing_at_all(path, dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    save(array, path, fs=1, cell_ids=np.arange(1 if len(shape) == 1 else shape[0]))
    assert_same(load(path), array)


def test_no_events_at_all(path):
    result = cadecon()
    none = tuple(np.empty(0) for _ in range(3))
    result.details = replace(result.details, spike_times=none, subset_kernels=(), segments=())
    save(result, path)
    assert_same(load(path), result)


@pytest.mark.parametrize("ids", [("", "x" * 300, "日本"), ("a", "b", "c"), ("", "a", "b")])
def test_names_that_are_hard_to_keep(path, ids):
    result = cadecon(ids=ids)
    save(result, path)
    assert_same(load(path), result)
    assert opened(path).cell.values.tolist() == list(ids)


def test_text_without_a_letter(path):
    result = deconvolution()
    result.details = replace(result.details, method="")
    save(result, path, fs=1)
    assert_same(load(path), result)


def test_metadata_of_a_large_recording(path):
    result = cadecon()._replace(metadata={"thresholds": [i / 7 for i in range(20_000)], "x": "\0"})
    save(result, path)
    assert_same(load(path), result)


def test_names_of_the_recording_and_of_the_result(path):
    result, ids = cadecon(ids=(0, 1, 2)), ["x", "y", "z"]
    save(result, path, cell_ids=ids)
    assert_same(load(path), result)
    with opened(path) as dataset:
        assert dataset.cell.values.tolist() == ids
        assert dataset.result_cell_ids.values.tolist() == [0, 1, 2]


def test_names_that_are_the_same_are_saved_once(path):
    save(cadecon(), path)
    assert "result_cell_ids" not in opened(path)
    small = cadecon(ids=np.array([3, 4, 5], np.int16))
    save(small, path, overwrite=True)
    assert opened(path).result_cell_ids.dtype == np.int16
    assert_same(load(path), small)


@pytest.mark.parametrize("name", RESULTS)
def test_xarray_opens_what_to_xarray_makes(path, name):
    save(RESULTS[name], path, fs=FS)
    expected = to_xarray(RESULTS[name], fs=FS)
    with opened(path) as dataset:
        xarray.testing.assert_equal(dataset.load(), expected)
        assert set(dataset.coords) == set(expected.coords)
        assert expected.attrs.items() <= dataset.attrs.items()
        for key, variable in expected.variables.items():
            assert variable.attrs.items() <= dataset[key].attrs.items()


def test_file_says_what_is_in_it(path, tmp_path):
    recording = Recording(
        traces=np.zeros((3, 6)),
        fs=FS,
        cell_ids=np.array([5, 6, 7]),
        timestamps=np.arange(6.0) + 9,
        source=tmp_path / "source.npy",
        format="npy",
        trace="dff",
        why="the only one",
    )
    save(cadecon(ids=(5, 6, 7)), path, recording=recording)
    with opened(path) as dataset:
        assert dataset.time.values.tolist() == [9, 10, 11, 12, 13, 14]
        assert dataset.time.attrs["units"] == "s"
        assert dataset.activity.dims == ("cell", "frame")
        assert dataset.activity.attrs["units"] == "spikes or arbitrary"
        assert dataset.rate.attrs["units"] == "spikes/s or arbitrary/s"
        assert dataset.alphas.attrs["units"] == "dF/F"
        assert dataset.alphas.attrs["long_name"] == "amplitude of one spike"
        assert dataset.scale_known.dtype == bool
        assert "units" not in dataset.scale_known.attrs
        assert dataset.spike_times_index.values.tolist() == [1, 3, 3]
        assert (dataset.attrs["fs"], dataset.attrs["fs_units"]) == (FS, "Hz")
        assert json.loads(dataset.attrs["provenance"])["format"] == "npy"
        assert json.loads(dataset.attrs["excluded"]) == {"2": "constant: every recorded frame is 0"}
        assert dataset.attrs["written_by"].startswith("calab-io 0.")


@pytest.mark.filterwarnings("ignore:.*already inferred")
@pytest.mark.parametrize("ids", [[5, 9], ["ç", "b"]])
def test_read_gives_what_a_loaded_array_does_not_know(path, tmp_path, ids):
    values = np.random.default_rng(0).random((2, 8), np.float32)
    recording = Recording(
        traces=np.zeros((2, 8)),
        fs=FS,
        cell_ids=np.array(ids),
        timestamps=None,
        source=tmp_path / "source.nwb",
        format="nwb",
        trace="raw",
        why="the only one",
        provenance={"starting_time_s": 5.0},
    )
    save(values, path, recording=recording)
    found = read(path, key="activity")
    np.testing.assert_array_equal(found.traces, values)
    assert found.fs == pytest.approx(FS)
    assert found.cell_ids.tolist() == ids
    np.testing.assert_allclose(found.timestamps, 5 + np.arange(8) / FS)


def test_squared_units(path):
    save(deconvolution(), path, fs=FS)
    with opened(path) as dataset:
        assert dataset.gap.attrs["units"] == "(unit of the traces)^2"
        assert dataset.activity.attrs["units"] == "unit of the traces"
        assert dataset.attrs["method"] == "exact"


@pytest.mark.parametrize(
    ("shape", "itemsize", "expected"),
    [
        ((1000, 8192), 4, (64, 8192)),
        ((10, 8192), 4, (10, 8192)),
        ((3, 10**6), 4, (1, 10**6)),
        ((10**6,), 8, (CHUNK_BYTES // 8,)),
        ((5,), 8, (5,)),
    ],
)
def test_chunks_are_whole_traces(shape, itemsize, expected):
    assert chunk_shape(shape, itemsize) == expected


def test_chunks_of_files(path):
    array = np.zeros((150, 8192), np.float32)
    save(array, path, fs=1)
    assert_same(load(path), array)
    if path.suffix == ".zarr":
        stored = zarr.open_array(path / "activity", mode="r")
        # All of them, though they are zeros: one that was lost could not be told otherwise.
        assert stored.nchunks_initialized == 3
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    else:
        with h5py.File(path) as file:
            stored = file["activity"]
            assert (stored.compression, stored.shuffle, stored.fletcher32) == ("gzip", True, True)
            assert stored.chunks == (64, 8192)
        size = path.stat().st_size
    assert size < array.nbytes / 50
    if path.suffix == ".zarr":
        assert stored.chunks == (64, 8192)


@pytest.mark.parametrize("name", ["v1.h5", "v1.zarr"])
def test_results_of_version_1(name):
    assert_same(load(OLD / name), cadecon(ids=(0, 1, 2)))
    with opened(OLD / name) as dataset:
        assert dataset.cell.values.tolist() == ["7", "é", "long name"]
        np.testing.assert_allclose(dataset.time, np.arange(6) / 20 + 100)
        assert dataset.removed_baseline.attrs["units"] == "dF/F"
        assert json.loads(dataset.attrs["provenance"])["why"] == "F_dff, as asked"


def test_single_result_of_version_1():
    assert_same(load(OLD / "v1_deconvolution.h5"), deconvolution(single=True))
