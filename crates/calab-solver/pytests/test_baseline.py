"""The rolling baseline against sorting, its shapes and its refusals."""

import numpy as np
import pytest
from calab_solver import rolling_baseline
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


def sorted_windows(trace, width):
    """The causal definition, window by window."""
    windows = [np.sort(trace[max(0, t - width + 1) : t + 1]) for t in range(trace.size)]
    return [x[int(np.floor((x.size - 1) * 0.2 + 0.5))] for x in windows]


@given(hnp.arrays(float, st.integers(1, 60), elements=st.floats(-10, 10)))
def test_causal_baseline_is_the_documented_order_statistic(trace):
    # 5 max(1, ceil(5 x 0.01 x 1)) = 5 frames.
    np.testing.assert_array_equal(rolling_baseline(trace, 1.0, 0.01), sorted_windows(trace, 5))


def test_centered_baseline_finds_the_level_under_noise():
    noise = np.random.default_rng(2).normal(size=(3, 20_000))
    levels = np.array([[0.0], [5.0], [-3.0]])
    baseline = rolling_baseline(levels + noise, 30.0, 0.6, mode="centered")
    # 450 samples tell their 20 % quantile to 0.07; the mean over 44 windows to 0.01.
    np.testing.assert_allclose(baseline.mean(axis=1), levels[:, 0], atol=0.04)


def test_centered_baseline_does_not_lag_behind_a_drift():
    drift = np.linspace(0.0, 100.0, 10_000)
    trace = drift + np.random.default_rng(3).normal(size=drift.size)
    inside = slice(500, -500)
    error = (rolling_baseline(trace, 30.0, 0.6, mode="centered") - drift)[inside]
    # The drift over a window of 450 frames is 4.5, whose own quantile lies 1.35 below its middle.
    assert abs(error.mean()) < 1.4
    lag = (rolling_baseline(trace, 30.0, 0.6) - drift)[inside]
    assert lag.mean() < -3.0


def test_windows_restart_at_segments():
    trace = np.random.default_rng(4).normal(size=600)
    for mode in ("causal", "centered"):
        joined = rolling_baseline(np.tile(trace, 3), 30.0, 0.1, mode=mode, segments=[600, 1200])
        alone = rolling_baseline(trace, 30.0, 0.1, mode=mode)
        np.testing.assert_array_equal(joined, np.tile(alone, 3))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5), (4,), (1, 4)])
def test_keeps_the_shape(shape):
    baseline = rolling_baseline(np.ones(shape), 30.0, 0.4)
    assert (baseline.shape, baseline.dtype) == (shape, np.float64)
    np.testing.assert_array_equal(baseline, 1.0)


def test_gaps_take_the_last_level_and_silence_stays_unknown():
    trace = np.array([[np.nan, 2.0, np.nan], [np.nan, np.nan, np.nan]])
    baseline = rolling_baseline(trace, 1.0, 0.01)
    np.testing.assert_array_equal(baseline, [[2.0, 2.0, 2.0], [np.nan] * 3])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mode": "median"}, ValueError, "mode: expected 'causal' or 'centered', got 'median'"),
        ({"traces": np.ones((1, 1, 1))}, ValueError, r"traces: expected shape .*, got \(1, 1, 1\)"),
        ({"traces": [[0.0, 1.0], [0.0, np.inf]]}, ValueError, "got inf at cell 1, frame 1"),
        ({"traces": [0.0, -np.inf]}, ValueError, "got -inf at frame 1"),
        ({"traces": np.ones(3, complex)}, TypeError, "got dtype complex128"),
        ({"tau_decay": 0.0}, ValueError, "tau_decay: expected a finite number above 0"),
        ({"segments": [2, 1]}, ValueError, "segments: expected ascending start frames"),
        ({"segments": [3]}, ValueError, "segments: expected start frames inside the trace"),
        ({"segments": [-1]}, ValueError, "segments: expected start frames from 0 on, got -1"),
        ({"segments": [0.5]}, TypeError, "segments: expected whole numbers, got dtype float64"),
    ],
)
def test_refuses_with_a_reason(arguments, error, message):
    with pytest.raises(error, match=message):
        rolling_baseline(**{"traces": [1.0, 2.0, 3.0], "fs": 30.0, "tau_decay": 0.4} | arguments)
