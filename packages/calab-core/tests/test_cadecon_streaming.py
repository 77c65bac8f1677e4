"""The automated deconvolution of traces that are not in memory: the same, bit for bit."""

import warnings

import h5py
import numpy as np
import pytest
import zarr
from calab_core import run_cadecon
from calab_core.cadecon import pipeline, working
from calab_core.cadecon.rows import Rows
from calab_sim import presets, simulate

FS = 30.0
ARRAYS = ("activity", "rate", "reconvolution", "removed_baseline")


def recording():
    """Eleven cells, of which one is constant, one misses frames and one drifts."""
    config = presets.gcamp6f(num_cells=11, num_timepoints=1500, seed=4, fs_hz=FS)
    traces = simulate(config).traces.astype(np.float32)
    traces[3] = 1.0
    traces[5, 200:260] = np.nan
    time = np.arange(1500) / FS
    traces[8] += 30 * np.sin(2 * np.pi * time / 12).astype(np.float32)
    return traces


@pytest.fixture(scope="module")
def traces():
    return recording()


def run(traces, **options):
    with warnings.catch_warnings():
        # What so short a recording is doubted for is not what is asked here.
        warnings.simplefilter("ignore", UserWarning)
        return run_cadecon(traces, FS, **options)


@pytest.fixture(scope="module", params=["shared", "per_cell"])
def expected(request, traces):
    return run(traces, kernel=request.param)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(working, "BLOCK_SAMPLES", 3 * 1500)


@pytest.fixture
def store(traces, tmp_path):
    array = zarr.create_array(tmp_path / "t.zarr", shape=traces.shape, chunks=(2, 1500), dtype="f4")
    array[:] = traces
    return array


def frames(result):
    return {
        "activity": result.activity,
        **{name: getattr(result.details, name) for name in ARRAYS[1:]},
    }


def assert_same(found, expected):
    for name, values in frames(found).items():
        np.testing.assert_array_equal(values[:], frames(expected)[name], err_msg=name)
    for name in ("alphas", "baselines", "pves", "kernel_slow"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert found.metadata == expected.metadata
    assert found.details.excluded == expected.details.excluded
    for one, other in zip(found.details.spike_times, expected.details.spike_times, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(
        found.details.subset_kernels, expected.details.subset_kernels, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_what_is_recorded_has_every_kind_of_cell(expected):
    assert set(expected.details.excluded) == {3}
    assert 8 in expected.details.drift
    assert np.isnan(expected.details.reconvolution[3]).all()
    assert expected.activity[3].sum() == 0
    assert expected.details.masked_fraction[5] == pytest.approx(60 / 1500)


def test_traces_in_a_file(store, expected):
    assert_same(run(store, kernel=expected.metadata["kernel_mode"]), expected)


@pytest.mark.parametrize("library", ["zarr", "h5py"])
def test_results_in_a_file(store, expected, tmp_path, library):
    asked = []
    group = (
        zarr.create_group(tmp_path / "o.zarr")
        if library == "zarr"
        else h5py.File(tmp_path / "o.h5", "w")
    )

    def out(name, shape, dtype, cells):
        asked.append((name, shape, dtype, cells))
        make = group.create_array if library == "zarr" else group.create_dataset
        return make(name, shape=shape, dtype=dtype, chunks=(cells, shape[1]))

    found = run(store, kernel=expected.metadata["kernel_mode"], out=out)
    # Whole chunks of the source, and no more cells than are worked on at a time.
    assert asked == [(name, (11, 1500), np.dtype("f4"), 2) for name in ARRAYS]
    assert found.activity.name.strip("/") == "activity"
    assert_same(found, expected)
    if library == "h5py":
        group.close()


def test_results_of_traces_in_memory_in_a_file(traces, expected):
    made = {}

    def out(name, shape, dtype, cells):
        made[name] = np.full(shape, 9, dtype)
        return made[name]

    found = run(traces, kernel=expected.metadata["kernel_mode"], out=out)
    assert found.details.rate is made["rate"]
    assert_same(found, expected)


def test_an_output_of_another_shape_is_refused(traces):
    with pytest.raises(ValueError, match=r"^out, activity: expected shape \(11, 1500\), got \(3,"):
        run(traces, out=lambda name, shape, dtype, cells: np.empty((3, 1500)))
    with pytest.raises(
        TypeError, match=r"^out, activity: expected numbers like float32, got an arr"
    ):
        run(traces, out=lambda name, shape, dtype, cells: np.empty(shape, int))
    with pytest.raises(
        TypeError, match=r"^out: expected a function that makes an array, .* ndarray"
    ):
        run(traces, out=np.empty(traces.shape))


def test_the_kernel_is_looked_for_in_some_cells_only(traces, monkeypatch):
    seen = []
    shared = pipeline.shared_kernel

    def look(recording, usable, report):
        seen.append(recording.traces.copy())
        return shared(recording, usable, report)

    monkeypatch.setattr(pipeline, "shared_kernel", look)
    monkeypatch.setattr(pipeline, "MOST_CELLS", 4)
    found = run(traces)
    # Every second or third of those that are not excluded; the drifting one without its trend.
    np.testing.assert_array_equal(seen[0][0], traces[0])
    assert len(seen[0]) == 4
    rows = [int(np.argmin(np.abs(traces[:, 100] - row[100]))) for row in seen[0][[0, 1, 2]]]
    assert rows == [0, 2, 6]
    assert found.activity.shape == traces.shape


def test_what_is_kept_together_is_read_once(traces):
    asked = []

    class Source:
        shape, dtype, chunks = (11, 1500), np.dtype("f4"), (4, 1500)

        def __getitem__(self, cells):
            asked.append(cells)
            return traces[cells]

    rows = Rows(Source(), gaps=True)
    cells = np.array([0, 2, 3, 9])
    np.testing.assert_array_equal(rows.take(cells, slice(5, 9)), traces[cells, 5:9])
    assert asked == [slice(0, 4), slice(9, 10)]


def test_the_cell_of_a_bad_sample_is_named(traces, tmp_path):
    bad = traces.copy()
    bad[9, 7] = -np.inf
    array = zarr.create_array(tmp_path / "b.zarr", shape=bad.shape, chunks=(2, 1500), dtype="f4")
    array[:] = bad
    with pytest.raises(ValueError, match="got -inf at cell 9, frame 7"):
        run(array)
