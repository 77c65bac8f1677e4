"""What may be passed, in any layout, and how the rest is refused."""

import re

import numpy as np
import pytest
import xarray as xr
from calab_core import run_cadecon, run_deconvolution, run_deconvolution_full
from calab_io import read

KERNEL = (30.0, 0.1, 0.6)


def strided(traces):
    room = np.full((2 * len(traces), 3 * traces.shape[1]), np.inf)
    room[::2, ::3] = traces
    return room[::2, ::3]


def read_only(traces):
    traces = traces.copy()
    traces.flags.writeable = False
    return traces


def unaligned(traces):
    room = np.zeros(traces.shape, dtype=[("skip", "u1"), ("trace", traces.dtype)])
    room["trace"] = traces
    return room["trace"]


LAYOUTS = {
    "fortran": np.asfortranarray,
    "transposed": lambda traces: np.ascontiguousarray(traces.T).T,
    "reversed": lambda traces: np.ascontiguousarray(traces[::-1, ::-1])[::-1, ::-1],
    "strided": strided,
    "read-only": read_only,
    "unaligned": unaligned,
    "big-endian": lambda traces: traces.astype(traces.dtype.newbyteorder(">")),
    "lists": lambda traces: traces.tolist(),
    "masked array": np.ma.MaskedArray,
}


@pytest.mark.installed
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_layout_changes_nothing(recording, layout, kind):
    traces = recording(3, 200).astype(kind)
    expected = run_deconvolution(traces, *KERNEL, "auto")
    before = traces.tobytes()
    assert run_deconvolution(layout(traces), *KERNEL, "auto").tobytes() == expected.tobytes()
    single = layout(traces)[0]
    assert run_deconvolution(single, *KERNEL, "auto").tobytes() == expected[0].tobytes()
    assert traces.tobytes() == before


def test_one_trace_repeated_without_memory(recording):
    trace = recording(1, 200)[0]
    found = run_deconvolution(np.broadcast_to(trace, (4, 200)), *KERNEL, 0.1)
    np.testing.assert_array_equal(found, np.tile(run_deconvolution(trace, *KERNEL, 0.1), (4, 1)))


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "i8", "f2"])
def test_other_numbers_are_read_as_they_are(recording, kind):
    counts = np.round(10 * np.abs(recording(2, 200))).astype(kind)
    expected = run_deconvolution(counts.astype(float), *KERNEL, 0.1)
    np.testing.assert_array_equal(run_deconvolution(counts, *KERNEL, 0.1), expected)


def test_float32_is_read_in_double_precision_and_written_on_request(recording):
    traces = recording(2, 200).astype(np.float32)
    double = run_deconvolution(traces, *KERNEL, 0.1)
    assert double.dtype == np.float64
    assert double.tobytes() == run_deconvolution(traces.astype(float), *KERNEL, 0.1).tobytes()
    single = run_deconvolution(traces, *KERNEL, 0.1, dtype="float32")
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, double.astype(np.float32))


def test_what_a_masked_array_masks_is_a_gap(recording):
    traces = recording(2, 200)
    hidden = np.ma.masked_where(traces > 1.5, traces)
    gaps = np.where(traces > 1.5, np.nan, traces)
    assert np.isnan(gaps).any()
    expected = run_deconvolution(gaps, *KERNEL, 0.1)
    assert run_deconvolution(hidden, *KERNEL, 0.1).tobytes() == expected.tobytes()


@pytest.mark.installed
@pytest.mark.parametrize("options", [{}, {"method": "fista"}, {"baseline_mode": "constant"}])
@pytest.mark.parametrize("lam", [0.1, "auto"])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 7), (0, 0)])
def test_empty_in_empty_out(shape, lam, options):
    result = run_deconvolution_full(np.zeros(shape), *KERNEL, lam, **options)
    assert result.activity.shape == result.reconvolution.shape == shape
    assert result.details.removed_baseline.shape == shape
    assert run_deconvolution(np.zeros(shape), *KERNEL, lam, **options).shape == shape
    if shape == (0,):
        assert (result.baseline, result.iterations, result.converged) == (0.0, 0, True)
        assert (result.details.gap, result.details.masked_fraction) == (0.0, 0.0)
    else:
        np.testing.assert_array_equal(result.baseline, np.zeros(shape[0]))
        np.testing.assert_array_equal(result.iterations, np.zeros(shape[0]))
        np.testing.assert_array_equal(result.converged, np.ones(shape[0], bool))


