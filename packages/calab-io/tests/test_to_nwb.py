import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import h5py
import numpy as np
import pynapple
import pytest
from calab_core import (
    CaDeconDetails,
    CaDeconResult,
    DeconvolutionResult,
    run_cadecon,
    run_deconvolution_full,
)
from calab_io import CalabFormatError, MissingKeyError, read
from calab_io.clock import Clock, clock_of
from calab_io.writers.labels import label
from calab_io.writers.to_nwb import to_nwb
from layouts.nwb import write_nwb
from layouts.nwb_parts import FIT, RESIDUALS, TABLE, F, change, quiet, set_attribute, untype
from nwbinspector import inspect_nwbfile
from pynwb import NWBHDF5IO, NWBFile, validate
from pynwb.file import ProcessingModule
from pynwb.ophys import ImageSegmentation, OpticalChannel, PlaneSegmentation

OPHYS = "processing/ophys"
OURS = f"{OPHYS}/CaLab/Deconvolved"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEW = {"append": False, "session_start_time": START}
#: What may be said of a file, but not of what is added to it.
GRAVE = {"ERROR", "PYNWB_VALIDATION", "CRITICAL", "BEST_PRACTICE_VIOLATION"}


@pytest.fixture
def path(tmp_path):
    return write_nwb(tmp_path / "suite2p.nwb", "suite2p")


@pytest.fixture(scope="module")
def found():
    """Three cells at 20 Hz, and one that was not recorded."""
    rng = np.random.default_rng(1)
    lags = np.arange(60) / 20
    kernel = np.exp(-lags / 0.6) - np.exp(-lags / 0.08)
    spikes = rng.poisson(0.03, (4, 1200))
    traces = np.array([np.convolve(row, kernel)[:1200] for row in spikes])
    traces += rng.normal(0, 0.08, traces.shape)
    traces[3] = np.nan
    return run_cadecon(traces, 20.0)


def by_hand(known=(True, True, False), n_frames=40, **metadata):
    """Make a result of few frames, in which cell 0 has spikes 3.5 and 3.5 frames in, and 1 none."""
    known = np.array(known)
    each, rows = np.linspace(0.1, 0.3, known.size), np.arange(known.size)
    activity = np.zeros((known.size, n_frames), np.float32)
    activity[0, 3] = 2
    times = [np.empty(0)] * known.size
    times[0] = np.full(2, 3.5 / 20)
    details = CaDeconDetails(
        rate=activity * 20,
        reconvolution=activity,
        removed_baseline=activity,
        spike_times=tuple(times),
        noise=each,
        alpha_sd=each / 10,
        scale_known=known,
        converged=known,
        tau_rise=each / 5,
        tau_decay=each * 2,
        cell_ids=rows,
        excluded={},
        masked_fraction=each * 0,
        segments=(),
        units=np.where(known, "spikes", "arbitrary"),
        subset_kernels=(),
        kernel_fs=40.0,
        drift={0: "it jumps"},
    )
    kernel, none = np.array([0, 1, 0.5], np.float32), np.empty(0, np.float32)
    return CaDeconResult(activity, each, each, each, kernel, none, 20.0, metadata, details=details)


def activity_of(recording, seed=0):
    return np.random.default_rng(seed).poisson(0.4, recording.traces.shape).astype(np.float32)


def dataset(path, key):
    with h5py.File(path) as file:
        return file[key][()]


def attribute(path, key, name):
    with h5py.File(path) as file:
        return file[key].attrs[name]


def added(path):
    """Read what our names begin with in the processing module."""
    with h5py.File(path) as file:
        return {name for name in file[OPHYS] if name.startswith("CaLab")}


def grave(path):
    messages = inspect_nwbfile(nwbfile_path=str(path))
    return {
        (one.check_function_name, one.location, one.message)
        for one in messages
        if one.importance.name in GRAVE
    }


def content(path):
    """Read everything in a file except the schemas."""
    there = {}

    def note(name, item):
        if not name.startswith("specifications"):
            value = item[()] if isinstance(item, h5py.Dataset) else None
            there[name] = repr(value), {key: repr(item.attrs[key]) for key in item.attrs}

    with h5py.File(path) as file:
        file.visititems(note)
    return there


def write_plain(path, *, planes=0, tables=0, devices=0):
    """Write a file without traces, with tables of 3, 4, ... cells from 0 on in planes of theirs."""
    file = NWBFile(session_description="a session", identifier="1", session_start_time=START)
    made = [file.create_device(name=f"device{at}", description="laser") for at in range(devices)]
    if planes:
        made.append(file.create_device(name="microscope"))
    module = ProcessingModule(name="ophys", description="optical physiology")
    segmentation = ImageSegmentation()
    for at in range(planes):
        plane = file.create_imaging_plane(
            name=f"plane{at}",
            optical_channel=OpticalChannel(name="one", description="green", emission_lambda=520.0),
            description="layer 2",
            device=made[0],
            excitation_lambda=920.0,
            indicator="GCaMP8m",
            location="V1",
        )
        if at < tables:
            table = PlaneSegmentation(name=f"cells{at}", description="cells", imaging_plane=plane)
            segmentation.add_plane_segmentation(table)
            for cell in range(3 + at):
                table.add_roi(id=cell, pixel_mask=[(cell, cell, 1.0)])
    if tables:
        module.add(segmentation)
        file.add_processing_module(module)
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file, cache_spec=False)
    return path


