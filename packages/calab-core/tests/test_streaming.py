"""Traces that are not in memory give what the same traces in memory give, bit for bit."""

import _thread
import threading
import time
import warnings

import calab_core.slabs
import dask.array as da
import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from calab_core import run_cadecon, run_deconvolution, run_deconvolution_full

FS, TAUS, LAM = 30.0, (0.05, 0.4), 0.02


@pytest.fixture(scope="module")
def traces():
    rng = np.random.default_rng(3)
    spikes = (rng.random((23, 400)) < 0.03).astype(float)
    kernel = np.exp(-np.arange(60) / 12)
    rows = np.array([np.convolve(row, kernel)[:400] for row in spikes])
    rows += 0.1 * rng.standard_normal(rows.shape)
    rows[4, 100:120] = np.nan
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def expected(traces):
    return run(traces)


@pytest.fixture(autouse=True)
def small_slabs(monkeypatch):
    """Five cells or a chunk at a time, so that there are several slabs."""
    monkeypatch.setattr(calab_core.slabs, "SLAB_BYTES", 5 * 400 * 4)
    monkeypatch.setattr("calab_core.labelled.SLAB_BYTES", 5 * 400 * 4)


def run(traces, **options):
    return run_deconvolution(traces, FS, *TAUS, LAM, **options)


@pytest.fixture
def in_file(traces, tmp_path):
    """The traces in arrays of HDF5 and zarr; the chunks of one cut time."""
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset("plain", data=traces)
        file.create_dataset("chunked", data=traces, chunks=(4, 100))
    with h5py.File(tmp_path / "t.h5") as file:
        store = zarr.create_array(
            tmp_path / "t.zarr", shape=traces.shape, chunks=(3, 400), dtype="f4"
        )
        store[:] = traces
        sharded = zarr.create_array(
            tmp_path / "s.zarr", shape=traces.shape, chunks=(1, 400), shards=(4, 400), dtype="f4"
        )
        sharded[:] = traces
        yield {
            "plain": file["plain"],
            "chunked": file["chunked"],
            "zarr": zarr.open_array(tmp_path / "t.zarr", mode="r"),
            "sharded": sharded,
        }


@pytest.mark.parametrize("name", ["plain", "chunked", "zarr", "sharded"])
def test_arrays_in_files(in_file, expected, name):
    np.testing.assert_array_equal(run(in_file[name]), expected)


def test_memory_mapped(traces, expected, tmp_path):
    np.save(tmp_path / "t.npy", traces)
    mapped = np.load(tmp_path / "t.npy", mmap_mode="r")
    np.testing.assert_array_equal(run(mapped), expected)


@pytest.mark.parametrize("make", [lambda t: t, lambda t: t.tolist(), da.from_array])
def test_results_go_where_they_are_wanted(traces, expected, tmp_path, make):
    out = zarr.create_array(tmp_path / "o.zarr", shape=traces.shape, chunks=(8, 400), dtype="f8")
    assert run(make(traces), out=out) is out
    wanted = expected if not isinstance(make(traces), list) else run(traces.astype(float))
    np.testing.assert_array_equal(out[:], wanted)


def test_masked_samples_stay_masked(traces):
    masked = np.ma.masked_array(traces, traces > 0.8)
    out = np.empty(traces.shape)
    run(masked, out=out)
    np.testing.assert_array_equal(out, run(masked))
    assert not np.array_equal(out, run(traces))


def test_progress_counts_all_cells(in_file):
    calls = []
    run(in_file["plain"], progress=lambda *call: calls.append(call))
    assert calls[-1] == (23, 23)
    assert sorted(calls) == calls
    assert {total for _, total in calls} == {23}


@pytest.mark.parametrize("chunks", [(23, 400), (1, 400), (7, 130)])
def test_dask_is_lazy(traces, expected, chunks):
    lazy = run(da.from_array(traces, chunks=chunks), dtype="float32")
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == np.float32
    # Neither time is cut nor does every cell have a task of its own.
    assert lazy.chunks[1] == (400,)
    assert max(lazy.chunks[0]) >= 5
    np.testing.assert_array_equal(lazy.compute(), expected.astype(np.float32))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dims", [("unit_id", "frame"), ("frame", "unit_id")])
def test_labels_are_kept(traces, expected, dims, lazy):
    ids = np.arange(23) * 2
    labelled = xr.DataArray(traces, dims=("unit_id", "frame"), coords={"unit_id": ids})
    labelled = labelled.transpose(*dims)
    found = run(labelled.chunk({"unit_id": 1, "frame": 100}) if lazy else labelled)
    assert found.dims == dims
    assert (found.chunks is not None) == lazy
    np.testing.assert_array_equal(found.unit_id, ids)
    np.testing.assert_array_equal(found.transpose("unit_id", "frame"), expected)


def test_axes_before_the_cells(traces, expected):
    both = xr.DataArray(np.stack([traces, traces]), dims=("session", "unit_id", "time"))
    np.testing.assert_array_equal(run(both)[1], expected)
    np.testing.assert_array_equal(run(both[0, 3]), expected[3])