@pytest.mark.installed
@pytest.mark.parametrize("options", [{}, {"method": "fista"}, {"baseline_mode": "constant"}])
@pytest.mark.parametrize("lam", [0.0, 0.1, "auto"])
def test_a_cell_without_recorded_frames_says_so(recording, lam, options):
    traces = recording(3, 200)
    traces[1] = np.nan
    result = run_deconvolution_full(traces, *KERNEL, lam, **options)
    np.testing.assert_array_equal(result.activity[1], 0.0)
    np.testing.assert_array_equal(np.isnan(result.baseline), [False, True, False])
    np.testing.assert_array_equal(result.converged, [True, False, True])
    np.testing.assert_array_equal(result.details.masked_fraction, [0.0, 1.0, 0.0])
    alone = run_deconvolution_full(traces[1], *KERNEL, lam, **options)
    assert (alone.activity == 0).all()
    assert np.isnan(alone.baseline)
    assert alone.converged is False


def test_strict_callers_are_told_the_first_gap(recording):
    traces = recording(3, 50)
    traces[1, 7] = traces[1, 3] = traces[2, 1] = np.nan
    with pytest.raises(ValueError, match="expected finite values, got nan at cell 1, frame 3"):
        run_deconvolution(traces, *KERNEL, 0.1, on_nan="raise")
    whole = run_deconvolution(traces[0], *KERNEL, 0.1, on_nan="raise")
    assert whole.tobytes() == run_deconvolution(traces[0], *KERNEL, 0.1).tobytes()


def refused_traces():
    infinite = np.zeros((3, 5))
    infinite[1, 4], infinite[2, 0] = -np.inf, np.inf
    gapped = infinite.astype(np.float32)
    gapped[0, 2] = np.nan
    return [
        (
            infinite,
            ValueError,
            "traces: expected finite values or NaN, got -inf at cell 1, frame 4",
        ),
        (gapped, ValueError, "traces: expected finite values or NaN, got -inf at cell 1, frame 4"),
        (infinite[2], ValueError, "got inf at frame 0"),
        (3.0, ValueError, r"expected shape \(n_frames,\) or \(n_cells, n_frames\), got \(\)"),
        (np.zeros((2, 3, 4)), ValueError, r"traces: expected shape .*, got \(2, 3, 4\)"),
        ([[1.0], [1.0, 2.0]], ValueError, "traces: expected rows of equal length"),
        (None, TypeError, "traces: expected real numbers, got dtype object"),
        (np.ones(4, bool), TypeError, "traces: expected real numbers, got dtype bool"),
        (np.ones(4, complex), TypeError, "traces: expected real numbers, got dtype complex128"),
        (["1", "2"], TypeError, "traces: expected real numbers, got dtype <U1"),
        (np.array([1, None]), TypeError, "traces: expected real numbers, got dtype object"),
    ]


@pytest.mark.installed
@pytest.mark.parametrize(("traces", "error", "message"), refused_traces())
def test_refuses_traces(traces, error, message):
    for function in (run_deconvolution, run_deconvolution_full):
        with pytest.raises(error, match=message):
            function(traces, *KERNEL, 0.1)


def test_huge_samples_are_not_infinite():
    # Their sum overflows in their own type, none of them does.
    traces = np.full((1, 10), 3e38, dtype=np.float32)
    result = run_deconvolution_full(traces, *KERNEL, 0.1)
    np.testing.assert_array_equal(result.activity, 0.0)
    assert result.baseline[0] == pytest.approx(3e38)


BAD_NUMBERS = [0.0, -1.0, np.nan, np.inf, -np.inf]
BAD_TYPES = ["30", None, True, 1j, [30.0], np.ones(1)]
GOOD = {"fs": 30.0, "tau_r": 0.1, "tau_d": 0.6, "lam": 0.1}


def refused(error, match, **changed):
    with pytest.raises(error, match=match):
        run_deconvolution(np.zeros(9), **(GOOD | changed))


@pytest.mark.installed
@pytest.mark.parametrize("name", ["fs", "tau_r", "tau_d", "tol"])
@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_refuses_numbers_out_of_range(name, value):
    number = re.escape(str(value)).replace(r"\.0", r"(\.0)?").replace("nan", "(?i:nan)")
    refused(ValueError, f"^{name}: expected .*, got {number}$", **{name: value})


