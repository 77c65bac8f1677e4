"""What the names of arrays and axes tell is told the same way by every format that has names."""

import warnings
from datetime import UTC, datetime

import calab_io
import h5py
import numpy as np
import pytest
import xarray as xr
from calab_io import read
from calab_io.writers.to_nwb import to_nwb
from layouts.arrays import save_hdf5, save_zarr
from layouts.matlab import write_mat
from layouts.tables import example, write_npz

TRACES = example()
FS = 20.0
#: An array under its name, in each format.
SAVE = {
    "npy": lambda path, name: np.save(path / f"{name}.npy", TRACES),
    "npz": lambda path, name: write_npz(path / "x.npz", **{name: TRACES}),
    "hdf5": lambda path, name: save_hdf5(path / "x.h5", {f"a/{name}": TRACES}),
    "zarr": lambda path, name: save_zarr(path / "x.zarr", {f"a/{name}": TRACES}),
    "zarr alone": lambda path, name: save_zarr(path / f"{name}.zarr", {"": TRACES}),
    "matlab": lambda path, name: write_mat(path / "x.mat", {"s": {name: TRACES}}, version="5"),
    "matlab 7.3": lambda path, name: write_mat(path / "x.mat", {name: TRACES}, version="7.3"),
}


@pytest.fixture
def named(tmp_path, request):
    def save(name):
        SAVE[request.param](tmp_path, name)
        return next(tmp_path.iterdir())

    return save


@pytest.mark.parametrize("named", SAVE, indirect=True)
def test_names_of_arrays(named):
    assert read(named("dF_traces"), fs=FS).trace == "dff"


@pytest.mark.parametrize("named", SAVE, indirect=True)
def test_spikes_of_suite2p(named):
    path = named("spks")
    with pytest.warns(UserWarning, match="named as what suite2p has already deconvolved"):
        assert read(path, fs=FS).trace == "deconvolved"
    assert read(path, fs=FS, trace="dff").trace == "dff"


@pytest.mark.parametrize("named", SAVE, indirect=True)
def test_neuropil_is_no_trace(named):
    path = named("Fneu")
    for trace in ("auto", "raw"):
        with pytest.warns(UserWarning, match="neuropil around the cells, which is no cell's trac"):
            assert read(path, fs=FS, trace=trace).trace == "raw"


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
@pytest.mark.parametrize("ids", [[7, 3, 5, 9], list("dcab")])
def test_labels_and_kind_of_a_result(tmp_path, suffix, ids):
    path = tmp_path / f"x{suffix}"
    calab_io.save(TRACES, path, fs=FS, cell_ids=ids)
    with pytest.warns(UserWarning, match="activity: is what CaLab has already inferred"):
        recording = read(path, key="activity")
    assert recording.cell_ids.tolist() == ids
    assert (recording.trace, recording.fs) == ("deconvolved", FS)


@pytest.mark.parametrize("version", [2, 3, "nc"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("ids", [np.array([7, 3, 5, 9]), np.array(list("dcab"))])
def test_labels_of_xarray(tmp_path, version, turned, ids):
    array = xr.DataArray(TRACES, dims=("roi", "time"), coords={"roi": ids}, name="F")
    path = save_xarray(array.T if turned else array, tmp_path, version)
    assert read(path, fs=FS).cell_ids.tolist() == ids.tolist()


def save_xarray(array, folder, version):
    dataset = array.to_dataset()
    if version == "nc":
        dataset.to_netcdf(folder / "x.nc", engine="h5netcdf")
        return folder / "x.nc"
    with warnings.catch_warnings():
        # Version 3 has no specification of text yet.
        warnings.simplefilter("ignore")
        dataset.to_zarr(folder / "x.zarr", zarr_format=version)
    return folder / "x.zarr"


@pytest.mark.parametrize("labels", [np.array([1, 1, 2, 3]), np.array([0.5, 1, 2, 3])])
def test_labels_that_are_no_ids(tmp_path, labels):
    array = xr.DataArray(TRACES, dims=("roi", "time"), coords={"roi": labels}, name="F")
    assert read(save_xarray(array, tmp_path, 3), fs=FS).cell_ids.tolist() == [0, 1, 2, 3]


def test_ids_go_before_labels(tmp_path):
    coords = {"roi": [5, 6, 7, 8], "cell_ids": ("roi", [1, 2, 3, 4])}
    array = xr.DataArray(TRACES, dims=("roi", "time"), coords=coords, name="F")
    assert read(save_xarray(array, tmp_path, 3), fs=FS).cell_ids.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("version", [2, 3])
def test_labels_of_any_length(tmp_path, version):
    coords = {"roi": np.array(["a", "bcd", "é", ""], dtype=object)}
    array = xr.DataArray(TRACES, dims=("roi", "time"), coords=coords, name="F")
    path = save_xarray(array, tmp_path, version)
    if version == 3:
        assert read(path, fs=FS).cell_ids.tolist() == ["a", "bcd", "é", ""]
        return
    # Blosc would have to be told how long it was.
    with pytest.warns(UserWarning, match="roi: labels that are stored in this way are not read"):
        assert read(path, fs=FS).cell_ids.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("version", [2, 3, "nc"])
def test_times_of_xarray(tmp_path, version):
    times = np.datetime64("2020-01-01", "ns") + np.arange(50) * np.timedelta64(33_333_333, "ns")
    array = xr.DataArray(TRACES, dims=("roi", "time"), coords={"time": times}, name="F")
    recording = read(save_xarray(array, tmp_path, version))
    assert recording.fs == pytest.approx(30)
    assert recording.timestamps[-1] == pytest.approx(49 * 0.033333333)


def test_names_in_a_file_of_nwb(tmp_path):
    ids = [f"plane{at % 2}_{at}" for at in range(4)]
    said = {"append": False, "session_start_time": datetime(2026, 1, 1, tzinfo=UTC)}
    path = tmp_path / "x.nwb"
    to_nwb(TRACES, path, fs=FS, cell_ids=ids, **said)
    recording = read(path, trace="deconvolved")
    assert recording.cell_ids.tolist() == ids
    with h5py.File(path, "r+") as file:
        table = "processing/ophys/CaLabImageSegmentation/PlaneSegmentation"
        file[f"{table}/cell_name"][:] = "the same"
    assert read(path, trace="deconvolved").cell_ids.tolist() == [0, 1, 2, 3]
