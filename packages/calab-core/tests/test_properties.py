"""What holds for any trace."""

import numpy as np
from calab_core import run_deconvolution_full
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

samples = st.floats(-100.0, 100.0, width=32)
gappy = st.one_of(samples, st.just(np.nan))
lengths = st.integers(1, 40)
traces = arrays(np.float64, lengths, elements=samples)
gappy_traces = arrays(np.float64, lengths, elements=gappy)
lams = st.one_of(st.just("auto"), st.just(0.0), st.floats(1e-3, 10.0))
modes = st.sampled_from(["causal", "centered", "constant", "none"])
taus = st.sampled_from([(0.1, 0.6), (0.001, 0.3), (0.39, 0.4), (0.5, 3.0)])

few = settings(max_examples=150)


@few
@given(trace=gappy_traces, lam=lams, mode=modes, taus=taus)
def test_activity_is_finite_and_not_negative(trace, lam, mode, taus):
    result = run_deconvolution_full(trace, 30.0, *taus, lam, baseline_mode=mode)
    assert np.isfinite(result.activity).all()
    assert (result.activity >= 0).all()
    assert np.isfinite(result.reconvolution).all() == (not np.isnan(trace).all())


@few
@given(trace=gappy_traces, mode=modes, taus=taus)
def test_a_box_is_a_box(trace, mode, taus):
    result = run_deconvolution_full(trace, 30.0, *taus, 0.0, constraint="box01", baseline_mode=mode)
    assert (result.activity >= 0).all()
    assert (result.activity <= 1).all()


def objective(trace, activity, details, taus):
    """Half the squared residual plus the weighted sum, by the recursion."""
    d, r = np.exp(-1 / (30.0 * taus[1])), np.exp(-1 / (30.0 * taus[0]))
    k = np.arange(1, 5000)
    response = (d**k - r**k) / (d - r)
    kernel = np.concatenate([[0.0], response / response.max()])
    calcium = np.convolve(activity, kernel)[: trace.size]
    residual = trace - details.removed_baseline - calcium
    recorded = residual[~np.isnan(residual)]
    weight = details.lam / (response.max() * (1 - d) * (1 - r))
    return 0.5 * recorded @ recorded + weight * activity.sum()


@few
@given(
    trace=gappy_traces.filter(lambda trace: not np.isnan(trace).all()),
    other=arrays(np.float64, 40, elements=st.floats(0.0, 50.0)),
    lam=st.one_of(st.just(0.0), st.floats(1e-3, 10.0)),
    taus=taus,
)
def test_no_activity_is_better_than_the_certificate_says(trace, other, lam, taus):
    result = run_deconvolution_full(trace, 30.0, *taus, lam, baseline_mode="none")
    details = result.details
    # Rounding of a sum of squares, in units of the data's own.
    slack = 1e-9 * (np.nansum(trace**2) + 1e-200)
    mine = objective(trace, result.activity, details, taus)
    assert abs(mine - details.objective) <= slack
    assert details.gap >= 0
    nothing = np.zeros(trace.size)
    for rival in (nothing, other[: trace.size], 1.01 * result.activity, 0.99 * result.activity):
        assert details.objective - details.gap <= objective(trace, rival, details, taus) + slack
    if result.converged:
        start = objective(trace, nothing, details, taus)
        assert details.gap <= max(1e-6 * details.objective, 1e-12 * start) * (1 + 1e-9)


@few
@given(trace=gappy_traces, lam=lams, mode=modes, power=st.integers(-20, 20))
def test_powers_of_two_are_units(trace, lam, mode, power):
    scale = 2.0**power
    weight = lam if lam == "auto" else scale * lam
    plain = run_deconvolution_full(trace, 30.0, 0.1, 0.6, lam, baseline_mode=mode)
    scaled = run_deconvolution_full(scale * trace, 30.0, 0.1, 0.6, weight, baseline_mode=mode)
    assert (scaled.activity / scale).tobytes() == plain.activity.tobytes()
    assert scaled.details.lam_rule == plain.details.lam_rule
    assert scaled.converged == plain.converged


@few
@given(
    trace=arrays(np.float64, lengths, elements=st.integers(-50, 50).map(float)),
    constant=st.integers(-1000, 1000).map(float),
    mode=st.sampled_from(["causal", "constant"]),
    lam=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_a_constant_goes_into_the_baseline(trace, constant, mode, lam):
    # Whole numbers, so that the shifted trace less its shifted quantile is the same to the bit.
    plain = run_deconvolution_full(trace, 30.0, 0.1, 0.6, lam, baseline_mode=mode)
    shifted = run_deconvolution_full(trace + constant, 30.0, 0.1, 0.6, lam, baseline_mode=mode)
    if mode == "causal":
        assert shifted.activity.tobytes() == plain.activity.tobytes()
    bound = plain.details.gap + shifted.details.gap
    difference = abs(shifted.details.objective - plain.details.objective)
    # The noise level, which bounds the offset, is measured on the trace with its constant.
    assert difference <= bound + 1e-6 * (1 + plain.details.objective)
    removed = shifted.details.removed_baseline - plain.details.removed_baseline
    np.testing.assert_array_equal(removed, constant)