@pytest.mark.parametrize("name", ["fs", "tau_r", "tau_d", "lam", "tol"])
@pytest.mark.parametrize("value", BAD_TYPES, ids=repr)
def test_refuses_what_is_no_number(name, value):
    if (name, value) == ("tol", None):
        assert run_deconvolution(np.zeros(9), **GOOD, tol=None).shape == (9,)
        return
    error = ValueError if (name, value) == ("lam", "30") else TypeError
    refused(error, f"^{name}: expected a number", **{name: value})


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, -np.inf])
def test_refuses_lam_out_of_range(value):
    refused(ValueError, "^lam: expected a finite number, at least 0, got", lam=value)


@pytest.mark.parametrize("taus", [(0.6, 0.6), (0.7, 0.6)])
def test_refuses_a_rise_that_is_not_shorter(taus):
    refused(ValueError, "^tau_r: .*tau_d", tau_r=taus[0], tau_d=taus[1])


def test_accepts_numbers_of_any_real_kind(recording):
    trace = recording(1, 100)[0]
    expected = run_deconvolution(trace, 30.0, 0.125, 0.5, 1.0)
    for kind in (np.float32, np.float64, np.array):
        found = run_deconvolution(trace, kind(30.0), kind(0.125), kind(0.5), kind(1.0))
        assert found.tobytes() == expected.tobytes()
    assert run_deconvolution(trace, 30, 0.125, 0.5, np.int64(1)).tobytes() == expected.tobytes()


OPTIONS = ["conv_mode", "constraint", "method", "baseline_mode", "on_nan", "dtype"]


@pytest.mark.installed
@pytest.mark.parametrize("name", OPTIONS)
def test_refuses_unknown_options(name):
    refused(ValueError, f"^{name}: expected '.*' or '.*', got 'FFT'$", **{name: "FFT"})
    refused(ValueError, f"^{name}: expected", **{name: ""})
    refused(TypeError, f"^{name}: expected", **{name: 3})


def test_refuses_what_fits_no_other_parameter():
    refused(ValueError, "lam: expected a number or 'auto', got 'automatic'", lam="automatic")
    refused(ValueError, "lam: 'auto' needs constraint='nonneg'", lam="auto", constraint="box01")
    refused(ValueError, "max_iters: expected at least 0, got -1", max_iters=-1)
    refused(TypeError, "max_iters: expected a whole number, got 10.0", max_iters=10.0)
    refused(TypeError, "max_iters: expected a whole number, got True", max_iters=True)
    refused(ValueError, "n_threads: expected at least 1, got 0", n_threads=0)
    refused(TypeError, "n_threads: expected a whole number, got '2'", n_threads="2")
    refused(TypeError, "progress: expected a function", progress=True)
    refused(ValueError, "segments: expected ascending start frames, got 3 after 5", segments=[5, 3])
    refused(ValueError, "segments: expected start frames inside the trace", segments=[0, 9])
    refused(ValueError, "segments: expected start frames from 0 on, got -1", segments=[-1])
    refused(TypeError, "segments: expected whole numbers", segments=[0.5])


def test_large_counts_are_as_good_as_any():
    trace = np.arange(9.0)
    expected = run_deconvolution(trace, **GOOD)
    assert run_deconvolution(trace, **GOOD, max_iters=10**30).tobytes() == expected.tobytes()
    assert run_deconvolution(trace, **GOOD, n_threads=10**30).tobytes() == expected.tobytes()


class Unhappy(ValueError):
    """An error of the caller's own."""


def test_errors_of_the_callback_come_back_as_they_are(recording):
    def progress(done, total):
        raise Unhappy("tau_rise is mine")

    with pytest.raises(Unhappy, match=r"^tau_rise is mine$"):
        run_deconvolution(recording(9, 300), **GOOD, progress=progress)


@pytest.mark.parametrize("run", [run_deconvolution, run_deconvolution_full, run_cadecon])
def test_what_only_holds_traces_says_what_to_pass(recording, tmp_path, run):
    np.save(tmp_path / "x.npy", recording(2, 200))
    arguments = () if run is run_cadecon else (30.0, 0.1, 0.6, "auto")
    for what, remedy in (
        (tmp_path / "x.npy", r"got a path; read it first, with recording = calab\.read\(path\)"),
        (str(tmp_path), "got a path; read it first"),
        (read(tmp_path / "x.npy", fs=30.0), r"got a Recording; pass recording\.traces"),
        (xr.Dataset({"C": (("cell", "frame"), recording(2, 200))}), "got a Dataset; pass one of"),
    ):
        with pytest.raises(
            TypeError, match=f"traces: expected an array of cells x frames, {remedy}"
        ):
            run(what, *arguments)
