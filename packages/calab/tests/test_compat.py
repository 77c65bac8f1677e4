"""The problem of OASIS, checked by its conditions for an optimum, without another solver."""

import math

import numpy as np
import pytest
from calab import _constrained, noise_level
from calab._ar import transient_of
from calab.compat import DeconvolveResult, deconvolve

AR1, AR2, EQUAL = (0.95,), (1.7, -0.712), (1.8, -0.81)


def respond(spikes, g):
    """Let the recursion run, which is all that the model says."""
    g1, g2 = (*g, 0.0)[:2]
    calcium = np.zeros(spikes.size)
    for t, spike in enumerate(spikes):
        last = calcium[t - 1] if t > 0 else 0.0
        before = calcium[t - 2] if t > 1 else 0.0
        calcium[t] = g1 * last + g2 * before + spike
    return calcium


def simulate(g, rate=0.02, noise=0.1, baseline=0.5, n_frames=2000, seed=0):
    rng = np.random.default_rng(seed)
    spikes = (rng.random(n_frames) < rate).astype(float)
    return spikes, respond(spikes, g) + baseline + noise * rng.standard_normal(n_frames)


def check_recursion(found, g):
    assert (found.s >= 0).all()
    np.testing.assert_allclose(respond(found.s, g), found.c, rtol=0, atol=1e-9)


def check_optimum(y, found, g, tol=1e-3, fitted=True):
    """No activity could be added with profit, none could be taken away, nor the baseline moved."""
    check_recursion(found, g)
    residual = np.nan_to_num(y - found.c - found.b)
    gain = respond(residual[::-1], g)[::-1]
    assert gain.max() <= found.lam * (1 + tol)
    np.testing.assert_allclose(
        (gain - found.lam) @ found.s, 0, atol=tol * found.lam * found.s.sum()
    )
    if fitted:
        size = np.sqrt(np.count_nonzero(residual) * (residual @ residual))
        np.testing.assert_allclose(residual.sum() / size, 0, atol=2e-5)


def squares_of(y, found):
    return np.nanmean((y - found.c - found.b) ** 2)


@pytest.mark.installed
def test_returns_the_tuple_of_oasis():
    _, y = simulate(AR1)
    found = deconvolve(y, penalty=1)
    assert isinstance(found, DeconvolveResult)
    c, s, b, g, lam = found
    assert (c.shape, s.shape, c.dtype, s.dtype) == (y.shape, y.shape, np.float64, np.float64)
    assert [type(value) for value in (b, g, lam)] == [float, float, float]
    assert type(deconvolve(y, g=(None, None)).g) is tuple


@pytest.mark.parametrize("g", [AR1, AR2, EQUAL, (0.5,), (0.99,), (0.6, 0.0)], ids=str)
def test_least_activity_that_explains_the_trace(g):
    _, y = simulate(g)
    found = deconvolve(y, g=g, sn=0.1)
    check_optimum(y, found, g)
    assert squares_of(y, found) == pytest.approx(0.01, rel=1e-5)
    assert found.lam > 0
    assert found.g == (g[0] if len(g) == 1 else g)


def test_baseline_that_is_given():
    _, y = simulate(AR2, baseline=-3)
    found = deconvolve(y, g=AR2, sn=0.1, b=-3)
    assert found.b == -3
    check_optimum(y, found, AR2, fitted=False)
    assert squares_of(y, found) == pytest.approx(0.01, rel=1e-5)


def test_baseline_of_any_sign_only_when_wanted():
    _, y = simulate(AR1, baseline=-3)
    free = deconvolve(y, g=AR1, sn=0.1, b_nonneg=False)
    assert free.b == pytest.approx(-3, abs=0.1)
    check_optimum(y, free, AR1)
    # There is none above that would not be worse, and no activity goes below it.
    bounded = deconvolve(y, g=AR1, sn=0.1)
    assert bounded.b == 0
    assert bounded.s.sum() < free.s.sum()


def test_a_baseline_slightly_below_zero_becomes_zero():
    _, y = simulate(AR1)
    y -= deconvolve(y, g=AR1, sn=0.1).b + 0.001
    assert deconvolve(y, g=AR1, sn=0.1, b_nonneg=False).b == pytest.approx(-0.001, abs=1e-5)
    found = deconvolve(y, g=AR1, sn=0.1)
    assert found.b == 0
    check_optimum(y, found, AR1, fitted=False)
    assert squares_of(y, found) == pytest.approx(0.01, rel=1e-5)


