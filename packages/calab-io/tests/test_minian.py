import json
import pickle
import shutil

import numpy as np
import pytest
import xarray as xr
import zarr
from calab_io import CalabFormatError, MissingKeyError, read
from calab_io.formats import minian
from calab_io.formats.minian import glance
from layouts.minian import (
    EARLIER,
    FINAL,
    save_minian,
    variables,
    write_minian,
)

YRA = variables()["YrA"].values


@pytest.fixture(params=[2, 3])
def path(tmp_path, request):
    return write_minian(tmp_path / "minian", zarr_format=request.param)


@pytest.fixture
def folder(tmp_path):
    return write_minian(tmp_path / "mouse" / "session" / "minian", final_only=True)


def test_raw_traces_of_the_final_cells(path):
    recording = read(path)
    np.testing.assert_array_equal(np.asarray(recording.traces), YRA)
    assert recording.cell_ids.tolist() == list(FINAL)
    assert (recording.trace, recording.format, recording.source) == ("raw", "minian", path)
    assert recording.fs == pytest.approx(20)
    np.testing.assert_allclose(recording.timestamps, np.arange(120) / 20 - 0.012)
    assert "contains C" in recording.why
    assert recording.notes == ()
    assert recording.provenance == {
        "software": "Minian",
        "store": str(path / "minian_intermediate" / "YrA.zarr"),
        "variable": "YrA",
        "cells_in_store": len(EARLIER),
        "frames": {"first": 0, "last": 119, "step": 1},
        "timestamps": str(path / "timeStamps.csv"),
        "clipped_at_zero": 0.0,
    }
    json.dumps(recording.provenance)


@pytest.mark.parametrize(("trace", "name"), [("denoised", "C"), ("deconvolved", "S")])
def test_another_trace(path, trace, name):
    recording = read(path, trace=trace)
    np.testing.assert_array_equal(np.asarray(recording.traces), variables()[name].values)
    assert recording.trace == trace
    assert recording.why.startswith(f"{name}, ")
    assert recording.why.endswith(", as asked")
    assert recording.provenance["store"] == str(path / f"{name}.zarr")
    assert "clipped_at_zero" not in recording.provenance


def test_dff_is_not_in_minian(path):
    with pytest.raises(MissingKeyError, match=r"minian, dff: not found .*trace='raw' reads YrA"):
        read(path, trace="dff")


def test_rows_are_read_when_asked_for(path):
    traces = read(path).traces
    np.testing.assert_array_equal(traces[1], YRA[1])
    np.testing.assert_array_equal(traces[[3, 0]], YRA[[3, 0]])
    np.testing.assert_array_equal(traces[1:, 5:9], YRA[1:, 5:9])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(traces))[2], YRA[2])
    shutil.rmtree(path / "minian_intermediate/YrA.zarr/YrA")
    with pytest.raises(MissingKeyError, match=r"YrA.zarr, YrA: not found \(there is animal, frame"):
        traces[0]
    shutil.rmtree(path)
    with pytest.raises(FileNotFoundError, match=r"YrA.zarr: no such file"):
        traces[0]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", ">f4", "int16"])
def test_frames_that_come_first(tmp_path, zarr_format, dtype):
    array = (variables()["YrA"] * 1000).astype(dtype).transpose("frame", "unit_id")
    expected = array.values.T
    save_minian(array, tmp_path / "minian", zarr_format=zarr_format)
    traces = read(tmp_path / "minian", fs=20).traces
    assert (traces.shape, traces.slab) == ((4, 120), 1)
    assert traces.dtype == (np.float64 if dtype == "int16" else np.float32)
    np.testing.assert_array_equal(np.asarray(traces), expected)
    np.testing.assert_array_equal(traces[[2, 0]], expected[[2, 0]])


def test_a_session_with_results_of_both_kinds(path):
    shutil.move(path / "minian_intermediate", path.parent)
    recording = read(path.parent)
    assert (recording.source, recording.trace) == (path, "raw")
    shutil.rmtree(path)
    # Alone, they are all there is.
    assert read(path.parent, fs=20).cell_ids.tolist() == list(EARLIER)


