"""The automatic weight, joined recordings, and what must not matter to either."""

import numpy as np
import pytest
from calab_core import run_deconvolution, run_deconvolution_full

KERNEL = (30.0, 0.1, 0.6)
MODES = ["causal", "centered", "constant", "none"]


@pytest.mark.installed
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("power", [-30, 10])
def test_powers_of_two_change_no_bit_but_the_scale(recording, mode, power):
    traces = recording(4, 900)
    traces[1, 50:90] = np.nan
    scale = 2.0**power
    plain = run_deconvolution_full(traces, *KERNEL, "auto", baseline_mode=mode)
    scaled = run_deconvolution_full(scale * traces, *KERNEL, "auto", baseline_mode=mode)
    assert (scaled.activity / scale).tobytes() == plain.activity.tobytes()
    assert (scaled.details.lam / scale).tobytes() == plain.details.lam.tobytes()
    assert (scaled.details.noise / scale).tobytes() == plain.details.noise.tobytes()
    np.testing.assert_array_equal(scaled.details.lam_rule, plain.details.lam_rule)
    np.testing.assert_array_equal(scaled.iterations, plain.iterations)


@pytest.mark.installed
@pytest.mark.parametrize("scale", [1e-8, 1000.0])
def test_units_change_nothing_but_the_scale(recording, scale):
    traces = recording(4, 900)
    plain = run_deconvolution_full(traces, *KERNEL, "auto")
    scaled = run_deconvolution_full(scale * traces, *KERNEL, "auto")
    np.testing.assert_array_equal(scaled.details.lam_rule, plain.details.lam_rule)
    # Rounded samples may let the search for the weight stop elsewhere within its 0.5 %.
    np.testing.assert_allclose(scaled.details.lam / scale, plain.details.lam, rtol=0.01)
    np.testing.assert_allclose(scaled.activity / scale, plain.activity, atol=0.02)
    assert scaled.converged.all()


@pytest.mark.installed
def test_silent_cells_get_no_events(recording):
    traces = recording(40, 3000, rate=0.0)
    result = run_deconvolution_full(traces, *KERNEL, "auto", baseline_mode="centered")
    silent = result.details.lam_rule == "no events"
    # A cell of pure noise crosses the level of the expected maximum now and then.
    assert silent.mean() > 0.7
    np.testing.assert_array_equal(result.activity[silent], 0.0)
    assert result.converged.all()
    # What crosses is small: nothing near the unit events of an active cell.
    assert result.activity.max() < 0.5


@pytest.mark.installed
def test_active_cells_get_events_and_a_weight_within_its_bounds(recording):
    traces = recording(20, 3000)
    result = run_deconvolution_full(traces, *KERNEL, "auto", baseline_mode="centered")
    assert set(result.details.lam_rule) <= {"target", "clamp"}
    assert (result.activity.sum(axis=1) > 30).all()
    times = np.arange(3000) / 30.0
    kernel = np.exp(-times / 0.6) - np.exp(-times / 0.1)
    kernel /= kernel.max()
    silence = np.sqrt(np.sum(kernel**2) * 2 * np.log(3000)) / kernel.sum() * result.details.noise
    share = result.details.lam / silence
    assert (share >= 0.1 * (1 - 1e-9)).all()
    assert (share <= 1 + 1e-9).all()


def test_a_target_is_the_noise(recording):
    traces = recording(20, 3000, noise=0.3)
    result = run_deconvolution_full(traces, *KERNEL, "auto", baseline_mode="none")
    hit = result.details.lam_rule == "target"
    assert hit.sum() > 5
    squares = np.sum((traces - result.reconvolution) ** 2, axis=1)
    target = result.details.noise**2 * (3000 + 2 * np.sqrt(2 * 3000))
    # The weight is frozen once the residual is within half a per cent.
    np.testing.assert_allclose(squares[hit], target[hit], rtol=0.006)


def test_the_frozen_weight_gives_the_same_answer_when_passed(recording):
    trace = recording(1, 900)[0]
    found = run_deconvolution_full(trace, *KERNEL, "auto", baseline_mode="constant")
    again = run_deconvolution_full(trace, *KERNEL, found.details.lam, baseline_mode="constant")
    assert again.details.lam_rule == "given"
    bound = found.details.gap + again.details.gap
    assert abs(found.details.objective - again.details.objective) <= bound * (1 + 1e-9)


