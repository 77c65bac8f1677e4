"""The optimum: against an independent solver, between the two methods, and the certificate."""

import numpy as np
import pytest
from calab_solver import deconvolve

FS, RISE, DECAY = 30.0, 0.1, 0.6
TAUS = {
    "usual": (0.1, 0.6),
    "rise near decay": (0.599, 0.6),
    "rise below a frame": (0.001, 0.3),
    "both below a frame": (0.001, 0.002),
}
# The convex solver stops within about 1e-10 of the scaled data, and amplifies it with the
# condition of the dense kernel; 1e-8 of the data's own sum of squares covers both.
REFERENCE_ERROR = 1e-8


def certify(found, reference, trace, least_offset=None):
    """Check one cell against the definition and the independent optimum."""
    optimum, activity, offset = reference.solve(trace, least_offset)
    shift = 0.0 if least_offset is None else found.offset[0]
    slack = REFERENCE_ERROR * (0.5 * np.nansum(trace**2) or 1.0)
    assert (found.activity >= 0).all()
    recomputed = reference.objective(trace, found.activity[0], shift)
    assert found.objective[0] == pytest.approx(recomputed, rel=1e-7, abs=slack)
    assert found.objective[0] - found.gap[0] <= optimum + slack
    assert optimum <= found.objective[0] + slack
    return activity, offset


@pytest.mark.parametrize("method", ["exact", "fista"])
@pytest.mark.parametrize("lam", [0.0, 0.005, 0.5, 1e6])
@pytest.mark.parametrize("taus", TAUS.values(), ids=TAUS)
def test_agrees_with_an_independent_solver(recording, reference, taus, lam, method):
    trace = recording(1, 120, seed=1)
    found = deconvolve(trace, FS, *taus, lam, baseline_mode="none", method=method)
    certify(found, reference(120, lam, *taus), trace[0])
    if method == "exact":
        assert found.converged[0]
    if lam == 1e6:
        np.testing.assert_array_equal(found.activity, 0.0)


@pytest.mark.parametrize("n_frames", range(1, 11))
@pytest.mark.parametrize("lam", [0.0, 0.05])
def test_short_traces(recording, reference, n_frames, lam):
    trace = recording(1, n_frames, seed=2, rate=0.5)
    for method in ("exact", "fista"):
        found = deconvolve(trace, FS, RISE, DECAY, lam, baseline_mode="none", method=method)
        assert found.converged[0]
        certify(found, reference(n_frames, lam), trace[0])
        # It reaches no frame.
        assert found.activity[0, -1] == 0.0


@pytest.mark.parametrize("lam", [0.0, 0.05])
@pytest.mark.parametrize("level", [0.0, 3.0, -3.0])
def test_constant_traces(reference, level, lam):
    trace = np.full((1, 60), level)
    for method in ("exact", "fista"):
        found = deconvolve(trace, FS, RISE, DECAY, lam, baseline_mode="none", method=method)
        assert found.converged[0]
        certify(found, reference(60, lam), trace[0])
        if level <= 0:
            np.testing.assert_array_equal(found.activity, 0.0)
            # But for the rounding of the multipliers.
            assert found.gap[0] <= 1e-20 * level**2


@pytest.mark.parametrize("baseline_mode", ["causal", "centered", "constant"])
def test_a_constant_trace_is_all_baseline(baseline_mode):
    trace = np.full((1, 200), 3.0)
    found = deconvolve(trace, FS, RISE, DECAY, 0.1, baseline_mode=baseline_mode, full=True)
    np.testing.assert_array_equal(found.activity, 0.0)
    np.testing.assert_array_equal(found.reconvolution, trace)
    assert (found.gap[0], found.objective[0], found.converged[0]) == (0.0, 0.0, True)


@pytest.mark.parametrize("method", ["exact", "fista"])
def test_the_box_ignores_lam_and_agrees_with_an_independent_solver(recording, reference, method):
    trace = 1.7 * recording(1, 120, seed=3, rate=0.05)
    options = {"constraint": "box01", "baseline_mode": "none", "method": method}
    found = deconvolve(trace, FS, RISE, DECAY, 0.0, **options)
    again = deconvolve(trace, FS, RISE, DECAY, 123.0, **options)
    assert found.activity.tobytes() == again.activity.tobytes()
    assert found.converged[0]
    assert found.lam[0] == again.lam[0] == 0.0
    # Both bounds are reached, so that the test is about the box.
    assert found.activity.max() == pytest.approx(1.0, abs=1e-3)
    assert found.activity.max() <= 1.0
    certify(found, reference(120, 0.0, boxed=True), trace[0])