# What is written, and how it is read back.


def test_a_result_in_a_new_file(tmp_path, found):
    path = tmp_path / "new.nwb"
    to_nwb(found, path, cell_ids=["a", "b", "c", "d"], **NEW)
    recording = read(path, trace="deconvolved")
    np.testing.assert_array_equal(np.asarray(recording.traces), found.activity)
    assert recording.traces.dtype == np.float32
    assert (recording.fs, recording.timestamps) == (20.0, None)
    assert recording.provenance["starting_time_s"] == 0
    assert recording.provenance["session_start_time"] == START.isoformat()
    assert validate(path=str(path)) == []
    # Of its own making is nothing; that nobody told of the animal is not.
    assert {check for check, *_ in grave(path)} == {"check_subject_exists"}
    with NWBHDF5IO(str(path), "r") as io:
        module = io.read().processing["ophys"]
        series, cells = module["CaLab"]["Deconvolved"], module["CaLabCells"].to_dataframe()
        np.testing.assert_array_equal(series.data[:].T, found.activity)
        np.testing.assert_array_equal(module["CaLabRate"].data[:].T, found.details.rate)
        assert (series.unit, module["CaLabRate"].unit) == ("spikes", "spikes/s")
        assert series.rois.data[:].tolist() == [0, 1, 2, 3]
        assert series.rois.table["cell_name"].data[:].tolist() == ["a", "b", "c", "d"]
        assert not series.rois.table["image_mask"].data[:].any()
        spikes = module["CaLabSpikeTimes"]
        assert spikes.id[:].tolist() == [0, 1, 2]
        assert spikes["cell_name"].data[:].tolist() == ["a", "b", "c"]
        for row in range(3):
            np.testing.assert_allclose(spikes["spike_times"][row], found.details.spike_times[row])
    assert cells["cell_name"].tolist() == ["a", "b", "c", "d"]
    assert cells["activity_unit"].tolist() == ["spikes"] * 3 + ["arbitrary"]
    assert cells["excluded"].tolist() == ["", "", "", "no frame was recorded"]
    for name in ("alphas", "baselines", "pves"):
        np.testing.assert_array_equal(cells[name], getattr(found, name))
    for name in ("noise", "alpha_sd", "scale_known", "converged", "tau_rise", "masked_fraction"):
        np.testing.assert_array_equal(cells[name], getattr(found.details, name))


def test_parameters_are_json(tmp_path, found):
    path = tmp_path / "new.nwb"
    to_nwb(found, path, **NEW)
    said = json.loads(attribute(path, OURS, "description"))
    assert said["written_by"].startswith("calab-io ")
    for name in ("tau_rise", "tau_decay", "settings", "versions", "kernel_method", "history"):
        assert said[name] == found.metadata[name]
    # Those of each cell are in the table of cells.
    assert not {"alphas", "cell_ids", "excluded", "units"} & set(said)
    comments = attribute(path, OURS, "comments")
    assert comments.startswith("Spikes per frame")
    assert "In 1 of 4 cells the amplitude of one spike is not known" in comments
    assert "CaLabCells says which" in attribute(path, f"{OPHYS}/CaLabRate", "comments")


def test_numbers_that_json_does_not_have(tmp_path):
    path = tmp_path / "new.nwb"
    to_nwb(by_hand(residual=float("nan"), bound=float("inf")), path, **NEW)
    text = attribute(path, OURS, "description")
    assert json.loads(text, parse_constant=pytest.fail)["residual"] is None
    assert json.loads(text)["bound"] is None
    with pytest.raises(TypeError, match=r"result: expected what JSON can express: .*set"):
        to_nwb(by_hand(cells={1}), tmp_path / "other.nwb", **NEW)
    assert os.listdir(tmp_path) == ["new.nwb"]


def test_pynapple_reads_it(tmp_path, found):
    path = tmp_path / "new.nwb"
    to_nwb(found, path, cell_ids=[7, 3, 5, 4], **NEW)
    file = pynapple.load_file(str(path))
    spikes = file["CaLabSpikeTimes"]
    assert sorted(spikes.keys()) == [3, 5, 7]
    np.testing.assert_allclose(spikes[7].t, found.details.spike_times[0])
    frame = file["Deconvolved"]
    assert frame.columns.tolist() == [7, 3, 5, 4]
    np.testing.assert_array_equal(frame.d, found.activity.T)


def test_only_spikes_of_cells_of_known_scale(tmp_path):
    path = tmp_path / "new.nwb"
    to_nwb(by_hand(), path, cell_ids=[8, 9, 7], **NEW)
    times = f"{OPHYS}/CaLabSpikeTimes"
    assert dataset(path, f"{times}/id").tolist() == [8, 9]
    np.testing.assert_allclose(dataset(path, f"{times}/spike_times"), [0.175, 0.175])
    assert dataset(path, f"{times}/spike_times_index").tolist() == [2, 2]
    assert dataset(path, f"{OPHYS}/CaLabCells/drift").tolist() == [b"it jumps", b"", b""]
    with h5py.File(path) as file:
        assert "excluded" not in file[f"{OPHYS}/CaLabCells"]
    for name, said in (("pves", "the fit explains"), ("tau_rise", "of the kernel, in s")):
        assert attribute(path, f"{OPHYS}/CaLabCells/{name}", "description").endswith(said)
    assert attribute(path, f"{OURS}/data", "unit") == "spikes"


