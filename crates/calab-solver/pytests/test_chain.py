"""The sampled kernel: truth, invariances, how well the model holds, and what is refused."""

import numpy as np
import pytest
from calab_solver import find_events, sample_kernel, simulate_cells

FS, RISE, DECAY, SIGMA = 30.0, 0.06, 0.5, 0.2


def simulated(n_cells=8, n_frames=4000, rate=0.8):
    """Poisson spikes without noise."""
    given = {"tau_rise": RISE, "tau_decay": DECAY, "p_spike_when_silent": rate / (10 * FS)}
    return simulate_cells(n_cells, n_frames, FS, seed=2, **given).clean_calcium.astype(float)


def recorded(n_cells=8, n_frames=4000):
    """Spikes whose peak is five standard deviations of the noise."""
    noise = SIGMA * np.random.default_rng(2).standard_normal((n_cells, n_frames))
    return simulated(n_cells, n_frames) + noise


@pytest.fixture(scope="module")
def traces():
    return recorded()


@pytest.fixture(scope="module")
def small():
    """Gaps, a silent row, and one that was not recorded."""
    rows = recorded(4, 600)
    rows[0, 100:160] = rows[0, 300::7] = rows[0, :9] = np.nan
    rows[1] = SIGMA * np.random.default_rng(1).standard_normal(600)
    rows[2] = np.nan
    return rows


def run(rows, rise=RISE, decay=DECAY, **options):
    return sample_kernel(rows, FS, SIGMA, rise, decay, **options)


def fingerprint(found):
    numbers = (found.tau_rise, found.tau_decay, found.excess, found.autocorrelation)
    return numbers, found.n_events, found.history.tobytes(), found.amplitude.tobytes()


def peak_frames(rise, decay):
    return rise * decay / (decay - rise) * np.log(decay / rise) * FS


@pytest.mark.installed
@pytest.mark.parametrize(("rise", "decay"), [(0.14, 0.4), (0.02, 0.6)])
def test_the_kernel_is_found_from_either_side(traces, rise, decay):
    found = run(traces, rise, decay, sweeps=400)
    # Ten simulations like this one are within 1.4 % and 0.26 frame.
    assert found.tau_decay == pytest.approx(DECAY, rel=0.03)
    peaks = peak_frames(found.tau_rise, found.tau_decay), peak_frames(RISE, DECAY)
    assert abs(peaks[0] - peaks[1]) < 0.4
    assert 0.95 < found.excess < 1.05
    assert abs(found.autocorrelation) < 0.02
    np.testing.assert_allclose(np.median(found.amplitude), 1.0, rtol=0.1)
    assert found.rested
    # A quarter of the sweeps that are allowed, and all of them.
    assert 100 <= len(found.history) < 400
    longer = run(traces, rise, decay, sweeps=400, least=len(found.history) + 1)
    assert len(longer.history) > len(found.history)
    np.testing.assert_array_equal(longer.history[: len(found.history)], found.history)


def test_the_best_explanation_is_biased_where_the_average_is_not():
    """What the chain is for: two spikes near each other are one event of the best explanation."""
    sigma = 0.35
    rows = simulated(rate=1.5) + sigma * np.random.default_rng(2).standard_normal((8, 4000))
    objectives = [
        find_events(rows, FS, sigma, rise, DECAY, upsample_factor=4).objective.sum()
        for rise in (RISE, 2 * RISE)
    ]
    assert objectives[1] < objectives[0]
    assert sample_kernel(rows, FS, sigma, 2 * RISE, DECAY).tau_rise < 1.25 * RISE


def test_baselines_are_drawn_with_the_events(traces):
    below = 0.6 * np.sin(np.arange(traces.shape[1]) / 300) + 3.0
    exact = run(traces + below, 0.1, 0.45, baseline=np.broadcast_to(below, traces.shape))
    assert exact.tau_decay == pytest.approx(DECAY, rel=0.06)
    unknown = run(traces + 0.6 * np.sin(np.arange(traces.shape[1]) / 300), 0.1, 0.45)
    # Nothing is known of the wave, whose height is three standard deviations of the noise.
    assert unknown.tau_decay == pytest.approx(DECAY, rel=0.1)


