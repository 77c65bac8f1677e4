"""Results that a run has written to arrays of zarr or h5py go the same ways as those in memory."""

import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest
import zarr
from calab_core import slabs
from calab_io import load, save, to_pynapple, to_xarray
from calab_io.writers.saved import layout
from layouts.results import FS, assert_same, cadecon, deconvolution


@pytest.fixture(params=["zarr", "h5py"])
def written(request, tmp_path):
    """The hand-made result with its arrays in a file, as ``run_cadecon(out=...)`` returns it."""
    result = cadecon()
    with h5py.File(tmp_path / "out.h5", "w") as file:
        group = zarr.create_group(tmp_path / "out.zarr") if request.param == "zarr" else file
        make = group.create_array if request.param == "zarr" else group.create_dataset

        def put(name, values):
            array = make(name, shape=values.shape, dtype=values.dtype)
            array[:] = values
            return array

        names = ("rate", "reconvolution", "removed_baseline")
        arrays = {name: put(name, getattr(result.details, name)) for name in names}
        out = result._replace(activity=put("activity", result.activity))
        out.details = replace(result.details, **arrays)
        yield out


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_save(written, tmp_path, suffix):
    save(written, tmp_path / f"saved.{suffix}")
    assert_same(load(tmp_path / f"saved.{suffix}"), cadecon())


def test_xarray(written):
    assert to_xarray(written).equals(to_xarray(cadecon()))


def test_pynapple(written):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = to_pynapple(written), to_pynapple(cadecon())
    np.testing.assert_array_equal(found.rate.values, expected.rate.values)
    np.testing.assert_array_equal(found.activity.values, expected.activity.values)


class Elsewhere:
    """Cells x frames of which no more than `most` cells are read at a time."""

    def __init__(self, values, most, chunks=None):
        self.values, self.most, self.chunks = values, most, chunks
        self.shape, self.dtype, self.read = values.shape, values.dtype, []

    def __getitem__(self, rows):
        found = self.values[rows]
        assert len(found) <= self.most
        self.read.append(rows)
        return found

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read as a whole")


def elsewhere(result, most):
    """Return a result whose arrays of cells x frames are not in memory."""

    def moved(values):
        is_traces = isinstance(values, np.ndarray) and values.ndim == 2
        return Elsewhere(values, most) if is_traces else values

    out = result._replace(**{name: moved(value) for name, value in result._asdict().items()})
    known = {name: moved(value) for name, value in vars(result.details).items()}
    out.details = replace(result.details, **known)
    return out


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
@pytest.mark.parametrize("made", [cadecon, deconvolution])
def test_save_reads_some_cells_at_a_time(tmp_path, monkeypatch, made, suffix):
    monkeypatch.setattr(slabs, "SLAB_BYTES", 1)
    monkeypatch.setattr(layout, "CHUNK_BYTES", 1)
    path = tmp_path / f"saved.{suffix}"
    save(elsewhere(made(), 1), path, fs=FS)
    assert_same(load(path), made())


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_slabs_have_whole_chunks_of_the_file(tmp_path, monkeypatch, suffix):
    values = np.arange(70, dtype=np.float32).reshape(10, 7)
    monkeypatch.setattr(slabs, "SLAB_BYTES", 2 * 28)
    monkeypatch.setattr(layout, "CHUNK_BYTES", 3 * 28)
    source = Elsewhere(values, 3)
    save(source, tmp_path / f"saved.{suffix}", fs=FS)
    assert [rows.start for rows in source.read] == [0, 3, 6, 9]
    assert_same(load(tmp_path / f"saved.{suffix}"), values)


def test_chunks_that_are_too_large_for_slabs_are_read_once(tmp_path, monkeypatch):
    monkeypatch.setattr(slabs, "MOST_SLAB_BYTES", 1)
    source = Elsewhere(np.ones((4, 5)), 4, chunks=(4, 1))
    save(source, tmp_path / "saved.h5", fs=FS)
    assert len(source.read) == 1
    assert_same(load(tmp_path / "saved.h5"), source.values)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_at_all(tmp_path, shape):
    array = zarr.create_array(tmp_path / "out.zarr", shape=shape, dtype="f4", chunks=(1, 1))
    save(array, tmp_path / "saved.h5", fs=FS)
    assert_same(load(tmp_path / "saved.h5"), np.empty(shape, np.float32))


def test_deconvolution_in_a_file_goes_to_xarray(tmp_path):
    result = deconvolution()
    array = zarr.create_array(tmp_path / "out.zarr", data=result.details.removed_baseline)
    out = result._replace()
    out.details = replace(result.details, removed_baseline=array)
    assert to_xarray(out, fs=FS).equals(to_xarray(result, fs=FS))