@pytest.mark.parametrize(("known", "unit"), [((False, True), "spikes"), ((False, False), "a.u.")])
def test_no_table_without_spikes_of_known_scale(tmp_path, known, unit):
    path = tmp_path / "new.nwb"
    to_nwb(by_hand(known), path, **NEW)
    assert added(path) == {"CaLab", "CaLabCells", "CaLabImageSegmentation", "CaLabRate"}
    assert attribute(path, f"{OURS}/data", "unit") == unit
    assert attribute(path, f"{OPHYS}/CaLabRate/data", "unit") == f"{unit}/s"
    assert {check for check, *_ in grave(path)} == {"check_subject_exists"}


def test_all_scales_known(tmp_path):
    path = tmp_path / "new.nwb"
    to_nwb(by_hand((True, True)), path, **NEW)
    assert attribute(path, OURS, "comments").endswith("from calcium traces.")
    assert attribute(path, f"{OPHYS}/CaLabRate", "comments").endswith("of CaLabCells.")


def test_a_result_without_details(tmp_path):
    path, result = tmp_path / "new.nwb", by_hand(tau_rise=0.1)
    to_nwb(CaDeconResult(*result), path, **NEW)
    assert added(path) == {"CaLab", "CaLabCells", "CaLabImageSegmentation"}
    np.testing.assert_array_equal(dataset(path, f"{OURS}/data").T, result.activity)
    np.testing.assert_array_equal(dataset(path, f"{OPHYS}/CaLabCells/alphas"), result.alphas)
    assert json.loads(attribute(path, OURS, "description"))["tau_rise"] == 0.1


@pytest.mark.parametrize("n_cells", [None, 2])
def test_a_deconvolution(tmp_path, n_cells):
    traces = np.zeros((2, 30))
    traces[:, [4, 11]] = 1.0
    traces[:, [5, 12]] = 0.5
    result = run_deconvolution_full(traces[0] if n_cells is None else traces, 30.0, 0.01, 0.05, 0.0)
    path = tmp_path / "new.nwb"
    to_nwb(result, path, fs=30.0, **NEW)
    np.testing.assert_array_equal(dataset(path, f"{OURS}/data").T, np.atleast_2d(result.activity))
    back = np.asarray(read(path, trace="deconvolved").traces)
    np.testing.assert_array_equal(back, np.atleast_2d(result.activity))
    cells = f"{OPHYS}/CaLabCells"
    np.testing.assert_array_equal(dataset(path, f"{cells}/baseline"), result.baseline)
    np.testing.assert_array_equal(dataset(path, f"{cells}/lam"), result.details.lam)
    assert set(dataset(path, f"{cells}/lam_rule").tolist()) == {b"given"}
    assert attribute(path, f"{cells}/lam", "description").endswith(", in unit of the traces")
    assert attribute(path, f"{OURS}/data", "unit") == "a.u."
    assert attribute(path, OURS, "comments").startswith("Height of the calcium transient")
    assert json.loads(attribute(path, OURS, "description"))["method"] == result.details.method


def test_a_deconvolution_of_dff(tmp_path):
    path = write_nwb(tmp_path / "neuroconv.nwb", "neuroconv")
    recording = read(path, trace="dff")
    activity = activity_of(recording)
    none = np.zeros(3)
    to_nwb(DeconvolutionResult(activity, none, activity, none, none), path, recording=recording)
    assert attribute(path, f"{OURS}/data", "unit") == "dF/F"
    assert attribute(path, f"{OPHYS}/CaLabCells/baseline", "description").endswith("in dF/F")


@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_plain_activity(tmp_path, dtype):
    path, activity = tmp_path / "new.nwb", np.arange(12, dtype=dtype).reshape(2, 6)
    to_nwb(activity, path, fs=10.0, **NEW)
    stored = dataset(path, f"{OURS}/data")
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored.T, activity)
    assert attribute(path, f"{OURS}/data", "unit") == "a.u."
    assert attribute(path, OURS, "comments").endswith("was given it; its scale is not known.")
    assert dataset(path, f"{OPHYS}/CaLabCells/id").tolist() == [0, 1]
    assert attribute(path, f"{OPHYS}/CaLabCells", "description") == "What CaLab found of each cell"


def test_data_are_compressed_in_chunks(tmp_path):
    path = tmp_path / "new.nwb"
    to_nwb(np.zeros((70, 5000), np.float32), path, fs=30.0, **NEW)
    with h5py.File(path) as file:
        assert file[f"{OURS}/data"].chunks == (4096, 64)
        assert file[f"{OURS}/data"].compression == "gzip"


# The file that the traces came from.


