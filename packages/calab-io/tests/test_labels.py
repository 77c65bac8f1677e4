from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import xarray
from calab_core import CaDeconDetails, CaDeconResult, DeconvolutionDetails, DeconvolutionResult
from calab_io import LazyTraces, Recording
from calab_io.writers.fields import CADECON, DECONVOLUTION
from calab_io.writers.labels import label
from calab_io.writers.saved.layout import RAGGED
from layouts.results import FS, cadecon, deconvolution

#: What of a result is no array of one shape, or not along the cells.
OTHERS = {"fs", "metadata", "excluded", "drift", "segments", "kernel_fs", *RAGGED}


def recording(shape=(3, 6), **changes):
    values = {
        "traces": np.zeros(shape),
        "fs": FS,
        "cell_ids": np.arange(shape[0]) + 10,
        "timestamps": np.arange(shape[1]) / FS + 5,
        "source": Path("/data/results.hdf5"),
        "format": "caiman",
        "trace": "raw",
        "why": "C + YrA",
        "provenance": {"software": "CaImAn"},
        "notes": ("a note",),
    }
    return Recording(**values | changes)


def test_automated_deconvolution_knows_everything():
    result = cadecon()
    labelled = label(result)
    assert labelled.activity is result.activity
    assert labelled.result is result
    assert labelled.details is result.details
    assert (labelled.fs, labelled.n_cells, labelled.n_frames) == (FS, 3, 6)
    assert labelled.cell_ids.tolist() == ["a", "b", "ç"]
    assert labelled.units.tolist() == ["spikes", "arbitrary", "arbitrary"]
    assert labelled.trace_unit == "unit of the traces"
    assert labelled.timestamps is None
    np.testing.assert_allclose(labelled.times, [0, 0.05, 0.1, 0.15, 0.2, 0.25])
    assert labelled.provenance == {}
    assert not labelled.single


def test_without_details_the_metadata_tell():
    bare = cadecon(details=False)
    labelled = label(bare)
    assert labelled.details is None
    assert labelled.cell_ids.tolist() == [0, 1, 2]
    assert labelled.units.tolist() == ["arbitrary"] * 3
    units, ids = ["spikes", "spikes", "arbitrary"], ["x", "y", "z"]
    labelled = label(bare._replace(metadata={"units": units, "cell_ids": ids}))
    assert labelled.cell_ids.tolist() == ids
    assert labelled.units.tolist() == units


def test_times_begin_where_the_recording_does():
    started = recording(timestamps=None, provenance={"starting_time_s": 5.0})
    labelled = label(cadecon(ids=(0, 1, 2)), recording=started)
    np.testing.assert_array_equal(labelled.times, 5 + np.arange(6) / FS)


def test_recording_gives_names_times_and_source():
    labelled = label(cadecon(ids=(0, 1, 2)), recording=recording())
    assert labelled.cell_ids.tolist() == [10, 11, 12]
    np.testing.assert_array_equal(labelled.times, np.arange(6) / FS + 5)
    assert labelled.times is labelled.timestamps
    assert labelled.provenance == {
        "source": str(Path("/data/results.hdf5")),
        "format": "caiman",
        "trace": "raw",
        "why": "C + YrA",
        "notes": ["a note"],
        "known": {"software": "CaImAn"},
    }


def test_recording_gives_the_rate():
    labelled = label(deconvolution(), recording=recording((2, 5), fs=7.5))
    assert (labelled.fs, labelled.trace_unit) == (7.5, "unit of the traces")
    assert labelled.units.tolist() == ["unit of the traces"] * 2


def test_unit_of_relative_traces():
    labelled = label(deconvolution(), recording=recording((2, 5), trace="dff"))
    assert labelled.trace_unit == "dF/F"
    assert labelled.units.tolist() == ["dF/F", "dF/F"]


def test_one_trace_is_one_cell():
    labelled = label(deconvolution(single=True), fs=2)
    assert labelled.single
    assert labelled.activity.shape == (1, 5)
    assert labelled.cell_ids.tolist() == [0]
    assert label([1.0, 2.0], fs=2).activity.tolist() == [[1, 2]]


def test_array():
    labelled = label([[0, 1, 2]], fs=np.float32(3), cell_ids=["only"])
    assert labelled.activity.dtype == np.int64
    assert (labelled.fs, labelled.units.tolist()) == (3.0, ["arbitrary"])
    assert labelled.cell_ids.tolist() == ["only"]
    assert labelled.result is None
    assert labelled.details is None
    assert not labelled.single


def test_array_that_is_elsewhere():
    lazy = LazyTraces((3, 2), np.float32, lambda rows: np.ones((rows.size, 2)))
    np.testing.assert_array_equal(label(lazy, fs=1).activity, np.ones((3, 2), np.float32))


def test_array_of_xarray_is_turned_and_knows_its_cells():
    array = xarray.DataArray(
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], dims=("frame", "unit_id"), coords={"unit_id": [7, 8, 9]}
    )
    labelled = label(array, fs=1)
    assert labelled.activity.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert labelled.cell_ids.tolist() == [7, 8, 9]
    with pytest.raises(ValueError, match="cell_ids and the result name the cells differently"):
        label(array, fs=1, cell_ids=[9, 8, 7])


@pytest.mark.parametrize("ids", [np.array([3, 1], np.uint8), np.array([3, 1], np.int32)])
def test_numbers_of_cells_are_of_one_type(ids):
    labelled = label(np.zeros((2, 3)), fs=1, cell_ids=ids)
    assert labelled.cell_ids.dtype == np.int64
    assert labelled.cell_ids.tolist() == [3, 1]


