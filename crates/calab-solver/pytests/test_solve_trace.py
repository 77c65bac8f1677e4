"""Spikes of one trace: their number, amplitude and time, whatever the grid; edges; bad input."""

import importlib

import numpy as np
import pytest
from calab_solver import SolveTraceResult, simulate_cells, solve_trace
from calab_solver.inference import infer_spikes

FS = 30.0


def transient(t, rise, decay):
    """The kernel over continuous time, 1 at its peak."""
    summit = rise * decay / (decay - rise) * np.log(decay / rise)
    peak = np.exp(-summit / decay) - np.exp(-summit / rise)
    since = np.maximum(t, 0.0)
    return (np.exp(-since / decay) - np.exp(-since / rise)) / peak


def trace_of(times, n_frames, rise=0.1, decay=0.6, amplitude=2.0, noise=0.05, seed=3, fs=FS):
    frames = np.arange(n_frames) / fs
    clean = sum((transient(frames - t, rise, decay) for t in times), np.zeros(n_frames))
    white = np.random.default_rng(seed).standard_normal(n_frames)
    return 3.0 + amplitude * clean + noise * white


def isolated(aligned, each=1):
    within = 0.0 if aligned else np.random.default_rng(5).random(11)
    return np.repeat((100 + 110 * np.arange(11) + within) / FS, each)


def as_bytes(result):
    details = result.details
    arrays = (result.s_counts, details.rate, details.spike_times, details.reconvolution)
    return result[1:], [array.tobytes() for array in arrays]


@pytest.mark.installed
@pytest.mark.parametrize("noise_constrained", [False, True])
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize(("rise", "decay"), [(0.1, 0.6), (0.02, 0.4)])
def test_isolated_spikes_keep_number_and_amplitude(rise, decay, noise, aligned, noise_constrained):
    trace = trace_of(isolated(aligned), 1500, rise, decay, noise=noise)
    alphas = []
    for u in (1, 2, 5, 10, 20):
        result = solve_trace(
            trace, rise, decay, FS, upsample_factor=u, noise_constrained=noise_constrained
        )
        # Ten per cent of eleven is one spike.
        assert abs(result.s_counts.sum() - 11) <= 1
        assert result.alpha == pytest.approx(2.0, rel=0.1)
        assert result.details.scale_known
        alphas.append(result.alpha)
    assert max(alphas) < 1.1 * min(alphas)


@pytest.mark.parametrize("noise_constrained", [False, True])
@pytest.mark.parametrize(
    ("rise", "decay"), [(0.1, 0.6), (0.02, 0.4), (0.05, 0.3), (0.02, 0.2), (0.01, 0.2), (0.4, 1.8)]
)
@pytest.mark.parametrize("n_spikes", [11, 100])
def test_isolated_spikes_of_eight_noises_are_counted(rise, decay, noise_constrained, n_spikes):
    # Rises down to a third of a frame; 11 spikes leave the amplitude a guess, which is still right.
    n_frames = 136 * (n_spikes + 1)
    for seed in range(3):
        within = np.random.default_rng(seed).random(n_spikes)
        times = (136 * (1 + np.arange(n_spikes)) + within) / FS
        trace = trace_of(times, n_frames, rise, decay, noise=0.25, seed=seed)
        alphas = []
        for u in (1, 2, 5, 10, 20):
            found = solve_trace(
                trace, rise, decay, FS, upsample_factor=u, noise_constrained=noise_constrained
            )
            assert abs(found.s_counts.sum() - n_spikes) <= 0.1 * n_spikes
            assert found.alpha == pytest.approx(2.0, rel=0.1)
            alphas.append(found.alpha)
        assert max(alphas) < 1.1 * min(alphas)


@pytest.mark.parametrize("noise_constrained", [False, True])
@pytest.mark.parametrize("fs", [5.0, 7.5, 10.0])
def test_isolated_spikes_are_counted_at_low_rates(fs, noise_constrained):
    times = (60 * (1 + np.arange(40)) + np.random.default_rng(1).random(40)) / fs
    trace = trace_of(times, 60 * 42, noise=0.25, fs=fs)
    found = solve_trace(trace, 0.1, 0.6, fs, noise_constrained=noise_constrained)
    assert abs(found.s_counts.sum() - 40) <= 1


@pytest.mark.parametrize("u", [1, 2, 5, 10, 20])
def test_several_spikes_in_a_frame_are_counted(u):
    times = isolated(aligned=True)
    each = np.array([1, 2, 3, 1, 1, 2, 1, 1, 3, 1, 1])
    result = solve_trace(trace_of(np.repeat(times, each), 1500), 0.1, 0.6, FS, upsample_factor=u)
    near = [result.s_counts[100 + 110 * k - 3 : 100 + 110 * k + 4].sum() for k in range(11)]
    assert near == each.tolist()