@pytest.mark.parametrize("writer", ["suite2p", "CaImAn", "neuroconv"])
@pytest.mark.parametrize("cells", ["accepted", "all"])
def test_added_to_the_file_of_the_recording(tmp_path, writer, cells):
    path = write_nwb(tmp_path / "file.nwb", writer)
    recording = quiet(path, cells=cells)
    before, said = content(path), grave(path)
    activity = activity_of(recording)
    to_nwb(activity, path, recording=recording)
    after = content(path)
    assert {name: after.get(name) for name in before} == before
    assert added(path) == {"CaLab", "CaLabCells"}
    assert grave(path) == said
    back = read(path, trace="deconvolved", key="CaLab/Deconvolved", cells=cells)
    np.testing.assert_array_equal(np.asarray(back.traces), activity)
    assert back.cell_ids.tolist() == recording.cell_ids.tolist()
    assert back.fs == pytest.approx(recording.fs)
    assert back.provenance["starting_time_s"] == {"suite2p": 1.5, "CaImAn": 0.5}.get(writer, 0)
    # It is read as it was before.
    again = quiet(path, cells=cells)
    assert (again.why, again.notes, again.provenance) == (
        recording.why,
        recording.notes,
        recording.provenance,
    )
    origin = attribute(path, f"{OPHYS}/CaLabCells", "description").partition(" is from ")[2]
    assert json.loads(origin)["known"]["keys"] == recording.provenance["keys"]


def test_the_result_is_the_deconvolved_trace_of_a_file_without_another(tmp_path):
    path = write_nwb(tmp_path / "caiman.nwb", "CaImAn")
    recording = read(path)
    activity = activity_of(recording)
    to_nwb(activity, path, recording=recording)
    back = read(path, trace="deconvolved")
    np.testing.assert_array_equal(np.asarray(back.traces), activity)
    assert back.cell_ids.tolist() == [11, 12, 14]
    assert dataset(path, f"{OURS}/rois").tolist() == [1, 2, 4]


def test_cells_in_the_order_of_the_recording(path):
    recording = quiet(path, cells=[14, 10, 13])
    activity = activity_of(recording)
    to_nwb(activity, path, recording=recording)
    assert dataset(path, f"{OURS}/rois").tolist() == [4, 0, 3]
    assert dataset(path, f"{OPHYS}/CaLabCells/id").tolist() == [14, 10, 13]
    np.testing.assert_array_equal(dataset(path, f"{OURS}/data").T, activity)


def test_a_file_of_an_old_suite2p_which_has_cells_first(path):
    for name in ("Fluorescence", "Neuropil", "Deconvolved"):
        key = f"{OPHYS}/{name}/plane0/data"
        change(path, key, dataset(path, key).T.copy())
    recording = quiet(path)
    activity = activity_of(recording)
    to_nwb(activity, path, recording=recording)
    np.testing.assert_array_equal(dataset(path, f"{OURS}/data").T, activity)
    assert dataset(path, f"{OURS}/starting_time") == 1.5


def test_planes_have_a_series_each(tmp_path):
    path = write_nwb(tmp_path / "planes.nwb", "suite2p", planes=2)
    untype(path, *(f"{OPHYS}/Deconvolved/plane{plane}" for plane in (0, 1)))
    recording = quiet(path, cells=["plane1_18", "plane0_14", "plane1_16", "plane0_10"])
    activity = activity_of(recording)
    to_nwb(activity, path, recording=recording)
    assert dataset(path, f"{OURS}_plane0/rois").tolist() == [4, 0]
    assert dataset(path, f"{OURS}_plane1/rois").tolist() == [8, 6]
    names = dataset(path, f"{OPHYS}/CaLabCells/cell_name").tolist()
    assert [name.decode() for name in names] == recording.cell_ids.tolist()
    back = read(path, trace="deconvolved", cells=recording.cell_ids)
    np.testing.assert_array_equal(np.asarray(back.traces), activity)
    assert back.provenance["starting_time_s"] == 1.5


def test_cells_of_one_of_two_planes(tmp_path):
    path = write_nwb(tmp_path / "planes.nwb", "suite2p", planes=2)
    recording = quiet(path, cells=["plane1_18"])
    to_nwb(activity_of(recording), path, recording=recording)
    with h5py.File(path) as file:
        assert list(file[f"{OPHYS}/CaLab"]) == ["Deconvolved_plane1"]
    recording = quiet(path, plane=1)
    to_nwb(activity_of(recording), path, recording=recording, name="One")
    assert dataset(path, f"{OPHYS}/One/Deconvolved/rois").tolist() == [7, 8, 10]


def test_a_second_result_by_another_name(path):
    recording = quiet(path)
    one, two = activity_of(recording, 1), activity_of(recording, 2)
    to_nwb(one, path, recording=recording)
    with pytest.raises(ValueError, match=r"suite2p.nwb already has CaLab in ophys; .* name="):
        to_nwb(two, path, recording=recording)
    to_nwb(two, path, recording=recording, name="Second-try")
    for name, activity in (("CaLab", one), ("Second-try", two)):
        back = read(path, trace="deconvolved", key=f"{name}/Deconvolved")
        np.testing.assert_array_equal(np.asarray(back.traces), activity)
    change(path, f"{OPHYS}/CaLab", None)
    with pytest.raises(ValueError, match="already has CaLabCells"):
        to_nwb(two, path, recording=recording)


@pytest.mark.parametrize("name", ["", "a/b", "a b", ".", "-a", "a:b", 3])
def test_names_that_are_none(path, name):
    with pytest.raises(ValueError, match="name: expected letters"):
        to_nwb(np.ones((6, 40)), path, fs=20.0, name=name)


