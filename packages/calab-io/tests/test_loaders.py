"""The documented loaders: the array that is named, every row of it, and a word on a better one."""

import builtins

import h5py
import numpy as np
import pytest
import zarr
from calab_io import CalabFormatError, load_caiman, load_minian, read
from layouts.caiman import write_caiman
from layouts.minian import FINAL, variables, write_minian


@pytest.fixture
def caiman(tmp_path):
    return write_caiman(tmp_path / "results.hdf5")


@pytest.fixture
def minian(tmp_path):
    return write_minian(tmp_path / "minian")


def test_caiman_as_documented(caiman):
    with pytest.warns(UserWarning, match="denoised fit; calab.read takes the raw trace C . YrA"):
        traces, metadata = load_caiman(str(caiman))
    with h5py.File(caiman) as file:
        np.testing.assert_array_equal(traces, file["estimates/C"][:])
    assert traces.dtype == np.float64
    assert metadata == {
        "source": str(caiman),
        "sampling_rate_hz": 20.0,
        "num_cells": 6,
        "num_timepoints": 200,
    }


def test_another_array_of_caiman(caiman):
    traces, metadata = load_caiman(caiman, "estimates/S", fs=12)
    with h5py.File(caiman) as file:
        np.testing.assert_array_equal(traces, file["estimates/S"][:])
    assert metadata["sampling_rate_hz"] == 12.0
    with pytest.warns(UserWarning, match="no frame rate at params/data/rate; give fs in Hz"):
        unknown = load_caiman(caiman, "estimates/S", "params/data/rate")
    assert unknown[1]["sampling_rate_hz"] is None
    assert load_caiman(caiman, "estimates/S", "params/data/decay_time")[1][
        "sampling_rate_hz"
    ] == pytest.approx(0.4)


@pytest.mark.parametrize("key", ["estimates/Z", "estimates/F_dff", "nothing/at/all"])
def test_an_array_that_caiman_did_not_save(caiman, key):
    with pytest.raises(KeyError, match=rf"results.hdf5, {key}: not found \(there is "):
        load_caiman(caiman, key)


def test_an_array_of_caiman_that_is_no_traces(caiman):
    with pytest.raises(ValueError, match=r"neurons_sn: expected cells x frames, got shape \(6,\)"):
        load_caiman(caiman, "estimates/neurons_sn")


@pytest.mark.parametrize("fs", [-3, 0, np.nan, np.inf])
def test_rates_that_are_none(caiman, minian, fs):
    for load, path in ((load_caiman, caiman), (load_minian, minian)):
        with pytest.raises(ValueError, match="fs: expected a positive, finite rate in Hz, got"):
            load(path, fs=fs)


@pytest.mark.parametrize("load", [load_caiman, load_minian, read])
@pytest.mark.parametrize("url", ["s3://bucket/x.zarr", "https://host/a/x.h5"])
def test_addresses(load, url):
    message = rf"^{url}: is an address, .* zarr.open_array\('{url}', mode='r', storage_options="
    with pytest.raises(CalabFormatError, match=message):
        load(url)


@pytest.mark.parametrize("load", [load_caiman, load_minian])
def test_nothing_there(tmp_path, load):
    with pytest.raises(FileNotFoundError, match="nothing"):
        load(tmp_path / "nothing")


def test_a_real_folder_of_minian(minian):
    with pytest.warns(UserWarning, match="C is Minian's denoised fit"):
        traces, metadata = load_minian(minian)
    np.testing.assert_array_equal(traces, variables()["C"].values)
    assert metadata == {
        "source": str(minian),
        "sampling_rate_hz": None,
        "num_cells": len(FINAL),
        "num_timepoints": 120,
    }


@pytest.mark.parametrize("place", ["", "S.zarr"])
def test_another_array_of_minian(minian, place):
    traces, metadata = load_minian(minian / place, "S", fs=20)
    np.testing.assert_array_equal(traces, variables()["S"].values)
    assert metadata["sampling_rate_hz"] == 20.0


def test_a_single_store_without_names_of_axes(tmp_path):
    group = zarr.create_group(tmp_path / "all.zarr")
    group.create_array("raw", data=np.arange(12.0).reshape(3, 4))
    group.create_array("one", data=np.arange(12.0))
    traces, _ = load_minian(tmp_path / "all.zarr", "raw")
    np.testing.assert_array_equal(traces, np.arange(12.0).reshape(3, 4))
    with pytest.raises(ValueError, match=r"one: expected cells x frames, got shape \(12,\)"):
        load_minian(tmp_path / "all.zarr", "one")


def test_an_array_that_minian_did_not_save(minian):
    with pytest.raises(KeyError, match=r"minian, Z: not found \(there is .*C"):
        load_minian(minian, "Z")


def test_footprints_are_no_traces(minian):
    with pytest.raises(ValueError, match="A: expected the axes unit_id and frame"):
        load_minian(minian, "A")


@pytest.mark.parametrize(("load", "library"), [(load_caiman, "h5py"), (load_minian, "zarr")])
def test_a_missing_library_is_named(caiman, minian, monkeypatch, load, library):
    imported = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == library:
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr("calab_io.errors.import_module", without)
    with pytest.raises(ImportError, match=rf"needs {library}: install calab with its extra"):
        load(caiman if library == "h5py" else minian)