@pytest.mark.parametrize("method", ["exact", "fista"])
@pytest.mark.parametrize("lam", [0.01, 0.2])
def test_a_joint_constant_baseline(recording, reference, lam, method):
    trace = 5.0 + recording(1, 150, seed=4)
    found = deconvolve(
        trace, FS, RISE, DECAY, lam, baseline_mode="constant", method=method, full=True
    )
    removed = found.removed_baseline[0, 0]
    # The frame's nearest rank, without interpolation.
    assert removed == np.sort(trace[0])[round(0.2 * 149)]
    assert found.offset[0] >= -found.noise[0]
    certify(found, reference(150, lam), trace[0] - removed, -found.noise[0])
    assert found.baseline[0] == pytest.approx(removed + found.offset[0], rel=1e-12)
    assert found.converged[0]


def with_gaps(trace):
    gapped = trace.copy()
    gapped[0, :4] = gapped[0, 30:60] = gapped[0, 75] = gapped[0, -9:] = np.nan
    return gapped


@pytest.mark.parametrize("method", ["exact", "fista"])
@pytest.mark.parametrize("lam", [0.02, 0.5])
def test_masked_frames_have_no_weight(recording, reference, lam, method):
    trace = with_gaps(recording(1, 120, seed=5))
    found = deconvolve(trace, FS, RISE, DECAY, lam, baseline_mode="none", method=method)
    assert found.converged[0]
    assert found.masked_fraction[0] == pytest.approx(44 / 120)
    certify(found, reference(120, lam), trace[0])


@pytest.mark.parametrize("options", [{}, {"method": "fista"}, {"constraint": "box01"}])
@pytest.mark.parametrize("lam", [0.0, 0.02])
def test_sources_that_no_later_frame_observes_are_zero(recording, lam, options):
    trace = with_gaps(recording(1, 120, seed=5))
    trace[0, 70:90] = np.nan
    found = deconvolve(
        trace, FS, RISE, DECAY, lam, baseline_mode="none", segments=[0, 90], **options
    )
    # Frame 69 is the last recorded one of its segment, and frame 110 the last of all.
    np.testing.assert_array_equal(found.activity[0, 69:90], 0.0)
    np.testing.assert_array_equal(found.activity[0, 110:], 0.0)
    assert found.activity[0, :69].any()
    assert found.activity[0, 90:110].any()


def test_gaps_without_sparsity_mean_the_limit_from_above(recording, reference):
    trace = with_gaps(recording(1, 120, seed=6))
    found = deconvolve(trace, FS, RISE, DECAY, 0.0, baseline_mode="none")
    assert found.converged[0]
    # The weight that stands for the limit is so small that it costs next to nothing, ...
    assert 0 < found.lam[0] <= 1e-5 * np.nanmax(trace)
    certify(found, reference(120, found.lam[0]), trace[0])
    optimum, _, _ = reference(120, 0.0).solve(trace[0])
    assert reference(120, 0.0).objective(trace[0], found.activity[0]) <= 1.0001 * optimum
    # ... and of the many optima it takes the one with the least activity.
    _, activity, _ = reference(120, 1e-4).solve(trace[0])
    assert found.activity.sum() <= 1.1 * activity.sum()


def test_the_two_methods_bound_each_other(recording):
    trace = recording(3, 900, seed=7)
    for lam in (0.005, 0.1):
        for constraint in ("nonneg", "box01"):
            both = [
                deconvolve(trace, FS, RISE, DECAY, lam, constraint=constraint, **options)
                for options in (
                    {},
                    {"method": "fista", "max_iters": 20_000},
                    {"conv_mode": "banded", "max_iters": 20_000},
                )
            ]
            for one in both:
                assert one.converged.all()
                for other in both:
                    assert (one.objective - one.gap <= other.objective * (1 + 1e-12)).all()
                    difference = np.abs(one.objective - other.objective)
                    assert (difference <= one.gap + other.gap + 1e-12 * one.objective).all()


def test_converged_means_the_gap(recording):
    trace = recording(2, 600, seed=8)
    half_squares = 0.5 * np.sum(trace**2, axis=1)
    for options in ({}, {"method": "fista"}):
        for tol in (1e-2, 1e-5, 1e-9):
            found = deconvolve(
                trace, FS, RISE, DECAY, 0.1, baseline_mode="none", tol=tol, **options
            )
            met = found.gap <= np.maximum(tol * found.objective, tol**2 * half_squares)
            np.testing.assert_array_equal(found.converged, met)
    assert deconvolve(trace, FS, RISE, DECAY, 0.1, tol=1e-9).converged.all()