@pytest.mark.parametrize("name", ["minian_intermediate", "intermediate"])
@pytest.mark.parametrize("inside", [True, False])
def test_where_intermediate_results_are_found(folder, monkeypatch, name, inside):
    place = (folder if inside else folder.parent) / name
    save_minian(variables(EARLIER)["YrA"], place)
    monkeypatch.chdir(folder)
    for path in (folder, ".", folder / "C.zarr" if inside else "../minian"):
        recording = read(path, fs=20)
        assert recording.provenance["store"] == str(place / "YrA.zarr")
        np.testing.assert_array_equal(np.asarray(recording.traces), YRA)


def test_raw_traces_in_the_folder_itself(folder):
    save_minian(variables(EARLIER)["YrA"], folder)
    assert read(folder, fs=20).cell_ids.tolist() == list(FINAL)


def test_cells_in_the_order_of_the_final_ones(folder):
    save_minian(variables((7, 5, 0, 3, 2))["YrA"], folder)
    save_minian(variables((3, 0, 7, 2))["C"], folder)
    recording = read(folder, fs=20)
    assert recording.cell_ids.tolist() == [3, 0, 7, 2]
    np.testing.assert_array_equal(np.asarray(recording.traces), YRA[[2, 0, 3, 1]])


def test_raw_traces_without_final_ones(tmp_path):
    save_minian(variables(EARLIER)["YrA"], tmp_path / "minian_intermediate")
    recording = read(tmp_path / "minian_intermediate", fs=20)
    assert (recording.trace, recording.cell_ids.tolist()) == ("raw", list(EARLIER))


def test_final_cells_that_lack_a_raw_trace(folder):
    save_minian(variables((7, 0))["YrA"], folder)
    with pytest.warns(UserWarning, match=r"YrA lacks 2 of the 4 cells .* out: unit_id \[2, 3\]$"):
        recording = read(folder, fs=20)
    assert recording.cell_ids.tolist() == [0, 7]
    np.testing.assert_array_equal(np.asarray(recording.traces), YRA[[0, 3]])


def test_only_some_of_the_lacking_cells_are_listed(folder):
    save_minian(variables(range(24))["C"], folder)
    save_minian(variables(range(12))["YrA"], folder)
    with pytest.warns(UserWarning, match=r"lacks 12 of .* \[12, 13, .* \.\.\.\]$"):
        assert read(folder, fs=20).n_cells == 12


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (variables((0, 9, 10))["YrA"], "expected the 4 cells of C, got 1 of them"),
        (variables(n_frames=90)["YrA"], "expected the 120 frames of C, got 90"),
        (
            variables()["YrA"].assign_coords(frame=np.arange(7, 127)),
            "expected the 120 frames of C, got 120 that are not those",
        ),
        (
            variables(n_frames=90)["YrA"].drop_vars("frame"),
            "expected the 120 frames of C, got 90",
        ),
    ],
)
def test_raw_traces_of_another_run_are_not_taken(folder, other, said):
    save_minian(other, folder)
    with pytest.warns(UserWarning, match=rf"YrA.zarr, YrA: {said}.*: read C, the model's"):
        recording = read(folder, fs=20)
    assert recording.trace == "denoised"
    with pytest.raises(CalabFormatError, match=rf"{said}.*; .*trace='denoised'"):
        read(folder, trace="raw", fs=20)


def test_without_raw_traces_the_fit_is_read_with_a_warning(folder):
    with pytest.warns(UserWarning, match=r"minian, YrA: not found .*: read C, the .* whose noise"):
        recording = read(folder, fs=20)
    np.testing.assert_array_equal(np.asarray(recording.traces), variables()["C"].values)
    assert recording.why.startswith("C, the model's denoised fit")
    with pytest.raises(MissingKeyError, match=r"YrA: not found .*minian_intermediate"):
        read(folder, trace="raw", fs=20)


def test_with_activity_alone(folder):
    shutil.rmtree(folder / "C.zarr")
    with pytest.warns(UserWarning, match="read S, which Minian has already deconvolved"):
        assert read(folder, fs=20).trace == "deconvolved"
    with pytest.raises(MissingKeyError, match=r"minian, C: not found \(there is A.zarr, S.zarr\)"):
        read(folder, trace="denoised")


