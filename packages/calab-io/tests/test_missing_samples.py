"""Numbers that stand for missing samples are read as NaN, whatever wrote them."""

import pickle
import warnings

import numpy as np
import pytest
import xarray as xr
from calab_io import load_minian, read
from calab_io.files.missing import marks_of, without
from layouts.arrays import save_hdf5, save_zarr
from layouts.minian import save_minian, variables, write_minian
from layouts.tables import example

TRACES = np.round(example() * 100)
VERSIONS = pytest.mark.parametrize("version", [2, 3])


def holes(traces=TRACES):
    """Return traces with two samples missing."""
    with_holes = traces.copy()
    with_holes[[1, 3], [7, 2]] = np.nan
    return with_holes


@VERSIONS
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
def test_traces_of_minian(tmp_path, version, dtype):
    folder = write_minian(tmp_path / "minian", zarr_format=version, final_only=True)
    fit = variables()["C"]
    fit = fit.copy(data=holes(np.round(fit.values * 9)))
    save_minian(fit, folder, zarr_format=version, _FillValue=-1, dtype=dtype)
    with pytest.warns(UserWarning, match="denoised"):
        loaded, _ = load_minian(folder)
    np.testing.assert_array_equal(loaded, fit.values)
    recording = read(folder, trace="denoised", fs=20)
    np.testing.assert_array_equal(np.asarray(recording.traces), fit.values)
    traces = pickle.loads(pickle.dumps(recording.traces))
    np.testing.assert_array_equal(traces[[3, 1]], fit.values[[3, 1]])


@VERSIONS
@pytest.mark.parametrize("mark", ["_FillValue", "missing_value"])
def test_any_array_of_xarray(tmp_path, version, mark):
    array = xr.DataArray(holes(), dims=("cell", "time"), name="F", attrs={"fs": 20})
    with warnings.catch_warnings():
        # Version 3 has no specification of what xarray adds yet.
        warnings.simplefilter("ignore")
        array.to_dataset().to_zarr(
            tmp_path / "x.zarr", zarr_format=version, encoding={"F": {mark: -999.0}}
        )
    np.testing.assert_array_equal(np.asarray(read(tmp_path / "x.zarr").traces), holes())
    array.to_netcdf(tmp_path / "x.nc", engine="h5netcdf", encoding={"F": {mark: -999.0}})
    np.testing.assert_array_equal(np.asarray(read(tmp_path / "x.nc").traces), holes())


def test_whole_numbers_in_hdf5(tmp_path):
    stored = np.nan_to_num(holes(), nan=-999).astype("i2")
    marked = {"_FillValue": np.array([-999], "i2")}
    path = save_hdf5(tmp_path / "x.h5", {"F": stored, "f": stored[1]}, {"F": marked, "f": marked})
    np.testing.assert_array_equal(np.asarray(read(path, fs=20).traces), holes())
    np.testing.assert_array_equal(read(path, fs=20, key="f").traces, holes()[[1]])


@VERSIONS
def test_without_names_of_axes(tmp_path, version):
    stored = np.nan_to_num(holes(), nan=-1)
    save_zarr(tmp_path, {"C": stored}, {"C": {"_FillValue": -1}}, zarr_format=version)
    with pytest.warns(UserWarning, match="denoised"):
        np.testing.assert_array_equal(load_minian(tmp_path)[0], holes())


def test_the_fill_value_of_a_zarr_array_is_no_mark(tmp_path):
    """It is only what chunks have that were not written, but for what xarray chose."""
    for version, names in ((2, None), (3, ("cell", "time"))):
        path = tmp_path / f"{version}.zarr"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            save_zarr(path, {"F": np.zeros((4, 50))}, names={"F": names}, zarr_format=version)
        document = path / "F" / (".zarray" if version == 2 else "zarr.json")
        text = document.read_text()
        assert '"fill_value": 0.0' in text
        document.write_text(text.replace('"fill_value": 0.0', '"fill_value": -1.0'))
        document = path / "F" / "0.0" if version == 2 else path / "F" / "c" / "0" / "0"
        document.unlink(missing_ok=True)
        assert (read(path, fs=20).traces[:] == -1).all()


def test_zeros_of_xarray_are_samples(tmp_path):
    save_zarr(tmp_path / "x.zarr", {"F": TRACES * 0}, names={"F": ("c", "time")}, zarr_format=2)
    assert not np.isnan(read(tmp_path / "x.zarr", fs=20).traces[:]).any()


@pytest.mark.parametrize(
    ("declared", "dtype", "marks"),
    [
        ([-1], "f4", [-1]),
        ([np.float32(0.1)], "f4", [np.float32(0.1)]),
        ([0.1], "f4", [np.float32(0.1)]),
        (["AAAAAAAA8L8="], "f8", [-1]),
        (["NaN", "AAAAAAAA+H8=", "AAAA", "what", "é", None, {}, [[1]], True], "f8", [1.0]),
        ([[-1, -2], np.array([-3], "i2")], "i2", [-3, -2, -1]),
        ([-1, 256, 10**400, 2.5, "Infinity"], "u1", [1]),
        ([1e300], "f4", []),
        ([1], "U3", []),
    ],
)
def test_what_is_a_mark(declared, dtype, marks):
    found = marks_of(declared, np.dtype(dtype))
    assert found.dtype == np.dtype(dtype)
    # True is a number in JSON of no tool's, and does no harm.
    assert [one for one in found.tolist() if one != 1] == [
        one for one in np.array(marks, dtype).tolist() if one != 1
    ]


def test_nothing_is_copied_without_a_mark():
    assert without(TRACES, np.empty(0)) is TRACES