@pytest.mark.parametrize("conv_mode", ["fft", "banded"])
@pytest.mark.parametrize("max_iters", [0, 1, 2, 17])
def test_fista_does_exactly_max_iters(recording, conv_mode, max_iters):
    found = deconvolve(
        recording(2, 300, seed=9), FS, RISE, DECAY, 0.01, max_iters=max_iters, method="fista",
        conv_mode=conv_mode, tol=1e-12,
    )  # fmt: skip
    np.testing.assert_array_equal(found.iterations, max_iters)
    assert not found.converged.any()
    assert (found.gap > 0).all()


@pytest.mark.parametrize("max_iters", [0, 1, 4])
def test_exact_does_at_most_max_iters_and_says_so(recording, max_iters):
    trace = recording(2, 300, seed=9)
    found = deconvolve(trace, FS, RISE, DECAY, 0.01, max_iters=max_iters)
    best = deconvolve(trace, FS, RISE, DECAY, 0.01, tol=1e-9)
    assert (found.iterations <= max_iters).all()
    assert not found.converged.any()
    # What it has is feasible, and its bound holds all the same.
    assert (found.activity >= 0).all()
    assert (found.objective - found.gap <= best.objective).all()


def test_banded_without_a_method_means_fista(recording):
    trace = recording(1, 200, seed=10)
    banded = deconvolve(trace, FS, RISE, DECAY, 0.1, conv_mode="banded")
    asked = deconvolve(trace, FS, RISE, DECAY, 0.1, conv_mode="banded", method="fista")
    exact = deconvolve(trace, FS, RISE, DECAY, 0.1, conv_mode="banded", method="exact")
    assert (banded.method, exact.method) == ("fista", "exact")
    assert banded.activity.tobytes() == asked.activity.tobytes()
    assert banded.iterations[0] > exact.iterations[0]


@pytest.mark.installed
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_extreme_units_are_solved_to_the_same_certificate(recording, scale):
    found = deconvolve(scale * recording(3, 600), FS, RISE, DECAY, 0.1 * scale)
    usual = deconvolve(recording(3, 600), FS, RISE, DECAY, 0.1)
    assert found.converged.all()
    # Both lie within their gaps of the same optimum.
    slack = 2e-6 * usual.objective
    assert (np.abs(found.objective / scale**2 - usual.objective) <= slack).all()


def test_drop_outs_of_every_length_are_bridged():
    # A noise-free transient whose middle was not recorded is found whole.
    times = np.arange(400) / FS
    kernel = np.exp(-times / DECAY) - np.exp(-times / RISE)
    trace = (kernel / kernel.max())[None]
    for n_missing in (1, 10, 60):
        gapped = trace.copy()
        gapped[0, 5 : 5 + n_missing] = np.nan
        found = deconvolve(gapped, FS, RISE, DECAY, 1e-6, baseline_mode="none", full=True)
        # The squared error of the fit is at most twice the gap, plus the pull of lam.
        np.testing.assert_allclose(found.reconvolution, trace, atol=1e-3)
        assert found.activity[0, 0] == pytest.approx(1.0, abs=2e-2)


@pytest.mark.parametrize("taus", [(0.001, 0.002), (0.02, 0.4), (0.59, 0.6), (1.5, 3.0)])
@pytest.mark.parametrize("lam", [0.0, 0.1, "auto"])
def test_a_dead_cell_is_certified(taus, lam):
    for n_frames in (1, 2, 17, 300):
        traces = np.full((2, n_frames), 3.0)
        traces[1, 1::3] = np.nan
        for baseline_mode in ("causal", "centered", "constant"):
            found = deconvolve(traces, FS, *taus, lam, baseline_mode=baseline_mode)
            np.testing.assert_array_equal(found.activity, 0.0)
            np.testing.assert_array_equal(found.gap, 0.0)
            assert found.converged.all()


def test_the_automatic_weight_is_certified():
    # Whole numbers around zero: many ties, few recorded values, short traces.
    for taus in ((0.001, 0.3), (0.1, 0.6), (0.59, 0.6)):
        for baseline_mode in ("causal", "centered", "constant"):
            traces = np.round(2 * np.random.default_rng(6).standard_normal((1000, 300)))
            found = deconvolve(traces, FS, *taus, "auto", baseline_mode=baseline_mode)
            assert found.converged.all()