# Which rows of which table the cells are.


def test_cells_by_their_ids(path):
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[15, 11])
    assert dataset(path, f"{OURS}/rois").tolist() == [5, 1]
    assert added(path) == {"CaLab", "CaLabCells"}


def test_cells_by_the_ids_of_the_result(path):
    result = by_hand()
    details = replace(result.details, cell_ids=np.array([12, 10, 15]))
    to_nwb(CaDeconResult(*result, details=details), path)
    assert dataset(path, f"{OURS}/rois").tolist() == [2, 0, 5]


def test_a_copy_of_the_recording_is_as_good(path, tmp_path):
    recording = quiet(path)
    copy = tmp_path / "copy.nwb"
    copy.write_bytes(path.read_bytes())
    path.unlink()
    to_nwb(activity_of(recording), copy, recording=recording)
    assert dataset(copy, f"{OURS}/rois").tolist() == [1, 2, 4]


@pytest.mark.parametrize("lost", [f"{TABLE}/id", f"{F}/data"])
def test_a_file_that_lost_what_it_must_have(path, lost):
    recording = quiet(path)
    change(path, lost, None)
    activity = activity_of(recording)
    to_nwb(activity, path, recording=recording)
    np.testing.assert_array_equal(dataset(path, f"{OURS}/data").T, activity)
    # By their ids the cells are still in the table, if it has ids.
    assert ("CaLabImageSegmentation" in added(path)) == lost.endswith("id")


@pytest.mark.parametrize("lost", ["identifier", "keys", "cell"])
def test_a_recording_of_another_file_goes_by_its_ids(path, lost):
    recording = quiet(path)
    if lost == "identifier":
        change(path, "identifier", "another")
    elif lost == "keys":
        known = {**recording.provenance, "keys": ["processing/traces/data"]}
        recording = replace(recording, provenance=known)
    else:
        # The series has other cells than the recording, which its table still has.
        recording = replace(recording, cell_ids=np.array([10, 11, 12]))
        change(path, f"{F}/rois", np.array([1, 1, 2, 3, 4, 5]))
    to_nwb(activity_of(recording), path, recording=recording)
    expected = [0, 1, 2] if lost == "cell" else [1, 2, 4]
    assert dataset(path, f"{OURS}/rois").tolist() == expected
    assert added(path) == {"CaLab", "CaLabCells"}


def test_cells_that_are_only_counted_fit_a_table_of_as_many(tmp_path):
    path = write_plain(tmp_path / "plain.nwb", planes=1, tables=1)
    with pytest.raises(ValueError, match=r"only counted, 0 to 1, and .* has 3; .* cell_ids="):
        to_nwb(np.ones((2, 40)), path, fs=20.0)
    to_nwb(np.ones((3, 40)), path, fs=20.0)
    assert dataset(path, f"{OURS}/rois").tolist() == [0, 1, 2]
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[0, 1], name="Two")
    assert dataset(path, f"{OPHYS}/Two/Deconvolved/rois").tolist() == [0, 1]
    assert added(path) == {"CaLab", "CaLabCells"}


@pytest.mark.parametrize("n_cells", [3, 4])
def test_cells_that_are_only_counted_fit_one_of_two_tables(tmp_path, n_cells):
    path = write_plain(tmp_path / "plain.nwb", planes=2, tables=2)
    to_nwb(np.ones((n_cells, 40)), path, fs=20.0)
    with h5py.File(path) as file:
        table = file[file[f"{OURS}/rois"].attrs["table"]]
        assert table.name.endswith(f"cells{n_cells - 3}")


def test_cells_of_a_recording_are_not_only_counted(path):
    change(path, f"{TABLE}/id", np.arange(6))
    recording = quiet(path, cells=[0, 1])
    to_nwb(activity_of(recording), path, recording=recording)
    assert dataset(path, f"{OURS}/rois").tolist() == [0, 1]


def test_planes_of_another_file_are_not_those_of_this(tmp_path):
    path = write_nwb(tmp_path / "planes.nwb", "suite2p", planes=2)
    recording = quiet(path)
    change(path, "identifier", "another")
    to_nwb(activity_of(recording), path, recording=recording)
    assert added(path) == {"CaLab", "CaLabCells", "CaLabImageSegmentation"}


def test_ids_that_occur_twice_say_nothing(path):
    change(path, f"{TABLE}/id", np.array([10, 11, 11, 13, 14, 15]))
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[10, 11])
    assert "CaLabImageSegmentation" in added(path)


def test_cells_of_several_tables(tmp_path):
    path = write_plain(tmp_path / "plain.nwb", planes=2, tables=2)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"ids that fit cells0, cells1 of .*; give recording="):
        to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[2, 1])
    assert path.read_bytes() == before


@pytest.mark.parametrize("ids", [[0, 99], ["a", "b"]])
def test_cells_of_no_table_have_their_own(path, ids):
    said = grave(path)
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=ids)
    table = f"{OPHYS}/CaLabImageSegmentation/PlaneSegmentation"
    assert dataset(path, f"{table}/id").tolist() == ([0, 99] if ids[1] == 99 else [0, 1])
    # The only imaging plane of the file.
    assert dataset(path, f"{table}/imaging_plane/indicator") == b"GCaMP8m"
    assert grave(path) == said
    assert read(path, key="CaLab/Deconvolved", trace="deconvolved").cell_ids[0] == ids[0]