def test_time_is_not_guessed(traces):
    with pytest.raises(ValueError, match=r"dimension named frame .*got \('x', 'y'\); rename"):
        run(xr.DataArray(traces, dims=("x", "y")))


def test_options_are_refused_before_anything_is_computed(traces):
    with pytest.raises(ValueError, match=r"^tau_r"):
        run_deconvolution(da.from_array(traces), FS, -1.0, 0.4, LAM)


def test_everything_of_traces_in_a_file(in_file, traces):
    found = run_deconvolution_full(in_file["zarr"], FS, *TAUS, LAM)
    np.testing.assert_array_equal(
        found.reconvolution, run_deconvolution_full(traces, FS, *TAUS, LAM).reconvolution
    )
    turned = xr.DataArray(traces.T, dims=("frame", "unit_id"))
    again = run_deconvolution_full(turned, FS, *TAUS, LAM)
    np.testing.assert_array_equal(again.activity, found.activity)


def test_a_recording_with_labels_is_deconvolved_automatically(traces):
    ids = [f"cell{row}" for row in range(23)]
    labelled = xr.DataArray(traces.T, dims=("frame", "unit_id"), coords={"unit_id": ids})
    with warnings.catch_warnings():
        # So few spikes; what it warns of is not what is asked here.
        warnings.simplefilter("ignore", UserWarning)
        found, expected = run_cadecon(labelled.chunk(), FS), run_cadecon(traces, FS)
    np.testing.assert_array_equal(found.activity, expected.activity)
    assert found.metadata["cell_ids"] == ids


def test_the_cell_of_a_bad_sample_is_named(traces, tmp_path):
    bad = traces.copy()
    bad[17, 3] = np.inf
    store = zarr.create_array(tmp_path / "b.zarr", shape=bad.shape, chunks=(5, 400), dtype="f4")
    store[:] = bad
    out = np.zeros(bad.shape)
    with pytest.raises(ValueError, match="got inf at cell 17, frame 3"):
        run(store, out=out)
    # What was done stays done.
    np.testing.assert_array_equal(out[:15], run(traces)[:15])


def test_chunks_that_cut_time_are_refused_where_they_cost_too_much(in_file, monkeypatch):
    monkeypatch.setattr(calab_core.slabs, "MOST_SLAB_BYTES", 1000)
    with pytest.raises(ValueError, match=r"got chunks \(4, 100\) .*rechunk"):
        run(in_file["chunked"])


def test_a_failing_sink_is_reported(traces):
    class Full:
        shape, dtype = traces.shape, np.dtype(float)

        def __setitem__(self, rows, values):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run(traces, out=Full())


@pytest.mark.parametrize("shape", [(23, 399), (400, 23)])
def test_the_shape_of_the_output_is_checked(traces, shape):
    with pytest.raises(ValueError, match=r"^out: expected shape \(23, 400\), got"):
        run(traces, out=np.empty(shape))


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.zeros((23, 400), int), "expected numbers like float64, got an array of int64"),
        ("activity.npy", "expected an array of NumPy, h5py or zarr, got 'activity.npy'"),
        ([0.0], "expected an array"),
    ],
)
def test_what_cannot_be_written_to_is_refused(traces, out, message):
    with pytest.raises(TypeError, match=f"^out: {message}"):
        run(traces, out=out)


def test_chunks_of_all_cells_and_some_frames_do_not_become_one_block(traces):
    lazy = run(da.from_array(traces, chunks=(23, 50)))
    assert lazy.chunks == ((5, 5, 5, 5, 3), (400,))
    # Nor does a chunk of many slabs stay, though its traces are whole; a few are left alone.
    assert run(da.from_array(np.tile(traces, (3, 1)), chunks=(69, 400))).chunks[0][0] == 5
    assert run(da.from_array(traces, chunks=(20, 400))).chunks[0] == (20, 3)


def test_one_axis_cannot_be_streamed(traces):
    with pytest.raises(ValueError, match=r"cells x frames to stream, got shape \(400,\)"):
        run(traces[0], out=np.empty(400))


def test_interrupted_between_slabs(traces):
    class Slow:
        shape, dtype = (10_000, 400), np.dtype("f4")

        def __getitem__(self, rows):
            time.sleep(0.05)
            return traces[:5]

    threading.Timer(0.3, _thread.interrupt_main).start()
    begin = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        run(Slow(), out=np.empty((10_000, 400)))
    assert time.perf_counter() - begin < 5


def full(traces, **options):
    return run_deconvolution_full(traces, FS, *TAUS, "auto", **options)


@pytest.mark.parametrize("name", ["memory", "zarr", "dask"])
def test_the_full_result_goes_where_it_is_wanted(in_file, traces, tmp_path, name):
    source = {
        "memory": traces,
        "zarr": in_file["zarr"],
        "dask": da.from_array(traces, chunks=(4, 100)),
    }[name]
    group, done = zarr.create_group(tmp_path / "out.zarr"), []

    def make(name, shape, dtype, cells):
        return group.create_array(name, shape=shape, dtype=dtype, chunks=(cells, shape[1]))

    found = full(source, out=make, progress=lambda at, total: done.append((at, total)))
    expected = full(traces)
    assert isinstance(found.reconvolution, zarr.Array)
    for name, value in found._asdict().items():
        np.testing.assert_array_equal(value, getattr(expected, name), strict=name != "iterations")
    for name, value in vars(found.details).items():
        np.testing.assert_array_equal(value, getattr(expected.details, name))
    assert done[-1] == (23, 23)