@pytest.mark.parametrize(("rise", "decay"), [(0.1, 0.6), (0.02, 0.4), (0.01, 0.2), (0.4, 1.8)])
@pytest.mark.parametrize("u", [1, 2, 5, 10])
def test_spike_times_have_no_bias(u, rise, decay):
    apart = np.random.default_rng(8).random(600)
    times = 2.0 + np.arange(600) * max(1.0, 4 * decay) + 0.5 * apart
    trace = trace_of(times, int(FS * (times[-1] + 5)), rise, decay, amplitude=1.0, noise=0.125)
    found = solve_trace(trace, rise, decay, FS, upsample_factor=u).details.spike_times
    nearest = times[np.abs(found[:, None] - times).argmin(axis=1)]
    errors = (found - nearest)[np.abs(found - nearest) < 0.1] * FS
    # A deviation of a frame leaves a twentieth of it in the mean.
    assert errors.size > 400
    assert abs(errors.mean()) < 0.1


@pytest.mark.parametrize("noise_constrained", [False, True])
@pytest.mark.parametrize(
    "activity",
    [
        {"p_spike_when_silent": 1 / 300},
        {
            "p_silent_to_active": 0.005,
            "p_active_to_silent": 0.3,
            "p_spike_when_active": 0.5,
            "p_spike_when_silent": 0.002,
        },
    ],
)
def test_totals_of_bursts_are_right(activity, noise_constrained):
    cells = simulate_cells(8, 4000, FS, tau_rise=0.1, tau_decay=0.6, snr=1e9, **activity)
    noise = np.random.default_rng(0).standard_normal(cells.traces.shape) / 8
    ratios = []
    for clean, white, spikes in zip(cells.clean_calcium, noise, cells.spikes, strict=True):
        result = solve_trace(
            clean + white, 0.1, 0.6, FS, upsample_factor=10, noise_constrained=noise_constrained
        )
        ratios.append(result.s_counts.sum() / spikes.sum())
    assert abs(np.median(ratios) - 1) < 0.15


@pytest.mark.parametrize(("noise_constrained", "least"), [(False, 0.0), (True, 1.0)])
def test_a_noise_constraint_asks_for_the_null_level(noise_constrained, least, monkeypatch):
    asked = []

    def spy(*arguments, least_nulls, **options):
        asked.append(least_nulls)
        return infer_spikes(*arguments, least_nulls=least_nulls, **options)

    monkeypatch.setattr(importlib.import_module("calab_solver.solve_trace"), "infer_spikes", spy)
    trace = trace_of(isolated(aligned=False), 1500)
    result = solve_trace(trace, 0.1, 0.6, FS, noise_constrained=noise_constrained)
    assert asked == [least]
    assert result.threshold * result.alpha >= least * result.details.null_level


@pytest.mark.parametrize("share", [0.4, 0.6, 0.9])
def test_the_scale_of_a_clipped_trace_is_not_claimed(share):
    trace = trace_of(isolated(aligned=False), 1500)
    result = solve_trace(np.minimum(trace, 3.0 + 2.0 * share), 0.1, 0.6, FS, upsample_factor=10)
    assert solve_trace(trace, 0.1, 0.6, FS, upsample_factor=10).details.scale_known
    assert not result.details.scale_known
    assert result.details.alpha_sd > 0.5 * result.alpha


@pytest.mark.installed
def test_units_and_threads_change_nothing():
    trace = trace_of(isolated(aligned=False, each=2), 1500)
    one = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=10, n_threads=1)
    more = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=10, n_threads=3)
    assert as_bytes(more) == as_bytes(one)
    large = solve_trace(1000.0 * trace, 0.1, 0.6, FS, upsample_factor=10)
    assert large.s_counts.tolist() == one.s_counts.tolist()
    # The baseline is rounded to single precision.
    assert large.alpha == pytest.approx(1000 * one.alpha, rel=1e-4)


def test_tuple_and_details():
    trace = trace_of(isolated(aligned=True), 1500)
    result = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=4)
    counts, alpha, baseline, threshold, pve, iterations, converged = result
    assert (counts.dtype, counts.shape) == (np.float32, (1500,))
    assert baseline == pytest.approx(3.0, abs=0.05)
    assert threshold == pytest.approx(0.5)
    assert pve > 0.95
    assert iterations > 0
    assert converged
    details = result.details
    assert np.std(details.reconvolution - trace) < 0.06
    assert details.spike_times.size == counts.sum()
    assert details.rate.dtype == details.removed_baseline.dtype == np.float32
    assert 0 < details.alpha_sd < alpha
    assert result._replace(alpha=1.0).details is details
    assert not hasattr(SolveTraceResult(*result), "details")


@pytest.mark.parametrize(("high", "low"), [(True, False), (False, True), (True, True)])
def test_filters_leave_the_reconvolution_in_the_frame_of_the_input(high, low):
    times = isolated(aligned=True)
    trace = trace_of(times, 1500, noise=0.02)
    result = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=2, hp_enabled=high, lp_enabled=low)
    assert abs(result.s_counts.sum() - 11) <= 1
    assert np.std(result.details.reconvolution - trace) < 0.2 * trace.std()