@pytest.mark.parametrize("g", [AR1, AR2], ids=str)
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_baseline_far_below_the_quantiles_of_an_active_cell(g, rate):
    _, y = simulate(g, rate=rate)
    found = deconvolve(y, g=g, sn=0.1)
    assert found.b < np.quantile(y, 0.2) - 0.2
    check_optimum(y, found, g, tol=5e-3)
    assert squares_of(y, found) == pytest.approx(0.01, rel=1e-5)
    # In another frame the same comes out.
    moved = deconvolve(y - 10, g=g, sn=0.1, b_nonneg=False)
    assert moved.b == pytest.approx(found.b - 10, abs=2e-3)


def test_baseline_of_an_active_cell_stops_at_zero():
    _, y = simulate(AR1, rate=0.5, baseline=0.0)
    y -= deconvolve(y, g=AR1, sn=0.1, b_nonneg=False).b + 0.3
    found = deconvolve(y, g=AR1, sn=0.1)
    assert found.b == 0
    check_optimum(y, found, AR1, fitted=False, tol=5e-3)


def test_frames_that_were_not_recorded_do_not_count():
    _, y = simulate(AR1)
    y[100:400] = np.nan
    found = deconvolve(y, g=AR1, sn=0.1)
    check_optimum(y, found, AR1)
    assert squares_of(y, found) == pytest.approx(0.01, rel=1e-5)
    assert np.isfinite(found.c).all()
    assert not found.s[100:399].any()
    masked = np.ma.masked_invalid(y)
    np.testing.assert_array_equal(deconvolve(masked, g=AR1, sn=0.1).s, found.s)


@pytest.mark.parametrize("g", [AR1, AR2], ids=str)
def test_recovers_spikes(g):
    spikes, y = simulate(g, noise=0.05)
    found = deconvolve(y, g=g, sn=0.05)
    assert found.b == pytest.approx(0.5, abs=0.05)
    events = spikes > 0
    # Each spike within its frame or the next ones, where noise may put a part of it.
    near = np.convolve(found.s, np.ones(3), "same")[events]
    assert np.median(near) == pytest.approx(1, abs=0.2)
    assert found.s[~np.convolve(events, np.ones(5), "same").astype(bool)].max() < 0.3


@pytest.mark.parametrize(("g", "penalty", "unsaid"), [(AR1, 1, 1), (AR1, None, 1), (AR2, None, 2)])
def test_calcium_from_before_is_no_activity(g, penalty, unsaid):
    """OASIS 0.3.2 has zeros in these frames."""
    spikes = np.zeros(300)
    spikes[:2], spikes[150] = (2, 1), 1
    found = deconvolve(respond(spikes, g), g=g, sn=1e-3, b=0, penalty=penalty)
    assert found.c[0] == pytest.approx(2, abs=0.1)
    spikes[:unsaid] = 0
    np.testing.assert_allclose(found.s, spikes, atol=0.05)


def test_calcium_from_before_two_coefficients_is_activity_where_oasis_has_it():
    spikes = np.zeros(300)
    spikes[:2], spikes[150] = (2, 1), 1
    found = deconvolve(respond(spikes, AR2), g=AR2, sn=1e-3, b=0)
    np.testing.assert_allclose(found.s, spikes, atol=0.05)


def test_all_but_the_trace_is_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        deconvolve(np.arange(50.0), 0.95)