def test_transients_that_vary_leave_more_than_noise(traces):
    """Those of an indicator that is steeper than linear are the shorter the larger they are."""
    noise = SIGMA * np.random.default_rng(0).standard_normal((8, 4000))
    assert run(4 * simulated() ** 2 + noise, 0.1, 0.4, sweeps=30).excess > 1.2
    assert run(traces, sweeps=30).excess < 1.05


@pytest.mark.installed
def test_threads_change_nothing_and_seeds_name_the_draws(small):
    alone = run(small, n_threads=1)
    for n_threads in (2, 5):
        assert fingerprint(run(small, n_threads=n_threads)) == fingerprint(alone)
    assert fingerprint(run(small, seed=1)) != fingerprint(alone)


def test_units_change_nothing_but_the_amplitudes(small):
    one = run(small)
    large = sample_kernel(1024.0 * small, FS, 1024.0 * SIGMA, RISE, DECAY)
    assert (large.tau_rise, large.tau_decay) == (one.tau_rise, one.tau_decay)
    np.testing.assert_array_equal(large.amplitude, 1024.0 * one.amplitude)


def test_what_was_not_recorded_at_the_ends_changes_nothing(small):
    padded = np.pad(small, ((0, 0), (40, 70)), constant_values=np.nan)
    assert fingerprint(run(padded)) == fingerprint(run(small))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_rows_without_anything_leave_the_kernel_near(value):
    found = run(np.full((2, 300), value))
    assert found.n_events < 20
    assert np.isfinite([found.tau_rise, found.tau_decay]).all()


def test_no_noise_is_a_millionth_of_the_largest_sample():
    found = sample_kernel(simulated(2, 400), FS, 0.0, RISE, DECAY, sweeps=3, burn_in=1)
    assert found.tau_decay == pytest.approx(DECAY, rel=0.01)


def test_a_kernel_that_is_still_on_its_way_does_not_rest(traces):
    found = run(traces, 0.02, 2.0, sweeps=12)
    assert not found.rested
    assert found.history.shape == (12, 2)
    first, *later = found.history[:, 1]
    assert max(later) < first
    assert later[-1] < 0.8 * first


def test_progress_counts_sweeps(small):
    calls = []
    run(small, sweeps=4, burn_in=2, progress=lambda *call: calls.append(call))
    assert calls[-1] == (6, 6)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


@pytest.mark.parametrize("n_frames", range(6))
def test_hardly_any_frames_are_no_error(n_frames):
    trace = np.full((2, 200), np.nan)
    trace[:, 100 : 100 + n_frames] = 1.0
    found = run(trace, sweeps=3)
    assert np.isfinite([found.tau_rise, found.tau_decay]).all()


def test_ctrl_c_stops_the_chain(traces, answer_to_ctrl_c):
    # A window's sweep takes milliseconds; the rest is for a machine that is busy.
    assert answer_to_ctrl_c(lambda: run(np.tile(traces, (4, 1)), sweeps=10**6, least=10**6)) < 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sweeps": 0}, r"^sweeps: expected at least 1, got 0"),
        ({"least": 0}, r"^least: expected at least 1, got 0"),
        ({"burn_in": -1}, r"^burn_in: expected at least 0, got -1"),
        ({"spread": 0.0}, r"^spread: expected a finite number above 0, got 0"),
        ({"baseline": np.zeros(3)}, r"^baseline: expected shape \(4, 600\), got \(1, 3\)"),
        ({"baseline": np.full((4, 600), np.nan)}, r"^baseline: expected finite values"),
        ({"upsample_factor": 0}, r"^upsample_factor: expected at least 1, got 0"),
        ({"decay": RISE}, r"^tau_rise: expected less than tau_decay"),
    ],
)
def test_bad_options_are_refused(small, options, message):
    with pytest.raises(ValueError, match=message):
        run(small, **options)


def test_bad_noise_and_kinds_are_refused(small):
    with pytest.raises(ValueError, match=r"^noise: expected a number or shape \(4,\), got \(3,\)"):
        sample_kernel(small, FS, [0.1] * 3, RISE, DECAY)
    with pytest.raises(ValueError, match=r"^noise: expected a finite number, got NaN"):
        sample_kernel(small, FS, np.nan, RISE, DECAY)
    with pytest.raises(ValueError, match=r"^tau_rise: expected a number or shape \(1,\)"):
        sample_kernel(small, FS, SIGMA, [RISE, RISE], DECAY)
    with pytest.raises(TypeError, match=r"^seed: expected a whole number"):
        run(small, seed=0.5)