def test_a_warm_start_makes_nothing_worse():
    trace = trace_of(isolated(aligned=False, each=2), 1500, noise=0.2)
    cold = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=5)
    again = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=5, warm_counts=cold.s_counts)
    assert as_bytes(again) == as_bytes(cold)
    wrong = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=5, warm_counts=np.ones(3))
    assert as_bytes(wrong) == as_bytes(cold)
    bad = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=5, warm_counts=np.ones(1500))
    assert bad.pve >= cold.pve - 0.01
    assert bad.s_counts.sum() == pytest.approx(cold.s_counts.sum(), rel=0.1)
    for result in (cold, bad):
        assert result.details.rate.sum() / FS == pytest.approx(result.s_counts.sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("trace", "baseline"),
    [
        (np.zeros(500), 0.0),
        (np.full(500, 7.5), 7.5),
        (np.full(500, np.nan), np.nan),
        (np.empty(0), 0.0),
        (np.array([2.0]), 2.0),
        (np.array([2.0, 2.0, 2.0]), 2.0),
    ],
)
def test_where_nothing_happens_there_are_no_spikes(trace, baseline):
    result = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=3)
    assert result.s_counts.tolist() == [0.0] * trace.size
    assert (result.alpha, result.threshold, result.pve) == (0.0, 0.0, 0.0)
    np.testing.assert_allclose(result.baseline, baseline)
    assert result.converged
    assert not result.details.scale_known
    assert not result.details.rate.any()


def test_one_event_has_no_known_scale():
    result = solve_trace(trace_of([10.0], 900), 0.1, 0.6, FS, upsample_factor=10)
    assert 1 <= result.s_counts.sum() <= 3
    assert not result.details.scale_known


def test_gaps_are_masked():
    trace = trace_of(isolated(aligned=True), 1500)
    trace[300:310] = trace[600::9] = np.nan
    result = solve_trace(trace, 0.1, 0.6, FS, upsample_factor=2)
    assert result.s_counts.sum() == 11
    assert not result.details.rate[np.isnan(trace)].any()
    assert result.details.rate.sum() / FS == pytest.approx(11, rel=1e-5)
    assert np.isfinite(result.details.reconvolution).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"trace": np.zeros((2, 50))}, r"trace: expected shape \(n_frames,\), got \(2, 50\)"),
        ({"trace": [0.0, np.inf]}, "trace: .*frame 1"),
        (
            {"trace": [0.0, np.nan, -1e31]},
            "^trace: expected samples within 1e.30, .*-1e.31 at frame 2",
        ),
        ({"upsample_factor": 0}, "upsample_factor: expected at least 1, got 0"),
        ({"upsample_factor": 2**24}, "upsample_factor: expected at most"),
        ({"fs": 0.0}, "fs: "),
        ({"tau_rise": 0.0}, "tau_rise"),
        ({"tau_rise": 0.7}, "tau_rise"),
        ({"lambda_": -1.0}, "lambda_: "),
        ({"lambda_": np.nan}, "lambda_: "),
        ({"tol": -1.0}, "tol: "),
        ({"warm_counts": -np.ones(50)}, "warm_counts: "),
        ({"trace": [[1.0, 2.0], [3.0]]}, "^trace: expected rows of equal length"),
    ],
)
def test_bad_input_is_one_clear_error(changed, message):
    given = {"trace": np.zeros(50), "tau_rise": 0.1, "tau_decay": 0.6, "fs": FS} | changed
    with pytest.raises(ValueError, match=message):
        solve_trace(**given)


@pytest.mark.parametrize("name", ["hp_enabled", "lp_enabled", "noise_constrained"])
@pytest.mark.parametrize("value", ["no", 0, 1.0, None])
def test_flags_are_true_or_false(name, value):
    with pytest.raises(TypeError, match=f"^{name}: expected True or False, got {value!r}$"):
        solve_trace(np.zeros(50), 0.1, 0.6, FS, **{name: value})


@pytest.mark.parametrize("trace", [None, "abc", [True, False], 1j * np.ones(5)])
def test_a_trace_holds_numbers(trace):
    with pytest.raises(TypeError, match=r"^trace: expected real numbers, got dtype"):
        solve_trace(trace, 0.1, 0.6, FS)


@pytest.mark.parametrize("after", [0.1, 0.6, 1.2])
def test_ctrl_c_stops_every_step_of_a_long_trace(answer_to_ctrl_c, after):
    # Six and a half seconds of work on two cores.
    given = {"tau_rise": 0.1, "tau_decay": 0.6, "p_spike_when_silent": 1 / 300}
    drawn = simulate_cells(1, 30_000, FS, seed=4, **given)
    trace = np.tile(drawn.clean_calcium[0].astype(float), 120)
    trace += 0.125 * np.random.default_rng(0).standard_normal(trace.size)
    assert (
        answer_to_ctrl_c(lambda: solve_trace(trace, 0.1, 0.6, FS, upsample_factor=10), after) < 1.0
    )