@pytest.mark.parametrize("ids", [[0, 99], ["a", "b"]])
def test_the_file_of_another_session_is_left_alone(path, ids):
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match=r"other cells and of 40 frames instead of 90; name the fi"
    ):
        to_nwb(np.ones((2, 90)), path, fs=20.0, cell_ids=ids)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("plain", "device"),
    [
        ({}, "CaLabDevice"),
        ({"devices": 1}, "device0"),
        ({"devices": 2}, "CaLabDevice"),
        ({"planes": 2}, "microscope"),
    ],
)
def test_a_plane_of_which_nothing_is_known(tmp_path, plain, device):
    path = write_plain(tmp_path / "plain.nwb", **plain)
    said = grave(path)
    to_nwb(np.ones((3, 40)), path, fs=20.0)
    plane = "general/optophysiology/CaLabImagingPlane"
    assert dataset(path, f"{plane}/location") == b"unknown"
    assert dataset(path, f"{plane}/indicator") == b"unknown"
    assert dataset(path, f"{plane}/imaging_rate") == 20
    assert np.isnan(dataset(path, f"{plane}/excitation_lambda"))
    with h5py.File(path) as file:
        assert file[f"{plane}/device"] == file[f"general/devices/{device}"]
    assert grave(path) == said
    assert validate(path=str(path)) == []


def test_the_indicator_of_the_recording(path, tmp_path):
    recording = quiet(path)
    new = tmp_path / "new.nwb"
    to_nwb(activity_of(recording), new, recording=recording, append=False)
    back = read(new, trace="deconvolved")
    assert back.provenance["indicator"] == "GCaMP8m"
    assert back.provenance["starting_time_s"] == 1.5
    assert back.provenance["session_start_time"] == "2026-01-01T00:00:00+00:00"
    assert back.cell_ids.tolist() == [11, 12, 14]


# When the frames were taken.


def with_gap(n_frames=40):
    times = 0.5 + np.arange(n_frames) / 20
    times[10:] += 2
    return times


def test_time_stamps_are_kept(tmp_path):
    path = write_nwb(tmp_path / "caiman.nwb", "CaImAn")
    for key in (FIT, RESIDUALS):
        change(path, f"{key}/timestamps", with_gap())
    recording = quiet(path, cells=[10, 11, 12])
    result = by_hand()
    activity = result.activity.copy()
    activity[0, 9] = 1
    times = (np.array([3.5, 9.5]) / 20, *result.details.spike_times[1:])
    details = replace(result.details, spike_times=times, cell_ids=recording.cell_ids)
    to_nwb(CaDeconResult(activity, *result[1:], details=details), path, recording=recording)
    np.testing.assert_array_equal(quiet(path, trace="deconvolved").timestamps, with_gap())
    np.testing.assert_array_equal(dataset(path, f"{OPHYS}/CaLabRate/timestamps"), with_gap())
    # The second spike stays in its frame, before the gap.
    np.testing.assert_allclose(
        dataset(path, f"{OPHYS}/CaLabSpikeTimes/spike_times"), [0.675, 0.975]
    )


@pytest.mark.parametrize("stamps", [False, True])
def test_times_of_a_series_of_the_same_cells(tmp_path, stamps):
    path = write_nwb(tmp_path / "caiman.nwb", "CaImAn")
    if stamps:
        for key in (FIT, RESIDUALS):
            change(path, f"{key}/timestamps", with_gap())
    to_nwb(by_hand(), path, cell_ids=[10, 11, 12])
    back = quiet(path, trace="deconvolved", cells="all")
    if stamps:
        np.testing.assert_array_equal(back.timestamps, with_gap())
    else:
        assert back.provenance["starting_time_s"] == 0.5
    np.testing.assert_allclose(
        dataset(path, f"{OPHYS}/CaLabSpikeTimes/spike_times"), [0.675, 0.675]
    )


def test_no_times_of_a_series_of_other_frames(path):
    to_nwb(np.ones((2, 39)), path, fs=20.0, cell_ids=[10, 11])
    assert dataset(path, f"{OURS}/starting_time") == 0
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[10, 11], name="Whole")
    assert dataset(path, f"{OPHYS}/Whole/Deconvolved/starting_time") == 1.5


def test_no_times_of_a_series_of_other_cells(path):
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[10, 99], name="Own")
    change(path, f"{OPHYS}/Own/Deconvolved/starting_time", 7.0)
    for ids, start in (([10, 99], 7), ([10, 15], 1.5)):
        to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=ids, name=f"To{ids[1]}")
        assert dataset(path, f"{OPHYS}/To{ids[1]}/Deconvolved/starting_time") == start


def test_planes_of_different_time_stamps(tmp_path):
    path = write_nwb(tmp_path / "planes.nwb", "suite2p", planes=2)
    for plane in (0, 1):
        change(path, f"{OPHYS}/Fluorescence/plane{plane}/starting_time", None)
        change(path, f"{OPHYS}/Fluorescence/plane{plane}/timestamps", with_gap() + plane / 40)
    recording = quiet(path)
    to_nwb(activity_of(recording), path, recording=recording)
    np.testing.assert_array_equal(dataset(path, f"{OURS}_plane1/timestamps"), with_gap())