def test_the_same_from_everyone_is_fine():
    ids = np.array(["a", "b", "ç"])
    same = recording(fs=FS * (1 + 1e-8), cell_ids=ids)
    labelled = label(cadecon(), recording=same, fs=FS, cell_ids=ids.tolist())
    assert labelled.fs == FS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fs": 21.0}, r"fs: the result says 20\.0 Hz, fs says 21\.0 Hz; give one of them"),
        ({"recording": recording(fs=19.0)}, r"result says 20\.0 Hz, the recording says 19\.0 Hz"),
        ({"cell_ids": ["a", "b", "c"]}, "cell_ids and the result name the cells differently"),
        ({"recording": recording()}, "the recording and the result name the cells differently"),
        ({"cell_ids": ["a", "b"]}, r"cell_ids: expected one for each of 3 cells, got shape \(2,\)"),
        ({"cell_ids": ["a", "b", "a"]}, r"expected every cell once, got \['a', 'b', 'a'\]$"),
        ({"recording": recording((3, 5))}, "expected 3 cells x 6 frames .* got 3 cells x 5 frames"),
        ({"recording": recording((2, 6))}, "got 2 cells x 6 frames; give the recording that"),
    ],
)
def test_contradictions(options, message):
    with pytest.raises(ValueError, match=message):
        label(cadecon(), **options)


def test_contradiction_of_recording_and_caller():
    with pytest.raises(ValueError, match="cell_ids and the recording name the cells differently"):
        label(np.zeros((3, 6)), recording=recording(), cell_ids=[1, 2, 3])
    with pytest.raises(ValueError, match="the recording says"):
        label(np.zeros((3, 6)), recording=recording(), fs=1.0)


def test_many_names_are_not_listed():
    with pytest.raises(ValueError, match=r"got \[1, 1, 1, 1, 1\] \.\.\."):
        label(np.zeros((9, 2)), fs=1, cell_ids=np.ones(9, int))


@pytest.mark.parametrize("result", [np.zeros((2, 3)), deconvolution()])
def test_rate_that_nobody_knows(result):
    with pytest.raises(ValueError, match="does not say its sampling rate; give fs= or recording="):
        label(result)


@pytest.mark.parametrize("fs", [0.0, -1.0, np.inf, np.nan])
def test_rate_out_of_range(fs):
    with pytest.raises(ValueError, match="fs: expected a positive, finite rate in Hz"):
        label(np.zeros((2, 3)), fs=fs)


@pytest.mark.parametrize(
    ("result", "options", "message"),
    [
        (tuple(cadecon()), {}, "result: expected a result of CaLab or an array, got a tuple"),
        ("activity.npy", {}, "result: expected activity in real numbers, got dtype <U12"),
        (np.zeros((2, 3), bool), {}, "got dtype bool"),
        (np.zeros((2, 3), complex), {}, "got dtype complex128"),
        (np.zeros((2, 3)), {"fs": "20"}, "fs: expected a number"),
        (np.zeros((2, 3)), {"cell_ids": [0.0, 1.0]}, "expected whole numbers or strings"),
        (np.zeros((2, 3)), {"recording": np.zeros((2, 3))}, "calab_io.read returns, got ndarray"),
    ],
)
def test_what_is_no_result(result, options, message):
    with pytest.raises(TypeError, match=message):
        label(result, **{"fs": 20.0} | options)


@pytest.mark.parametrize("shape", [(), (2, 3, 4)])
def test_array_with_other_axes(shape):
    with pytest.raises(ValueError, match=r"result: expected cells x frames, got shape \("):
        label(np.zeros(shape), fs=1)


def test_parts_that_do_not_belong_together():
    result = cadecon()
    with pytest.raises(ValueError, match=r"expected pves of shape \(3,\) .*\(3, 6\) says, got \(2"):
        label(result._replace(pves=np.zeros(2)))
    with pytest.raises(ValueError, match="kernel_slow with one axis"):
        label(result._replace(kernel_slow=np.zeros((2, 2))))
    with pytest.raises(ValueError, match=r"activity of cells x frames, got shape \(6,\)"):
        label(result._replace(activity=np.zeros(6)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": np.zeros((3, 7))}, r"expected rate of shape \(3, 6\)"),
        ({"units": np.array(["spikes"])}, r"expected units of shape \(3,\)"),
        ({"spike_times": (np.zeros(1),)}, "spike_times of 3 cells .* got those of 1"),
    ],
)
def test_details_of_another_result(changes, message):
    result = cadecon()
    result.details = replace(result.details, **changes)
    with pytest.raises(ValueError, match=message):
        label(result)


def test_units_of_other_cells():
    bare = cadecon(details=False)._replace(metadata={"units": ["spikes"]})
    with pytest.raises(ValueError, match="units: expected one for each of 3 cells"):
        label(bare)


def test_parts_of_one_trace():
    with pytest.raises(ValueError, match=r"expected baseline of shape \(\) .* got \(2,\)"):
        label(deconvolution(single=True)._replace(baseline=np.zeros(2)), fs=1)
    with pytest.raises(ValueError, match=r"expected reconvolution of shape \(5,\)"):
        label(deconvolution(single=True)._replace(reconvolution=np.zeros((1, 5))), fs=1)


def test_every_part_of_a_result_is_known():
    expected = {*CaDeconResult._fields, *(field.name for field in fields(CaDeconDetails))}
    assert {field.name for field in CADECON} | OTHERS == expected
    inner = {field.name for field in fields(DeconvolutionDetails)}
    expected = {*DeconvolutionResult._fields, *inner}
    assert {field.name for field in DECONVOLUTION} | {"method"} == expected
    assert {field.name for field in DECONVOLUTION if field.in_details} == inner - {"method"}