@pytest.mark.parametrize("lam", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("g", [AR1, AR2, EQUAL], ids=str)
def test_fixed_weight(g, lam):
    _, y = simulate(g)
    found = deconvolve(y, g=g, b=0.5, penalty=None, lam=lam)
    assert (found.b, found.lam) == (0.5, lam)
    check_recursion(found, g)
    gain = respond((y - found.c - 0.5)[::-1], g)[::-1]
    assert gain.max() <= lam + 1e-3
    np.testing.assert_allclose((gain - lam) @ found.s / found.s.sum(), 0, atol=1e-3)


def test_fixed_weight_has_baseline_zero_by_default():
    _, y = simulate(AR1, baseline=0.0)
    ours, same = deconvolve(y, g=AR1, penalty=None), deconvolve(y, g=AR1, b=0, penalty=None, lam=0)
    assert ours.b == 0
    np.testing.assert_array_equal(ours.s, same.s)


def test_units_of_the_trace():
    _, y = simulate(AR2)
    one, other = deconvolve(y, g=AR2), deconvolve(1000 * y, g=AR2)
    np.testing.assert_allclose(other.s, 1000 * one.s, atol=0.05)
    assert other.b == pytest.approx(1000 * one.b, rel=1e-5)
    assert other.lam == pytest.approx(1000 * one.lam, rel=1e-4)


def test_noise_is_that_of_calab():
    _, y = simulate(AR1)
    sn = noise_level(y, 1.0)
    assert squares_of(y, deconvolve(y, g=AR1)) == pytest.approx(sn**2, rel=1e-5)


def test_silent_trace_needs_no_activity():
    _, y = simulate(AR1, rate=0)
    found = deconvolve(y, g=AR1, sn=0.2)
    assert not found.s.any()
    assert not found.c.any()
    assert found.b == pytest.approx(y.mean())
    # The least weight that gives none.
    assert not deconvolve(y, g=AR1, b=found.b, penalty=None, lam=found.lam * 1.001).s.any()
    assert deconvolve(y, g=AR1, b=found.b, penalty=None, lam=found.lam * 0.99).s.any()


def test_silent_trace_below_zero():
    _, y = simulate(AR1, rate=0, baseline=-1)
    found = deconvolve(y, g=AR1, sn=2.0)
    assert (found.b, found.s.any()) == (0, False)


def test_a_trace_below_its_baseline_has_no_activity(monkeypatch):
    # Nothing has to be solved for that.
    monkeypatch.setattr(_constrained, "solve", None)
    found = deconvolve(np.full(50, -1.0), g=AR1, sn=0.1)
    assert (found.b, found.s.any(), found.lam) == (0, False, 0)


def test_a_trace_that_nothing_explains_is_explained_as_well_as_can_be():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(500) + np.repeat([6.0, 1.0], 250)
    found = deconvolve(y, g=(0.999,), sn=0.01)
    assert squares_of(y, found) > 0.0001
    for weight in (1e-4, 1e-3):
        other = deconvolve(y, g=(0.999,), b=found.b, penalty=None, lam=weight)
        assert squares_of(y, found) <= squares_of(y, other) * (1 + 1e-4)


@pytest.mark.parametrize(("g", "order"), [(AR1, 1), (AR2, 2)], ids=str)
def test_coefficients_from_the_autocovariance(g, order):
    _, y = simulate(g, n_frames=20000)
    found = deconvolve(y, g=(None,) * order)
    estimated = np.atleast_1d(found.g)
    true, ours = transient_of(g), transient_of(tuple(estimated.tolist()))
    assert ours.tau_decay == pytest.approx(true.tau_decay, rel=0.15)
    if order == 2:
        assert ours.tau_rise == pytest.approx(true.tau_rise, rel=0.3)
    # The first of them satisfy the equations that define them.
    check_recursion(found, tuple(estimated))


def test_gaps_do_not_change_what_is_estimated():
    _, y = simulate(AR1, n_frames=20000)
    whole = deconvolve(y, sn=0.1).g
    y[np.random.default_rng(0).random(y.size) < 0.3] = np.nan
    assert deconvolve(y, sn=0.1).g == pytest.approx(whole, abs=0.005)


def test_a_rise_within_the_frame_is_none():
    _, y = simulate(AR1, noise=0.3)
    g1, g2 = deconvolve(y, g=(None, None), sn=0.29).g
    assert g1 == pytest.approx(0.95, abs=0.02)
    assert (g2, math.copysign(1, g2)) == (0, 1)


@pytest.mark.parametrize("order", [1, 2])
def test_noise_alone_has_no_transients(order):
    y = np.random.default_rng(0).standard_normal(1000)
    with pytest.warns(UserWarning, match=r"g: .*no transients that decay.*0.1353 per frame"):
        found = deconvolve(y, g=(None,) * order)
    assert np.atleast_1d(found.g)[0] == pytest.approx(math.exp(-2))


def test_a_trend_is_no_transient():
    y = np.linspace(0, 100, 300) + np.random.default_rng(0).standard_normal(300)
    with pytest.warns(UserWarning, match="no transients that decay"):
        found = deconvolve(y)
    assert found.g == pytest.approx(math.exp(-1 / 30))


def test_time_constants_in_seconds():
    _, y = simulate(AR1)
    d, r = math.exp(-1 / (30 * 0.6)), math.exp(-1 / (30 * 0.1))
    one = deconvolve(y, tau_d=0.6, framerate=30)
    assert one.g == pytest.approx(d)
    assert deconvolve(y, g=(0.5,), tau_d=0.6, tau_r=None, framerate=30).g == one.g
    two = deconvolve(y, tau_d=0.6, tau_r=0.1, framerate=30)
    assert two.g == pytest.approx((d + r, -d * r))
    assert len(deconvolve(y, tau_r=None).g) == 2


def test_ways_to_write_coefficients():
    _, y = simulate(AR1)
    expected = deconvolve(y, g=(0.95,))
    for g in (0.95, [0.95], np.array([0.95]), np.float64(0.95)):
        np.testing.assert_array_equal(deconvolve(y, g=g).s, expected.s)
    np.testing.assert_array_equal(deconvolve(y, g=None).s, deconvolve(y).s)


def test_what_steers_the_search_has_no_effect():
    _, y = simulate(AR1)
    steered = deconvolve(y, g=AR1, decimate=10, max_iter=2, tol=1.0, shift=3, window=200)
    np.testing.assert_array_equal(steered.s, deconvolve(y, g=AR1).s)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"y": np.ones((2, 50))}, ValueError, r"y: expected one trace, got shape \(2, 50\)"),
        ({"y": [np.nan, np.nan]}, ValueError, "y: expected recorded frames, got none among 2"),
        ({"y": []}, ValueError, "y: expected recorded frames, got none among 0"),
        ({"y": ["a"]}, TypeError, "y: expected real numbers"),
        ({"y": [np.inf, 1.0]}, ValueError, "y: expected finite values or NaN"),
        ({"g": ()}, ValueError, "g: expected one or two numbers, or as many None"),
        ({"g": (0.5, 0.1, 0.1)}, ValueError, "g: expected one or two numbers"),
        ({"g": (0.5, None)}, ValueError, "g: expected one or two numbers, or as many None"),
        ({"g": ("a",)}, TypeError, "g: expected a number, got 'a'"),
        ({"g": (np.nan,)}, ValueError, "g: expected a finite number, got nan"),
        ({"g": (1.0, -0.5)}, ValueError, r"g: expected real roots, got \(1.0, -0.5\), whose resp"),
        ({"g": (1.0,)}, ValueError, "g: expected a response that decays without changing sign"),
        ({"g": (0.0,)}, ValueError, "g: expected a response that decays"),
        ({"g": (-0.5,)}, ValueError, "g: expected a response that decays"),
        ({"g": (0.5, 0.2)}, ValueError, "g: expected a response that decays"),
        ({"g": (2.1, -1.1)}, ValueError, "g: .* roots 1.1 and 1; both must be between 0 and 1"),
        ({"g": (1 - 1e-9,)}, ValueError, "g: expected a response that decays"),
        ({"sn": 0}, ValueError, "sn: expected a number above 0, got 0"),
        ({"sn": "a"}, TypeError, "sn: expected a number, got 'a'"),
        ({"b": np.inf}, ValueError, "b: expected a finite number, got inf"),
        ({"b_nonneg": 1}, TypeError, "b_nonneg: expected True or False, got 1"),
        ({"optimize_g": 5}, ValueError, "optimize_g: expected 0, got 5; calab.run_cadecon finds"),
        ({"optimize_g": -1}, ValueError, "optimize_g: expected at least 0, got -1"),
        ({"penalty": 0}, ValueError, "penalty: expected 1 or None, got 0; .*is not convex"),
        ({"penalty": 2}, ValueError, "penalty: expected 1 or None, got 2"),
        ({"penalty": "l1"}, TypeError, "penalty: expected a number"),
        ({"lam": 1.0}, TypeError, "no argument lam; lam needs penalty=None"),
        ({"penalty": None, "lam": -1}, ValueError, "lam: expected at least 0, got -1"),
        ({"penalty": None, "s_min": 1}, TypeError, "deconvolve: there is no argument s_min"),
        ({"a": 1, "b_min": 0}, TypeError, "there is no argument a, b_min"),
        ({"tau_d": 0.5}, ValueError, "framerate: expected the sampling rate in Hz"),
        ({"tau_d": 0, "framerate": 30}, ValueError, "tau_d: expected a number above 0"),
        ({"tau_d": 1, "framerate": -1}, ValueError, "framerate: expected a number above 0"),
        ({"tau_d": 1, "tau_r": -1, "framerate": 30}, ValueError, "tau_r: expected a number above"),
        ({"tau_r": 0.1}, ValueError, "tau_r: expected tau_d with it, got 0.1 s alone"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        deconvolve(**({"y": np.arange(50.0)} | arguments))


@pytest.mark.parametrize("g", [AR1, AR2, EQUAL, (1.99, -0.990025), (0.5, -0.05)], ids=str)
def test_peak_and_norm_of_a_transient(g):
    spike = np.zeros(5000)
    spike[0] = 1
    response = respond(spike, g)
    transient = transient_of(g)
    assert transient.peak == pytest.approx(response.max(), rel=1e-9)
    assert transient.norm == pytest.approx(np.linalg.norm(response), rel=1e-6)


def test_search_is_quick_where_a_secant_is_slow():
    evaluated = []

    def evaluate(x):
        evaluated.append(x)
        return _constrained._Point(x, x**10 - 0.5, None)

    point = _constrained._crossing(evaluate, evaluate(0.0), evaluate(2.0), 1e-9)
    assert point.x == pytest.approx(0.5**0.1)
    assert len(evaluated) < 30


def test_search_ends_where_it_does_not_meet(monkeypatch):
    _, y = simulate(AR1)
    monkeypatch.setattr(_constrained, "MOST", 1)
    found = deconvolve(y, g=AR1, sn=0.1)
    check_recursion(found, AR1)
    assert squares_of(y, found) == pytest.approx(0.01, rel=0.5)