def test_what_makes_the_arrays_is_checked_before_anything_is_read(traces):
    with pytest.raises(TypeError, match="out: expected a function that makes an array"):
        full(traces, out=np.empty(traces.shape))
    with pytest.raises(ValueError, match=r"out, activity: expected shape \(23, 400\)"):
        full(traces, out=lambda name, shape, dtype, cells: np.empty((2, 400), dtype))
    with pytest.raises(ValueError, match="tol: expected"):
        full(traces, out=lambda *_: pytest.fail("bad options come first"), tol=-1)


def test_stores_by_url(traces, expected):
    """As in object storage: fsspec's memory is one of its file systems."""
    options = {"shape": traces.shape, "chunks": (3, 400), "overwrite": True}
    zarr.create_array("memory://calab/t.zarr", dtype="f4", **options)[:] = traces
    out = zarr.create_array("memory://calab/out.zarr", dtype="f8", **options)
    run(zarr.open_array("memory://calab/t.zarr", mode="r"), out=out)
    np.testing.assert_array_equal(zarr.open_array("memory://calab/out.zarr", mode="r"), expected)


@pytest.mark.parametrize("times", ["seconds", "datetimes"])
@pytest.mark.parametrize("run", [run_deconvolution, run_deconvolution_full, run_cadecon])
def test_times_of_another_rate_are_said_aloud(traces, run, times):
    seconds = 5 + np.arange(400) / 25
    start = np.datetime64("2026-01-01", "ns")
    along = seconds if times == "seconds" else start + (1e9 * seconds).astype("timedelta64[ns]")
    labelled = xr.DataArray(traces, dims=("cell", "time"), coords={"time": along})
    arguments = () if run is run_cadecon else (*TAUS, LAM)
    with pytest.warns(UserWarning, match="the times along time mean 25 Hz, but fs is 30 Hz"):
        run(labelled, 30.0, *arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(labelled, 25.0, *arguments)
        run(labelled.assign_coords(time=np.arange(400)), 30.0, *arguments)


def test_labelled_activity_has_its_unit(traces):
    labelled = xr.DataArray(traces, dims=("cell", "frame"), attrs={"units": "dF/F"})
    assert run(labelled).attrs == {"long_name": "activity", "units": "dF/F"}
    assert run(xr.DataArray(traces, dims=("cell", "frame"))).attrs["units"] == "unit of the traces"


def test_a_full_result_reads_slabs(traces):
    class Slabs:
        """Traces that are never read as a whole."""

        shape, dtype = traces.shape, traces.dtype

        def __getitem__(self, rows):
            assert rows.stop - rows.start < len(traces)
            return traces[rows]

    found, expected = full(Slabs()), full(traces)
    for name, value in found._asdict().items():
        np.testing.assert_array_equal(value, getattr(expected, name))


def test_units_of_times_are_heeded(traces):
    steps = np.arange(400) * 1e3 / 30
    for times, units in ((steps, "ms"), (steps, "furlongs"), (steps * 1e-3, "seconds since 2026")):
        labelled = xr.DataArray(traces, dims=("cell", "time"))
        labelled = labelled.assign_coords(time=("time", times, {"units": units}))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run(labelled)
    durations = (np.arange(400) * 5e7).astype("timedelta64[ns]")
    with pytest.warns(UserWarning, match="mean 20 Hz"):
        run(xr.DataArray(traces, dims=("cell", "time"), coords={"time": durations}))


def test_a_full_result_of_badly_cut_traces_is_made_in_memory(traces, monkeypatch):
    monkeypatch.setattr(calab_core.slabs, "MOST_SLAB_BYTES", 5 * 400 * 4)
    for source in (da.from_array(traces, chunks=(23, 40)), Cut(traces)):
        found, expected = full(source), full(traces)
        np.testing.assert_array_equal(found.activity, expected.activity)


class Cut:
    """Traces in chunks of all cells and some frames."""

    def __init__(self, traces):
        self.traces, self.shape, self.dtype = traces, traces.shape, traces.dtype
        self.chunks = (23, 40)

    def __getitem__(self, rows):
        return self.traces[rows]

    def __array__(self, dtype=None, copy=None):
        return self.traces.astype(dtype or self.dtype)


def test_a_hint_of_what_is_read_together_refuses_nothing(traces, monkeypatch):
    source = Cut(traces)
    source.chunks, source.slab = None, 16
    assert calab_core.slabs.slab_size(source) == 16
    monkeypatch.setattr(calab_core.slabs, "MOST_SLAB_BYTES", 7 * 400 * 4)
    assert calab_core.slabs.slab_size(source) == 7
    np.testing.assert_array_equal(run(source), run(traces))