def test_fista_takes_the_weight_that_the_exact_method_finds(recording):
    traces = recording(2, 600)
    exact = run_deconvolution_full(traces, *KERNEL, "auto")
    fista = run_deconvolution_full(traces, *KERNEL, "auto", method="fista")
    np.testing.assert_array_equal(fista.details.lam, exact.details.lam)
    assert fista.converged.all()
    bound = fista.details.gap + exact.details.gap
    assert (np.abs(fista.details.objective - exact.details.objective) <= bound).all()


@pytest.mark.installed
@pytest.mark.parametrize("mode", MODES)
def test_five_times_the_same_minute(recording, mode):
    minute = recording(3, 1800)
    minute[1, 700:800] = np.nan
    five, starts = np.tile(minute, 5), np.arange(0, 9000, 1800)
    options = {"baseline_mode": mode}
    once = run_deconvolution_full(minute, *KERNEL, "auto", **options)
    joined = run_deconvolution_full(five, *KERNEL, "auto", segments=starts, **options)
    np.testing.assert_array_equal(joined.details.noise, once.details.noise)
    # Copies take the same steps; where rounding adds one, the weight moves by less than the half
    # per cent at which it is frozen, and the activity by less than that share of its largest.
    np.testing.assert_allclose(joined.details.lam, once.details.lam, rtol=5e-3)
    np.testing.assert_array_equal(joined.details.lam_rule, once.details.lam_rule)
    repeated = np.repeat(once.activity[:, None], 5, axis=1)
    tolerance = 5e-3 * once.activity.max()
    np.testing.assert_allclose(joined.activity.reshape(3, 5, 1800), repeated, atol=tolerance)
    for lam in (0.1, 0.0):
        once = run_deconvolution_full(minute, *KERNEL, lam, tol=1e-10, **options)
        joined = run_deconvolution_full(five, *KERNEL, lam, tol=1e-10, segments=starts, **options)
        # Certified to 1e-10, half the squared distance of the two fits is below twice that share
        # of the objective; the activity is a second difference of the fit, hence the root.
        activity = joined.activity.reshape(3, 5, 1800)
        np.testing.assert_allclose(
            activity, np.repeat(once.activity[:, None], 5, axis=1), atol=2e-3
        )
        np.testing.assert_allclose(joined.baseline, once.baseline, atol=1e-4)


def test_segments_share_nothing_but_the_weight(recording):
    traces = recording(2, 2000)
    options = {"lam": 0.1, "tol": 1e-10}
    joined = run_deconvolution(traces, *KERNEL, segments=[700, 1500], **options)
    for start, end in ((0, 700), (700, 1500), (1500, 2000)):
        alone = run_deconvolution(traces[:, start:end], *KERNEL, **options)
        np.testing.assert_allclose(joined[:, start:end], alone, atol=2e-3)
    # Whatever a session holds, the others do not see it.
    traces[:, 700:1500] *= 50.0
    louder = run_deconvolution(traces, *KERNEL, segments=[700, 1500], **options)
    np.testing.assert_allclose(louder[:, :700], joined[:, :700], atol=2e-2)
    np.testing.assert_allclose(louder[:, 1500:], joined[:, 1500:], atol=2e-2)


def test_frame_zero_need_not_be_listed(recording):
    traces = recording(2, 600)
    listed = run_deconvolution(traces, *KERNEL, 0.1, segments=(0, 300))
    for starts in ([300], np.array([0, 300]), range(0, 600, 300)):
        found = run_deconvolution(traces, *KERNEL, 0.1, segments=starts)
        assert found.tobytes() == listed.tobytes()
    assert run_deconvolution(traces, *KERNEL, 0.1).tobytes() != listed.tobytes()
    none = run_deconvolution(traces, *KERNEL, 0.1, segments=[])
    assert none.tobytes() == run_deconvolution(traces, *KERNEL, 0.1).tobytes()
