"""Time constants from kernels: recovery, agreement with a general optimiser, modes, inputs."""

import math

import numpy as np
import pytest
from calab_solver import BiexpFitResult, build_kernel, estimate_kernel, fit_biexponential
from scipy.optimize import least_squares


def make(tau_rise, tau_decay, fs, n=None, beta=1.0):
    t = np.arange(n or 10 + int(8 * tau_decay * fs)) / fs
    return beta * (np.exp(-t / tau_decay) - np.exp(-t / tau_rise))


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize(
    ("tau_rise", "tau_decay", "fs"),
    [
        (0.1, 0.6, 30.0),
        (0.4, 1.8, 30.0),
        (0.02, 0.4, 30.0),
        (0.005, 0.4, 30.0),
        (0.005, 0.3, 30.0),
        # The first sample misses the decay by 3e-15, which double precision just holds.
        (0.001, 0.4, 30.0),
        (0.001, 0.4, 300.0),
        (0.002, 0.04, 30.0),
        (0.01, 0.035, 30.0),
        (0.1, 0.102, 30.0),
        (0.05, 0.5, 5.0),
    ],
)
def test_perfect_kernels_are_recovered(tau_rise, tau_decay, fs, refine):
    fit = fit_biexponential(make(tau_rise, tau_decay, fs, beta=1.7), fs, refine=refine)
    assert fit.fit_mode == "SlowOnly"
    assert fit.tau_rise == pytest.approx(tau_rise, rel=0.05)
    assert fit.tau_decay == pytest.approx(tau_decay, rel=0.05)
    assert fit.residual < 1e-12
    assert fit[4:7] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("tau_rise", [0.003, 0.005, 0.02, 0.05])
def test_single_precision_suffices_for_rises_within_a_frame(tau_rise):
    fit = fit_biexponential(build_kernel(tau_rise, 0.4, 30.0), 30.0)
    assert fit.fit_mode == "SlowOnly"
    # exp(-1/(30 * 0.003)) = 1.5e-5, of which the rounding 3e-8 is 0.2 %, or 0.02 % of the rise.
    assert fit.tau_rise == pytest.approx(tau_rise, rel=0.01)
    assert fit.tau_decay == pytest.approx(0.4, rel=1e-4)


def slow_misfit(log_taus, kernel, fs):
    rise, decay = np.exp(log_taus)
    shape = make(rise, decay, fs, kernel.size)
    return kernel - max(shape @ kernel / (shape @ shape), 0.0) * shape


