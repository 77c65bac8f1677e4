"""Baseline and reconvolution describe the trace that was passed in."""

import numpy as np
import pytest
from calab_core import build_kernel, noise_level, run_deconvolution, run_deconvolution_full

KERNEL = (30.0, 0.1, 0.6)
MODES = ["causal", "centered", "constant", "none"]


def sparse_calcium(n_frames, every=200):
    spikes = np.zeros(n_frames)
    spikes[50::every] = np.random.default_rng(0).uniform(1.0, 2.0, spikes[50::every].size)
    return spikes, np.convolve(spikes, build_kernel(*KERNEL[1:], KERNEL[0]).astype(float))[
        :n_frames
    ]


@pytest.mark.installed
@pytest.mark.parametrize(
    ("mode", "error"), [("causal", 2e-3), ("centered", 0.05), ("constant", 2e-3), ("none", 1e-4)]
)
def test_a_trace_without_noise_is_reconvolved(mode, error):
    spikes, calcium = sparse_calcium(2000)
    level = 0.0 if mode == "none" else 700.0
    result = run_deconvolution_full(level + calcium, *KERNEL, 0.0, baseline_mode=mode)
    # 200 frames after an event a thousandth of it is left, in which the quantile lies; the centred
    # one is raised by 0.84 times the "noise" that the sudden events leave in the upper spectrum.
    np.testing.assert_allclose(result.reconvolution, level + calcium, atol=error)
    assert result.baseline == pytest.approx(level, abs=error)
    np.testing.assert_allclose(result.activity, spikes, atol=error)


@pytest.mark.installed
@pytest.mark.parametrize("mode", ["causal", "centered"])
def test_the_fit_follows_a_drift(mode):
    frames = np.arange(3000)
    drift = 300.0 + 5.0 * np.sin(2 * np.pi * frames / 3000)
    _, calcium = sparse_calcium(3000)
    trace = drift + calcium
    result = run_deconvolution_full(trace, *KERNEL, 0.0, baseline_mode=mode)
    error = result.reconvolution - trace
    # The causal quantile lags by most of its window of 450 frames: at most 450 x 5 x 2 pi / 3000.
    assert np.abs(error).max() < (5.0 if mode == "causal" else 1.0)
    # In a few per cent of the frames only; a fit without the baseline would be off by 300.
    assert np.median(np.abs(error)) < 0.5
    assert result.baseline == pytest.approx(result.details.removed_baseline.mean(), abs=3.0)


@pytest.mark.parametrize("lam", [0.0, 0.1, "auto"])
@pytest.mark.parametrize("mode", MODES)
def test_the_parts_add_up(recording, mode, lam):
    trace = 50.0 * (mode != "none") + recording(1, 900)[0]
    trace[100:140] = np.nan
    result = run_deconvolution_full(trace, *KERNEL, lam, baseline_mode=mode)
    details = result.details
    kernel = build_kernel(*KERNEL[1:], KERNEL[0]).astype(float)
    calcium = np.convolve(result.activity, kernel)[:900]
    fit = calcium + details.removed_baseline + details.offset
    # The float32 kernel, times a sum of some tens of overlapping events.
    np.testing.assert_allclose(result.reconvolution, fit, atol=1e-4)
    assert result.baseline == pytest.approx(details.removed_baseline.mean() + details.offset)
    assert np.isfinite(result.reconvolution).all()
    if lam != "auto" and mode != "constant":
        # Without an offset in the problem, the one reported is the mean of the residual.
        residual = trace - details.removed_baseline - calcium
        assert details.offset == pytest.approx(np.nanmean(residual), abs=1e-5)


def nearest_rank(samples):
    return np.sort(samples)[int(np.floor(0.2 * (samples.size - 1) + 0.5))]