def test_a_clock_within_frames():
    moments = np.array([0, 9.5, 10 - 1e-9, 10, 39.5, 40.5])
    stamped = Clock(20.0, 0.5, with_gap()).at(moments)
    np.testing.assert_allclose(stamped, [0.5, 0.975, 3, 3, 4.475, 4.525])
    jittered = with_gap()
    jittered[3] -= 0.04
    assert Clock(20.0, 0.5, jittered).at(np.array([2.9]))[0] == jittered[3]
    np.testing.assert_allclose(Clock(20.0, 0.5, None).at(moments), 0.5 + moments / 20)


@pytest.mark.parametrize(
    ("rate", "fs", "expected"),
    [(30.0, 30.0, 30.0), (20.001, 20.0, pytest.approx(20.001, rel=1e-12)), (20.0, 30.0, 30.0)],
)
def test_steady_time_stamps_become_a_rate(rate, fs, expected):
    labelled = replace(label(np.ones((1, 1000)), fs=fs), timestamps=7 + np.arange(1000) / rate)
    clock = clock_of(labelled)
    assert (clock.rate, clock.start, clock.stamps) == (expected, 7.0, None)


def test_time_stamps_that_do_not_increase_are_left_out(tmp_path):
    path = write_nwb(tmp_path / "caiman.nwb", "CaImAn")
    change(path, f"{FIT}/timestamps", with_gap()[::-1].copy())
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[10, 11])
    assert dataset(path, f"{OURS}/starting_time") == 0
    change(path, f"{FIT}/timestamps", with_gap()[:-1])
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[10, 11], name="Short")
    assert dataset(path, f"{OPHYS}/Short/Deconvolved/starting_time") == 0


def test_one_frame(tmp_path):
    path = tmp_path / "new.nwb"
    labelled = replace(label(np.ones((1, 1)), fs=5.0), timestamps=np.array([3.0]))
    assert clock_of(labelled).arguments == {"starting_time": 3.0, "rate": 5.0}
    to_nwb(np.ones((1, 1)), path, fs=5.0, **NEW)
    assert read(path, trace="deconvolved").fs == 5


# A file is replaced when all is well, and only then.


def test_after_an_error_the_file_is_as_it_was(path, monkeypatch):
    recording, before = quiet(path), path.read_bytes()
    written = NWBHDF5IO.write

    def fail(io, file, **options):
        written(io, file, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(NWBHDF5IO, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        to_nwb(activity_of(recording), path, recording=recording)
    assert path.read_bytes() == before
    with pytest.raises(OSError, match="No space left"):
        to_nwb(activity_of(recording), path.with_name("new.nwb"), fs=20.0, **NEW)
    assert os.listdir(path.parent) == [path.name]


def test_the_file_itself_is_not_written_to(path, monkeypatch):
    recording = quiet(path)
    path.chmod(0o640)
    kept = path.with_name("kept.nwb")
    os.link(path, kept)
    before = kept.read_bytes()
    to_nwb(activity_of(recording), path, recording=recording)
    assert kept.read_bytes() == before
    assert path.read_bytes() != before
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("append", [True, False])
def test_a_link_stays_a_link(path, append):
    link = path.with_name("link.nwb")
    link.symlink_to(path)
    options = {"cell_ids": [10, 11]} if append else {**NEW, "overwrite": True}
    to_nwb(np.ones((2, 40)), link, fs=20.0, **options)
    assert link.is_symlink()
    assert dataset(path, f"{OURS}/data").shape == (40, 2)


def test_nothing_to_add_to(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.nwb: no such file .*; append=False makes"):
        to_nwb(np.ones((2, 40)), tmp_path / "none.nwb", fs=20.0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda path: path.write_bytes(b"text"), CalabFormatError, "expected an HDF5 file"),
        (lambda path: (path.unlink(), path.mkdir()), CalabFormatError, "got a folder"),
        (
            lambda path: (path.unlink(), h5py.File(path, "w").close()),
            MissingKeyError,
            r"suite2p.nwb, nwb_version: not found; name an NWB 2 file",
        ),
        (
            lambda path: change(path, "session_start_time", "yesterday"),
            CalabFormatError,
            r"suite2p.nwb: cannot be read: Invalid isoformat string: 'yesterday'",
        ),
        (
            lambda path: change(path, f"{F}/rois", None),
            CalabFormatError,
            r"suite2p.nwb: cannot be read: Could not construct RoiResponseSeries object",
        ),
    ],
)
def test_no_nwb_to_add_to(path, damage, error, message):
    damage(path)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(error, match=message):
        to_nwb(np.ones((2, 40)), path, fs=20.0)
    assert path.is_dir() or path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_file_of_an_older_version(path):
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[10, 11])
    set_attribute(path, "/", "nwb_version", "2.6.0")
    with h5py.File(path, "r+") as file:
        core = file["specifications/core"]
        core.move(next(iter(core)), "2.6.0")
    to_nwb(np.ones((2, 40)), path, fs=20.0, cell_ids=[10, 11], name="Again")
    assert dataset(path, f"{OPHYS}/Again/Deconvolved/data").shape == (40, 2)