@pytest.mark.parametrize("seed", range(8))
def test_noisy_kernels_are_fitted_as_well_as_by_a_general_optimiser(seed):
    rng, fs = np.random.default_rng(seed), 30.0
    rise, decay = rng.uniform(0.01, 0.2), rng.uniform(0.3, 1.5)
    kernel = make(rise, decay, fs, 90) + 0.05 * rng.normal(size=90)
    fit = fit_biexponential(kernel, fs, refine=False)
    bounds = np.log([[0.02 / fs, 0.5 / fs], [4.95, 5.0]])
    starts = [(r, d) for r in (0.005, 0.05, 0.2) for d in (0.3, 1.0, 3.0)]
    found = [
        least_squares(slow_misfit, np.log(s), args=(kernel, fs), bounds=bounds, xtol=1e-12)
        for s in starts
    ]
    best = min(2 * result.cost for result in found)
    # The general optimiser stops at a relative change of 1e-8 of the cost.
    assert fit.residual <= best * (1 + 1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_two_components_are_told_apart(seed):
    rng, fs = np.random.default_rng(seed), 30.0
    slow = (rng.uniform(0.08, 0.15), rng.uniform(0.8, 1.5))
    fast = (rng.uniform(0.01, 0.03), rng.uniform(0.06, 0.1))
    kernel = make(*slow, fs, 150) + 0.4 * make(*fast, fs, 150)
    fit = fit_biexponential(kernel, fs)
    assert fit.fit_mode == "TwoComponent"
    # The ceiling of the amplitude rule may hold the fast part back; the misfit stays small.
    alone = fit_biexponential(kernel, fs, refine=False)
    assert fit.residual < 0.05 * alone.residual
    assert fit.tau_decay == pytest.approx(slow[1], rel=0.05)
    assert 0 < fit.beta_fast <= fit.beta
    assert 0 < fit.tau_rise_fast < fit.tau_decay_fast <= 0.15 * fit.tau_decay * (1 + 1e-12)


def test_noise_makes_no_second_component():
    rng = np.random.default_rng(3)
    modes = [
        fit_biexponential(make(0.1, 0.6, 30.0, 90) + 0.05 * rng.normal(size=90), 30.0).fit_mode
        for _ in range(40)
    ]
    # The criterion admits three parameters at 13.5, which chi-square exceeds once in 270.
    assert modes.count("SlowOnly") >= 38


def test_skipped_samples_count_only_in_the_residual():
    kernel = make(0.05, 0.4, 30.0)
    spoilt = kernel.copy()
    spoilt[:2] += 5.0
    fit = fit_biexponential(spoilt, 30.0, skip=2)
    assert (fit.tau_rise, fit.tau_decay) == pytest.approx((0.05, 0.4), rel=1e-4)
    assert fit.residual == pytest.approx(50.0, rel=1e-6)


def test_a_start_changes_nothing_where_the_grid_suffices():
    kernel = make(0.05, 0.4, 30.0, 90) + 0.02 * np.random.default_rng(1).normal(size=90)
    cold = fit_biexponential(kernel, 30.0)
    warm = fit_biexponential(kernel, 30.0, warm=cold)
    assert warm[:4] == pytest.approx(cold[:4], rel=1e-5)


def test_scales_with_the_kernel():
    kernel = make(0.05, 0.4, 30.0, 90) + 0.02 * np.random.default_rng(1).normal(size=90)
    fit = fit_biexponential(kernel, 30.0)
    scaled = fit_biexponential(2.0**60 * kernel, 30.0)
    assert (scaled.tau_rise, scaled.tau_decay) == (fit.tau_rise, fit.tau_decay)
    assert scaled.beta == 2.0**60 * fit.beta
    assert scaled.residual == 2.0**120 * fit.residual


def test_a_fine_kernel_estimated_from_frames_shows_its_rise():
    rng, u, fs = np.random.default_rng(4), 10, 30.0
    spikes = rng.poisson(0.05 / u, 9000 * u).astype(float)
    trace = np.convolve(spikes, make(0.005, 0.2, fs * u, 30 * u))[: spikes.size : u]
    kernel = estimate_kernel(
        trace, spikes, [9000], [1.0], [0.0], 30 * u, upsample_factor=u, smooth_lambda=1e-6
    )
    fit = fit_biexponential(kernel, fs * u)
    assert (fit.tau_rise, fit.tau_decay) == pytest.approx((0.005, 0.2), rel=0.01)


def test_nothing_to_fit_says_so():
    zero = fit_biexponential(np.zeros(50), 30.0)
    assert (zero.fit_mode, zero.beta, zero.residual) == ("Degenerate", 0.0, 0.0)
    negative = fit_biexponential(-make(0.1, 0.6, 30.0), 30.0)
    assert (negative.fit_mode, negative.beta) == ("Degenerate", 0.0)
    assert negative.residual == pytest.approx(np.sum(make(0.1, 0.6, 30.0) ** 2))
    empty = (0.02, 0.4, 0.0, math.inf, 0.0, 0.0, 0.0, "Empty")
    assert fit_biexponential([], 30.0) == empty
    assert fit_biexponential([1.0, 2.0], 30.0, skip=2) == empty
    # No template has anything at the time of the spike.
    assert fit_biexponential([1.0], 30.0).fit_mode == "Degenerate"


def test_result_is_a_tuple_of_the_documented_fields():
    fields = "tau_rise tau_decay beta residual tau_rise_fast tau_decay_fast beta_fast fit_mode"
    assert BiexpFitResult._fields == tuple(fields.split())
    assert BiexpFitResult(0.1, 0.6, 1.0, 0.0, 0.0, 0.0, 0.0).fit_mode == "SlowOnly"


def start(*fields):
    return BiexpFitResult(*fields)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"h_free": [0.0, np.nan]}, ValueError, "h_free: expected finite samples, got NaN at ind"),
        ({"h_free": [1e200]}, ValueError, "h_free: expected finite squares, got inf"),
        ({"h_free": [[1.0]]}, ValueError, r"h_free: expected one axis, got shape \(1, 1\)"),
        ({"h_free": ["a"]}, TypeError, "h_free: expected real numbers"),
        ({"fs": 0.0}, ValueError, "fs: expected a finite number above 0, got 0"),
        ({"fs": "1"}, TypeError, "fs: expected a number"),
        ({"skip": -1}, ValueError, "skip: expected at least 0, got -1"),
        ({"refine": 1}, TypeError, "refine: expected True or False, got 1"),
        ({"warm": 3}, TypeError, "warm: expected a BiexpFitResult, got 3"),
        (
            {"warm": start(0.6, 0.1, 1, 0, 0, 0, 0)},
            ValueError,
            "warm: expected 0 < tau_rise < tau_decay, got tau_rise=0.6 and tau_decay=0.1",
        ),
        (
            {"warm": start(0.1, 0.6, 1, 0, 0.02, 0, 0.1)},
            ValueError,
            "warm: expected 0 < tau_rise_fast < tau_decay_fast, or 0 for both, got tau_rise_fast",
        ),
    ],
)
def test_refuses_what_makes_no_fit(wrong, error, message):
    with pytest.raises(error, match=f"^{message}"):
        fit_biexponential(**{"h_free": [0.0, 1.0, 0.5], "fs": 30.0} | wrong)


def test_a_kernel_of_half_an_hour_is_refused():
    with pytest.raises(ValueError, match=r"^h_free: expected at most 65536 samples, got 65537$"):
        fit_biexponential(np.zeros(2**16 + 1), 30.0)
