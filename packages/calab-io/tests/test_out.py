"""Results that a run has written to arrays of zarr or h5py go the same ways as those in memory."""

import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest
import zarr
from calab_io import load, save, to_pynapple, to_xarray
from layouts.results import assert_same, cadecon


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
