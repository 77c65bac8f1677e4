import json
import sys

import numpy as np
import pytest
import xarray
from calab_io import Recording
from calab_io.writers.saved import load
from calab_io.writers.to_xarray import to_xarray
from layouts.results import FS, cadecon, deconvolution

PER_CELL = {
    "alphas",
    "baselines",
    "pves",
    "noise",
    "alpha_sd",
    "scale_known",
    "converged",
    "tau_rise",
    "tau_decay",
    "masked_fraction",
    "units",
    "spike_times_index",
}


def test_automated_deconvolution(tmp_path):
    result = cadecon()
    dataset = to_xarray(result)
    assert dict(dataset.sizes)["cell"] == 3
    assert dict(dataset.sizes)["frame"] == 6
    traces = {name for name, one in dataset.items() if one.dims == ("cell", "frame")}
    assert traces == {"activity", "rate", "reconvolution", "removed_baseline"}
    assert {name for name, one in dataset.items() if one.dims == ("cell",)} == PER_CELL
    assert set(dataset.coords) == {"cell", "time", "lag"}
    np.testing.assert_array_equal(dataset.activity, result.activity)
    np.testing.assert_array_equal(dataset.rate.sel(cell="b"), result.details.rate[1])
    np.testing.assert_allclose(dataset.time, np.arange(6) / FS)
    np.testing.assert_allclose(dataset.lag, [0, 0.05, 0.1, 0.15])
    np.testing.assert_array_equal(dataset.kernel_slow, result.kernel_slow)


def test_units_and_names():
    dataset = to_xarray(cadecon())
    assert dataset.activity.attrs == {
        "long_name": "spikes per frame",
        "units": "spikes or arbitrary",
    }
    assert dataset.time.attrs == {"long_name": "time of the frame", "units": "s"}
    assert dataset.tau_decay.attrs["units"] == "s"
    assert dataset.pves.attrs["units"] == "1"
    assert all("long_name" in one.attrs for one in dataset.variables.values())
    assert dataset.units.values.tolist() == ["spikes", "arbitrary", "arbitrary"]


def test_attributes():
    result = cadecon()
    attributes = to_xarray(result).attrs
    assert json.loads(attributes["metadata"]) == result.metadata
    assert json.loads(attributes["segments"]) == [0, 3]
    assert (attributes["fs"], attributes["kernel_fs"]) == (FS, 2 * FS)
    assert all(isinstance(value, str | int | float) for value in attributes.values())
    assert "calab_result_version" not in attributes


def test_spike_times_of_a_cell():
    dataset = to_xarray(cadecon())
    times = np.split(dataset.spike_times.values, dataset.spike_times_index.values[:-1])
    assert [one.tolist() for one in times] == [[0.0512], [0.21, 0.21], []]


def test_arrays_are_not_copied():
    result = deconvolution()
    assert np.shares_memory(to_xarray(result, fs=1).activity.values, result.activity)


def test_recording_gives_names_and_times(tmp_path):
    recording = Recording(
        traces=np.zeros((2, 5)),
        fs=10.0,
        cell_ids=np.array([4, 8]),
        timestamps=np.array([0.0, 0.1, 0.25, 0.3, 0.4]),
        source=tmp_path,
        format="npy",
        trace="dff",
        why="",
    )
    dataset = to_xarray(deconvolution(), recording=recording)
    assert dataset.cell.values.tolist() == [4, 8]
    assert dataset.time.values.tolist() == [0.0, 0.1, 0.25, 0.3, 0.4]
    assert dataset.activity.attrs["units"] == "dF/F"
    assert dataset.attrs["fs"] == 10.0
    assert dataset.lam_rule.values.tolist() == ["target", "no events"]


def test_array():
    dataset = to_xarray([0, 1, 2], fs=2, cell_ids=["a"])
    assert dataset.activity.sel(cell="a").values.tolist() == [0, 1, 2]
    assert list(dataset.data_vars) == ["activity"]
    assert dataset.activity.attrs["units"] == "arbitrary"
    with pytest.raises(ValueError, match="give fs= or recording="):
        to_xarray([0, 1, 2])


@pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")
@pytest.mark.parametrize("ids", [("a", "b", "c"), (3, 4, 5)])
def test_dataset_can_be_written(tmp_path, ids):
    dataset = to_xarray(cadecon(ids=ids))
    dataset.to_zarr(tmp_path / "x.zarr")
    dataset.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    for found in (
        xarray.open_zarr(tmp_path / "x.zarr"),
        xarray.open_dataset(tmp_path / "x.nc", engine="h5netcdf"),
    ):
        with found:
            xarray.testing.assert_equal(found.load(), dataset)
            assert found.activity.attrs == dataset.activity.attrs
            assert found.attrs == dataset.attrs
            assert found.cell.values.tolist() == list(ids)


@pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")
def test_what_xarray_wrote_is_not_taken_for_a_saved_result(tmp_path):
    to_xarray(cadecon()).to_zarr(tmp_path / "x.zarr")
    with pytest.raises(ValueError, match="expected a result that calab saved"):
        load(tmp_path / "x.zarr")


def test_library_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match="making a Dataset needs xarray: install calab"):
        to_xarray(cadecon())