def test_what_each_mode_removes(recording):
    trace = 50.0 + recording(1, 1200)[0]
    noise = noise_level(trace, 30.0)
    removed = {
        mode: run_deconvolution_full(trace, *KERNEL, 0.1, baseline_mode=mode).details
        for mode in MODES
    }
    width = 5 * int(np.ceil(5 * 0.6 * 30.0))
    past = [nearest_rank(trace[max(0, t + 1 - width) : t + 1]) for t in range(1200)]
    np.testing.assert_array_equal(removed["causal"].removed_baseline, past)
    half = width // 2
    both = np.array([nearest_rank(trace[max(0, t - half) : t + half]) for t in range(1200)])
    # The quantile of unit Gaussian noise; where the even width puts its odd frame is no promise.
    assert np.median(np.abs(removed["centered"].removed_baseline - both - 0.8416 * noise)) < 1e-3
    np.testing.assert_array_equal(removed["constant"].removed_baseline, nearest_rank(trace))
    assert removed["constant"].offset >= -noise
    np.testing.assert_array_equal(removed["none"].removed_baseline, 0.0)
    assert all(details.noise == noise for details in removed.values())


def test_centring_removes_the_lag_and_the_bias():
    rng = np.random.default_rng(1)
    # Over a window of 450 frames by 0.4 sigma: little enough for the quantile to be one of noise.
    drift = 2.7 * np.linspace(0.0, 1.0, 6000)
    trace = drift + 0.5 * rng.standard_normal(6000)
    error = {
        mode: run_deconvolution_full(trace, *KERNEL, 0.5, baseline_mode=mode).details
        for mode in ("causal", "centered")
    }
    inside = slice(450, -450)
    causal, centered = (
        np.mean(details.removed_baseline[inside] - drift[inside]) for details in error.values()
    )
    # 0.84 sigma of bias and more of lag, against 5 % of a sigma.
    assert causal < -0.84 * 0.5
    assert abs(centered) < 0.05 * 0.5


def test_a_constant_under_the_trace_is_taken_into_the_baseline(recording):
    traces = recording(3, 900)
    for mode in ("causal", "centered", "constant"):
        for lam in (0.1, "auto"):
            low = run_deconvolution_full(traces, *KERNEL, lam, baseline_mode=mode)
            high = run_deconvolution_full(traces + 1024.0, *KERNEL, lam, baseline_mode=mode)
            # The sum rounds the samples to 1e-13; a certificate of 1e-6 leaves more room.
            np.testing.assert_allclose(high.activity, low.activity, atol=1e-3)
            np.testing.assert_allclose(high.baseline, low.baseline + 1024.0, atol=1e-3)
            np.testing.assert_allclose(high.reconvolution, low.reconvolution + 1024.0, atol=1e-3)


@pytest.mark.installed
@pytest.mark.parametrize("lam", [0.0, 0.1, "auto"])
def test_gaps_are_bridged_by_the_fit(recording, lam):
    trace = 10.0 + recording(1, 900, noise=0.05)[0]
    gapped = trace.copy()
    gapped[300:306] = np.nan
    options = {"baseline_mode": "centered"}
    whole = run_deconvolution_full(trace, *KERNEL, lam, **options)
    result = run_deconvolution_full(gapped, *KERNEL, lam, **options)
    assert result.converged
    assert result.details.masked_fraction == pytest.approx(6 / 900)
    # Six frames are a third of a decay: what is not seen there is seen right after.
    assert np.abs(result.reconvolution - whole.reconvolution).max() < 1.0
    apart = np.r_[0:250, 400:900]
    np.testing.assert_allclose(result.reconvolution[apart], whole.reconvolution[apart], atol=0.05)


def test_reconvolution_is_the_fit_also_of_a_box():
    spikes, calcium = sparse_calcium(1500)
    trace = 5.0 + calcium / 2.0
    result = run_deconvolution_full(trace, *KERNEL, 0.0, constraint="box01")
    # As without the box: the quantile lies in what is left of the last event.
    np.testing.assert_allclose(result.reconvolution, trace, atol=2e-3)
    np.testing.assert_allclose(result.activity, spikes / 2.0, atol=2e-3)
    short = run_deconvolution(trace, *KERNEL, 0.0, constraint="box01")
    assert short.max() <= 1.0