@pytest.mark.parametrize(
    "option",
    [
        {"session_start_time": START},
        {"session_description": "a session"},
        {"identifier": "1"},
        {"overwrite": True},
    ],
)
def test_what_applies_to_new_files_only(path, option):
    with pytest.raises(ValueError, match=f"{next(iter(option))}: applies to new files"):
        to_nwb(np.ones((2, 40)), path, fs=20.0, **option)


# New files.


def test_a_new_file_replaces_none_unasked(path):
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"is there already; .* overwrite=True replaces it"):
        to_nwb(np.ones((2, 40)), path, fs=20.0, **NEW)
    assert path.read_bytes() == before
    to_nwb(np.ones((2, 40)), path, fs=20.0, overwrite=True, **NEW)
    assert read(path, trace="deconvolved").n_cells == 2


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_new_file_never_replaces_the_recording(path, overwrite):
    recording, before = quiet(path), path.read_bytes()
    with pytest.raises(ValueError, match="is what the recording was read from; append=True"):
        to_nwb(activity_of(recording), path, recording=recording, append=False, overwrite=overwrite)
    assert path.read_bytes() == before


def test_what_a_new_file_says_of_its_session(tmp_path):
    one, two, three = (tmp_path / f"{name}.nwb" for name in ("one", "two", "three"))
    to_nwb(np.ones((2, 40)), one, fs=20.0, session_description="mouse 3", identifier="m3", **NEW)
    assert dataset(one, "identifier") == b"m3"
    assert dataset(one, "session_description") == b"mouse 3"
    for path in (two, three):
        to_nwb(np.ones((2, 40)), path, fs=20.0, **NEW)
    assert dataset(two, "identifier") != dataset(three, "identifier")
    assert b"CaLab inferred" in dataset(two, "session_description")


@pytest.mark.parametrize("said", [None, "some day"])
def test_no_start_of_the_session_is_made_up(path, tmp_path, said):
    recording = quiet(path)
    known = {**recording.provenance, "session_start_time": said}
    recording = replace(recording, provenance=known)
    with pytest.raises(ValueError, match=r"session_start_time: a new NWB file must say .* zone"):
        to_nwb(activity_of(recording), tmp_path / "new.nwb", recording=recording, append=False)
    with pytest.raises(ValueError, match="session_start_time: a new NWB file must say"):
        to_nwb(np.ones((2, 40)), tmp_path / "new.nwb", fs=20.0, append=False)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ({"session_start_time": datetime(2026, 1, 1)}, ValueError, "a time with its zone, got"),
        ({"session_start_time": "2026-01-01"}, TypeError, "session_start_time: expected a datet"),
        ({"session_description": 3}, TypeError, "session_description: expected text, got 3"),
        ({"identifier": 3}, TypeError, "identifier: expected text, got 3"),
        ({"overwrite": "yes"}, TypeError, "overwrite"),
        ({"append": "no"}, TypeError, "append"),
    ],
)
def test_wrong_options(tmp_path, option, error, message):
    with pytest.raises(error, match=message):
        to_nwb(np.ones((2, 40)), tmp_path / "new.nwb", fs=20.0, **{**NEW, **option})
    assert os.listdir(tmp_path) == []


def test_wrong_results(path):
    with pytest.raises(ValueError, match="fs: the result does not say"):
        to_nwb(np.ones((2, 40)), path)
    with pytest.raises(ValueError, match="result: expected a cell and a frame at least"):
        to_nwb(np.ones((2, 0)), path, fs=20.0)
    with pytest.raises(TypeError, match="path: expected a path"):
        to_nwb(np.ones((2, 40)), 3, fs=20.0)
    with pytest.raises(NotADirectoryError, match="expected an existing folder"):
        to_nwb(np.ones((2, 40)), path.parent / "none" / "new.nwb", fs=20.0, **NEW)


def test_pynwb_is_loaded_when_it_is_needed(path, monkeypatch):
    code = (
        "import sys, calab_io.writers.to_nwb; print({'pynwb', 'hdmf', 'h5py'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "set()"
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(ImportError, match=r"writing NWB needs pynwb: .* extra 'nwb'"):
        to_nwb(np.ones((2, 40)), path, fs=20.0)


def test_cells_that_a_file_of_ours_names_are_found_in_it(tmp_path):
    path = tmp_path / "ours.nwb"
    to_nwb(
        np.ones((3, 40)),
        path,
        fs=20.0,
        cell_ids=["b", "ç", "a"],
        append=False,
        session_start_time=START,
    )
    recording = read(path, key="CaLab/Deconvolved", trace="deconvolved")
    assert recording.cell_ids.tolist() == ["b", "ç", "a"]
    some = read(path, key="CaLab/Deconvolved", trace="deconvolved", cells=["a", "b"])
    to_nwb(np.full((2, 40), 7.0), path, recording=some, name="Again")
    with h5py.File(path) as file:
        assert list(file[f"{OPHYS}/CaLabImageSegmentation"]) == ["PlaneSegmentation"]
        series = [
            item
            for item in file[OPHYS].values()
            for item in item.values()
            if "rois" in item and item["data"][0, 0] == 7
        ]
        assert [item["rois"][:].tolist() for item in series] == [[2, 0]]