@pytest.mark.parametrize("axes", [("unit_id", "frame"), ("frame", "unit_id")])
@pytest.mark.parametrize("kind", ["zarr", "nc"])
def test_all_variables_in_one(tmp_path, kind, axes):
    found = variables()
    arrays = {name: found[name].transpose(*axes) for name in ("C", "S", "YrA")}
    dataset, path = xr.Dataset(arrays), tmp_path / f"session.{kind}"
    if kind == "zarr":
        dataset.to_zarr(path, zarr_format=2)
    else:
        dataset.to_netcdf(path, engine="h5netcdf")
    for source in (path, tmp_path):
        recording = read(source, fs=20)
        np.testing.assert_array_equal(np.asarray(recording.traces), YRA)
        np.testing.assert_array_equal(recording.traces[[3, 1]], YRA[[3, 1]])
        assert recording.provenance["store"] == str(path)
        assert recording.cell_ids.tolist() == list(FINAL)
    assert read(path, trace="deconvolved", fs=20).trace == "deconvolved"
    with pytest.raises(MissingKeyError, match=r"dff: not found \(there is C, S, YrA"):
        read(path, trace="dff", fs=20)


def test_one_store(folder):
    with pytest.warns(UserWarning, match=r"C.zarr, YrA: not found"):
        recording = read(folder / "C.zarr", fs=20)
    assert (recording.source, recording.trace) == (folder / "C.zarr", "denoised")


def test_clipped_traces_are_noticed(folder):
    clipped = variables()["YrA"].copy()
    clipped[0, :60] = 0
    clipped[1, 0] = 0
    save_minian(clipped, folder)
    with pytest.warns(UserWarning, match=r"minian: 1 of 4 cells .* clipped at 0.*\(12.7%"):
        recording = read(folder, fs=20)
    assert recording.provenance["clipped_at_zero"] == pytest.approx(61 / 480)
    # Zeros of the activity are nothing special.
    assert read(folder, trace="deconvolved", fs=20).notes == ()


def test_cells_without_a_sample_are_left_with_a_note(folder):
    padded = variables()["YrA"].copy()
    padded[2] = np.nan
    padded[0, :5] = np.nan
    save_minian(padded, folder)
    with pytest.warns(UserWarning, match="1 of 4 cells looked at are NaN throughout"):
        recording = read(folder, fs=20)
    np.testing.assert_array_equal(np.asarray(recording.traces), padded.values)


def test_long_recordings_are_looked_at_in_places(folder, monkeypatch):
    monkeypatch.setattr(glance, "MOST_BYTES", 120 * 8 * glance.PLACES * 2)
    padded = variables(tuple(range(40)))["YrA"].copy()
    padded[[0, 39]] = np.nan
    padded[2:5] = np.nan
    save_minian(padded, folder)
    shutil.rmtree(folder / "C.zarr")
    with pytest.warns(UserWarning, match="2 of 16 cells looked at are NaN throughout"):
        assert read(folder, fs=20).n_cells == 40


def test_frames_are_kept(folder):
    frames = np.r_[0:100, 200:220]
    save_minian(variables()["C"].assign_coords(frame=frames), folder)
    recording = read(folder, trace="denoised", fs=20)
    assert recording.provenance["frames"] == frames.tolist()
    save_minian(variables()["C"].drop_vars("frame"), folder)
    assert read(folder, trace="denoised", fs=20).provenance["frames"] is None


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_other_stores_are_not_minians(tmp_path, zarr_format):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=zarr_format)
    group.create_array("activity", data=YRA)
    # A group, and arrays whose axes are named otherwise.
    group.create_group("C").create_array("C", data=YRA)
    grid = xr.DataArray(np.ones((2, 3)), dims=("lat", "lon"), name="S")
    save_minian(grid, tmp_path, zarr_format=zarr_format)
    grid.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    xr.Dataset({"x": grid}).to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    (tmp_path / "d.hdf5").write_bytes((tmp_path / "b.nc").read_bytes())
    (tmp_path / "e.zarr").write_text("no folder")
    for entry in (tmp_path, *tmp_path.iterdir()):
        assert not minian.recognises(entry)


def test_what_is_recognised(path):
    shutil.copytree(path / "minian_intermediate", path.parent / "minian_intermediate")
    assert minian.recognises(path)
    assert minian.recognises(path / "C.zarr")
    assert minian.recognises(path / "minian_intermediate")
    assert not minian.recognises(path / "A.zarr")
    assert not minian.recognises(path.parent)
    assert not minian.recognises(path.parent / "minian_intermediate")
