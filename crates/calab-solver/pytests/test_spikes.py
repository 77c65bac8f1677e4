"""Events, scores, scale and whole spikes: truth, invariances, and what is refused."""

import numpy as np
import pytest
from calab_solver import event_scale, find_events, noise_level, place_spikes, score_kernels
from calab_solver.amplitudes import COMB, EVIDENT
from calab_solver.events import event_costs, event_rules, find_events_each

FS, RISE, DECAY = 30.0, 0.05, 0.4


def transient(t, rise=RISE, decay=DECAY):
    """The kernel over continuous time, 1 at its peak."""
    summit = rise * decay / (decay - rise) * np.log(decay / rise)
    peak = np.exp(-summit / decay) - np.exp(-summit / rise)
    since = np.maximum(t, 0.0)
    return (np.exp(-since / decay) - np.exp(-since / rise)) / peak


def traces_of(bins, n_frames, u, amplitudes=None):
    times = np.arange(n_frames) / FS
    height = np.ones(len(bins)) if amplitudes is None else amplitudes
    parts = [a * transient(times - k / (FS * u)) for k, a in zip(bins, height, strict=True)]
    return np.sum(parts, axis=0)


@pytest.fixture(scope="module")
def cells():
    """Bursts, silence, gaps, a row that was not recorded, and one at rest."""
    rng = np.random.default_rng(4)
    rows = []
    for _ in range(6):
        bins = np.sort(rng.choice(9000, 60))
        rows.append(traces_of(bins, 900, 10) + 0.2 * rng.standard_normal(900))
    traces = np.array(rows)
    traces[1] = 0.2 * rng.standard_normal(900)
    traces[2, 100:200] = traces[2, 400::7] = np.nan
    traces[3] = np.nan
    traces[4] = 0.0
    return traces


def found_bytes(found):
    parts = [*found.bins, *found.amplitudes, found.null_level, found.objective]
    return [part.tobytes() for part in parts]


@pytest.mark.installed
@pytest.mark.parametrize("u", [1, 2, 5, 10, 20])
def test_isolated_spikes_are_recovered_whatever_the_grid(u):
    bins = np.arange(1, 12) * 97 * u + np.arange(1, 12) * 7 % u
    counts = np.arange(11) % 3 + 1
    trace = traces_of(bins, 1200, u, counts)
    events = find_events(trace, FS, 0.0, RISE, DECAY, upsample_factor=u)
    assert events.bins[0].tolist() == bins.tolist()
    # A millionth of the largest sample stands in for the noise.
    np.testing.assert_allclose(events.amplitudes[0], counts, rtol=1e-5)
    placed = place_spikes(trace, FS, RISE, DECAY, 1.0, 0.5, events, upsample_factor=u)
    assert placed.bins[0].tolist() == np.repeat(bins, counts).tolist()
    assert placed.converged.all()
    np.testing.assert_allclose(placed.fit[0], trace, atol=1e-5)


def test_spikes_have_their_count_and_no_bias_in_time():
    rng = np.random.default_rng(1)
    bins = np.arange(1, 200) * 400 + rng.integers(0, 200, 199)
    trace = traces_of(bins, 8100, 10) + 0.125 * rng.standard_normal(8100)
    events = find_events(trace, FS, 0.125, RISE, DECAY, upsample_factor=10)
    placed = place_spikes(trace, FS, RISE, DECAY, 1.0, 0.5, events, upsample_factor=10)
    assert placed.bins[0].size == 199
    delays = placed.bins[0] - bins
    # A tenth of a frame is one bin; the mean scatters by a fourteenth of the single delay.
    assert abs(delays.mean()) < 1.0
    assert np.abs(delays).max() < 20


@pytest.mark.installed
def test_the_number_of_threads_and_neighbours_change_nothing(cells):
    noise = np.nan_to_num(noise_level(cells, FS))
    alone = find_events(cells, FS, noise, RISE, DECAY, upsample_factor=10, n_threads=1)
    for n_threads in (2, 5):
        more = find_events(cells, FS, noise, RISE, DECAY, upsample_factor=10, n_threads=n_threads)
        assert found_bytes(more) == found_bytes(alone)
    given = (RISE, DECAY, 1.0, 0.5)
    placed = place_spikes(cells, FS, *given, alone, upsample_factor=10, n_threads=1)
    more = place_spikes(cells, FS, *given, alone, upsample_factor=10, n_threads=3)
    assert placed.fit.tobytes() == more.fit.tobytes()
    assert [b.tolist() for b in placed.bins] == [b.tolist() for b in more.bins]
    for k in range(len(cells)):
        one = find_events(cells[k], FS, noise[k], RISE, DECAY, upsample_factor=10)
        assert one.bins[0].tolist() == alone.bins[k].tolist()


def test_ways_beside_each_other_are_those_alone(cells):
    noise = np.nan_to_num(noise_level(cells, FS))
    rules = [{"ratio": 0.1, "rounds": 2, "sweeps": 1}, {}]
    ways = [event_rules(**rule) for rule in rules]
    found = find_events_each(cells, FS, noise, RISE, DECAY, 10, ways)
    for one, rule in zip(found, rules, strict=True):
        alone = find_events(cells, FS, noise, RISE, DECAY, upsample_factor=10, **rule)
        assert found_bytes(one) == found_bytes(alone)


def test_what_was_not_recorded_holds_nothing(cells):
    noise = noise_level(cells, FS)
    assert np.isnan(noise[3])
    found = find_events(cells, FS, noise, RISE, DECAY, upsample_factor=4)
    assert [found.bins[k].size for k in (3, 4)] == [0, 0]
    assert np.isnan(found.null_level).tolist() == [False, False, False, True, False, False]
    assert np.isnan(found.residual_power[3])
    # No event lies so deep in the gap that little of it was seen: 0.3 s are a bin.
    frames = found.bins[2] / 4
    assert not np.any((frames > 101) & (frames < 170))
    alphas = np.where(np.isnan(noise), np.nan, 1.0)
    placed = place_spikes(cells, FS, RISE, DECAY, alphas, alphas / 2, found, upsample_factor=4)
    assert (placed.fit[3:5] == 0.0).all()
    assert placed.pve[3:5].tolist() == [0.0, 0.0]
    assert np.isfinite(placed.fit).all()


@pytest.mark.parametrize("shape", [(0, 50), (3, 0), (2, 1)])
def test_empty_batches_have_empty_answers(shape):
    found = find_events(np.zeros(shape), FS, 0.1, RISE, DECAY)
    assert len(found.bins) == shape[0]
    placed = place_spikes(np.zeros(shape), FS, RISE, DECAY, 1.0, 0.5, found)
    assert placed.fit.shape == shape
    assert len(placed.bins) == shape[0]


def test_rounds_and_sweeps_lower_the_objective():
    rng = np.random.default_rng(6)
    trace = traces_of(np.sort(rng.choice(9000, 200)), 900, 10) + 0.1 * rng.standard_normal(900)
    sweeps = [(0, 1), (1, 1), (4, 1), (4, 4)]
    kinds = [{"sweeps": number, "rounds": rounds} for number, rounds in sweeps]
    found = [find_events(trace, FS, 0.1, RISE, DECAY, upsample_factor=10, **kind) for kind in kinds]
    assert np.all(np.diff([events.objective[0] for events in found]) < 0)


def test_nothing_crosses_a_border():
    trace = traces_of([95 * 4], 200, 4)
    trace[100:] = 0.0
    cut = find_events(trace, FS, 0.01, RISE, DECAY, upsample_factor=4, segments=[100])
    assert cut.bins[0].tolist() == [95 * 4]
    whole = find_events(trace, FS, 0.01, RISE, DECAY, upsample_factor=4)
    assert whole.objective[0] > cut.objective[0] + 100
    placed = place_spikes(trace, FS, RISE, DECAY, 1.0, 0.5, cut, upsample_factor=4, segments=[100])
    np.testing.assert_allclose(placed.fit[0], trace, atol=1e-6)


def test_the_right_kernel_scores_best():
    rng = np.random.default_rng(2)
    rows = [traces_of(np.sort(rng.choice(9000, 40)), 900, 10) for _ in range(2)]
    traces = np.array(rows) + 0.1 * rng.standard_normal((2, 900))
    rises, decays = [0.01, RISE, 0.15, RISE], [DECAY, DECAY, DECAY, 0.8]
    windows = [(0, 0, 900), (1, 100, 700)]
    scores = score_kernels(traces, FS, 0.1, rises, decays, windows, upsample_factor=10)
    assert scores.objective.argmin(axis=1).tolist() == [1, 1]
    assert scores.n_events.shape == scores.residual_power.shape == (2, 4)
    alone = find_events(traces[1, 100:700], FS, 0.1, RISE, 0.8, upsample_factor=10)
    assert scores.objective[1, 3] == alone.objective[0]
    assert scores.n_events[1, 3] == alone.bins[0].size


def test_windows_keep_the_borders_within_them():
    trace = traces_of([95 * 4], 200, 4)
    trace[100:] = 0.0
    scores = score_kernels(
        trace, FS, 0.01, [RISE], [DECAY], [(0, 50, 150)], upsample_factor=4, segments=[100]
    )
    assert scores.n_events.tolist() == [[1]]


def test_a_level_is_fitted_below_each_window():
    rng = np.random.default_rng(9)
    trace = traces_of(np.sort(rng.choice(9000, 30)), 900, 10) + 0.1 * rng.standard_normal(900)
    given = (FS, 0.1, [RISE], [DECAY], [(0, 0, 900), (0, 200, 700)])
    right, low = (score_kernels(t, *given, upsample_factor=4) for t in (trace, trace + 0.2))
    levelled = [
        score_kernels(t, *given, upsample_factor=4, level=True) for t in (trace, trace + 0.2)
    ]
    assert np.all(low.objective > right.objective)
    assert np.all(levelled[1].objective < low.objective)
    # Where there is nothing to take off, little changes.
    np.testing.assert_allclose(levelled[0].objective, right.objective, rtol=0.05)


def test_mismatch_forgives_misfit_in_proportion_to_the_calcium():
    rng = np.random.default_rng(9)
    noise = 0.1 * rng.standard_normal(900)
    given = (FS, 0.1, [RISE], [0.5], [(0, 0, 900)])
    large = traces_of([2000, 5000], 900, 10, [20.0, 30.0]) + noise
    plain = score_kernels(large, *given, upsample_factor=4)
    forgiving = score_kernels(large, *given, upsample_factor=4, mismatch=0.1)
    assert forgiving.objective[0, 0] < 0.9 * plain.objective[0, 0]
    # Events are found alike; without calcium both are the same.
    np.testing.assert_array_equal(forgiving.n_events, plain.n_events)
    np.testing.assert_array_equal(forgiving.residual_power, plain.residual_power)
    silent = [
        score_kernels(0.1 * noise, *given, mismatch=mismatch).objective for mismatch in (0.0, 0.1)
    ]
    # But for the order of the sums.
    np.testing.assert_allclose(*silent, rtol=1e-12)


def test_scale_of_whole_numbers():
    rng = np.random.default_rng(3)
    counts = rng.geometric(0.5, 300)
    amplitudes = counts + 0.15 * np.sqrt(counts) * rng.standard_normal(300)
    scale = event_scale(amplitudes, 0.2)
    # 300 events fix the amplitude to a few hundredths.
    assert abs(scale.mean) < 0.1
    assert scale.sd < 0.1
    difference = scale.log_posterior - scale.log_likelihood
    prior = -0.5 * ((scale.log_alpha - np.log(0.2) - 1.1) / 0.7) ** 2
    below = scale.log_alpha <= np.log(0.2) + 1.1
    shift = difference[below] - prior[below]
    np.testing.assert_allclose(shift, shift[0], atol=1e-9)
    assert np.isclose(np.exp(difference).sum(), 1.0)
    # Above its mean the prior falls no faster than a straight line.
    assert np.all(difference[~below] >= prior[~below] + shift[0] - 1e-9)
    assert np.all(np.diff(difference[~below]) < 0)
    np.testing.assert_allclose(np.diff(difference[-20:], n=2), 0, atol=1e-9)


def test_odds_tell_whole_numbers_from_any():
    rng = np.random.default_rng(4)
    counts = rng.geometric(0.6, 80)
    whole = counts + 0.05 * rng.standard_normal(80)
    # As many, as large and as wide, but of no unit.
    smooth = np.exp(rng.normal(np.log(counts).mean(), np.log(counts).std(), 80))
    assert event_scale(whole, 0.1, **COMB).log_odds > EVIDENT + 5
    assert event_scale(smooth, 0.1, **COMB).log_odds < EVIDENT - 5
    # Without events nothing speaks for either.
    assert event_scale([], 0.1, **COMB).log_odds == pytest.approx(0, abs=1e-9)


def test_a_few_events_of_any_size_do_not_move_the_scale():
    rng = np.random.default_rng(5)
    amplitudes = rng.geometric(0.5, 60) * (1 + 0.05 * rng.standard_normal(60))
    clean = event_scale(amplitudes, 0.15)
    spoiled = event_scale([*amplitudes, 37.3, 71.7], 0.15)
    assert clean.mean == pytest.approx(0.0, abs=0.05)
    assert spoiled.mean == pytest.approx(clean.mean, abs=0.01)
    assert spoiled.n_events == clean.n_events + 2


def test_scale_without_events_is_the_prior():
    scale = event_scale([], 0.5)
    np.testing.assert_allclose(scale.log_likelihood, scale.log_likelihood[0])
    weights = np.exp(scale.log_posterior - scale.log_posterior.max())
    assert scale.mean == pytest.approx(np.average(scale.log_alpha, weights=weights))
    # No narrower than the normal below its mean, and heavier above it.
    assert scale.sd >= 0.7
    assert scale.mean >= np.log(0.5) + 1.0
    assert scale.n_events == 0


def test_progress_ends_at_the_total(cells):
    calls = []
    noise = np.nan_to_num(noise_level(cells, FS))
    find_events(cells, FS, noise, RISE, DECAY, progress=lambda *call: calls.append(call))
    assert calls[-1] == (6, 6)

    class Enough(Exception):
        pass

    def stop(done, total):
        raise Enough

    with pytest.raises(Enough):
        find_events(cells, FS, noise, RISE, DECAY, progress=stop)


GOOD = {"traces": np.zeros((2, 50)), "fs": FS, "noise": 0.1, "tau_rise": RISE, "tau_decay": DECAY}


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("traces", np.zeros((2, 3, 4)), ValueError, "traces: expected shape"),
        ("traces", np.full((2, 50), np.inf), ValueError, "traces: expected finite values or NaN"),
        ("traces", "text", TypeError, "traces: expected real numbers"),
        ("fs", 0.0, ValueError, "fs: expected a finite number above 0"),
        ("fs", "30", TypeError, "fs: expected a number"),
        ("noise", -1.0, ValueError, "noise: expected a finite number, at least 0"),
        ("noise", np.nan, ValueError, "noise: expected a finite number, at least 0"),
        ("noise", [0.1] * 3, ValueError, r"noise: expected a number or shape \(2,\), got \(3,\)"),
        ("tau_rise", 0.5, ValueError, "tau_rise: expected less than tau_decay"),
        ("tau_decay", [0.4, np.nan], ValueError, "tau_decay: expected a finite number above 0"),
        ("upsample_factor", 0, ValueError, "upsample_factor: expected at least 1"),
        ("upsample_factor", 10**6, ValueError, "upsample_factor: expected between 1 and 65536"),
        ("segments", [60], ValueError, "segments: expected start frames inside the trace"),
        ("n_threads", 0, ValueError, "n_threads: expected at least 1"),
        ("progress", 3, TypeError, "progress: expected a function or None"),
        ("detection", 0.0, ValueError, "detection: expected a finite number above 0"),
        ("null_factor", 0.0, ValueError, "null_factor: expected a finite number above 0"),
    ],
)
def test_bad_input_is_named(name, value, error, message):
    given = {**GOOD, name: value}
    with pytest.raises(error, match=f"^{message}"):
        find_events(**given)


@pytest.mark.parametrize(
    ("windows", "error", "message"),
    [
        ([(0, 0, 51)], ValueError, "windows: expected frames of a cell"),
        ([(2, 0, 50)], ValueError, "windows: expected frames of a cell"),
        ([(0, 5, 5)], ValueError, "windows: expected frames of a cell"),
        ([(0, -1, 5)], ValueError, "windows: expected cells and frames from 0 on"),
        ([(0, 1)], ValueError, "windows: expected shape"),
        ([(0.0, 1.0, 5.0)], TypeError, "windows: expected whole numbers"),
    ],
)
def test_windows_lie_in_the_traces(windows, error, message):
    with pytest.raises(error, match=f"^{message}"):
        score_kernels(**{**GOOD, "tau_rise": [RISE], "tau_decay": [DECAY]}, windows=windows)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"alphas": 0.0}, ValueError, "alphas: expected a finite number above 0"),
        ({"thetas": np.nan}, ValueError, "thetas: expected a finite number above 0"),
        ({"events": [([1], [1.0])]}, ValueError, "events: expected length 2, got 1"),
        ({"events": [([1], [])] * 2}, ValueError, "events: expected as many bins"),
        ({"events": [([50], [1.0])] * 2}, ValueError, "events: expected bins inside the trace"),
        ({"events": [([-1], [1.0])] * 2}, ValueError, "events: expected bins from 0 on"),
        ({"events": [([0.5], [1.0])] * 2}, TypeError, "events: expected bins in whole numbers"),
        ({"window": 0.0}, ValueError, "window: expected a finite number above 0"),
    ],
)
def test_placement_refuses(changed, error, message):
    given = {"alphas": 1.0, "thetas": 0.5, "events": [([], [])] * 2, **changed}
    with pytest.raises(error, match=f"^{message}"):
        place_spikes(np.zeros((2, 50)), FS, RISE, DECAY, **given)


def test_what_is_missing_below_the_threshold_speaks_of_the_amplitude():
    # Ten events of 4 to 5 null levels: one spike each, or the upper end of many small ones.
    amplitudes = np.linspace(4.0, 5.0, 10)
    alone = event_scale(amplitudes, 1.0)
    assert np.exp(alone.mean) == pytest.approx(4.4, rel=0.1)
    assert alone.sd < 0.2
    # Without the gap, and with events in it, it may be either.
    for unsure in (
        event_scale(amplitudes, 1.0, gap=4.0),
        event_scale([*amplitudes, *np.linspace(2.3, 3.7, 20)], 1.0),
    ):
        assert unsure.n_events == 10
        assert unsure.sd > 0.4
    # Events below the gap are no matter; the smooth alternative expects events in it, too.
    below = event_scale([*amplitudes, *np.linspace(0.5, 2.2, 50)], 1.0)
    assert below.mean == alone.mean
    assert alone.log_odds > event_scale(amplitudes, 1.0, gap=4.0).log_odds + 1


@pytest.mark.parametrize("null", [0.0, -1.0, np.nan])
def test_scale_needs_a_null_level(null):
    with pytest.raises(ValueError, match="null_level: expected a finite number above 0"):
        event_scale([1.0], null)
    with pytest.raises(ValueError, match="amplitudes: expected shape"):
        event_scale([[1.0]], 0.1)


@pytest.mark.parametrize("alpha", [0.7, 1.0, 1.3])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_the_search_in_dense_bursts_ends_by_itself(alpha, share):
    rng = np.random.default_rng(7)
    bursts = [start + np.sort(rng.choice(300, 90)) for start in range(300, 17_000, 900)]
    bins = np.concatenate(bursts)
    trace = traces_of(bins, 1800, 10) + 0.1 * rng.standard_normal(1800)
    events = find_events(trace, FS, 0.1, RISE, DECAY, upsample_factor=10)
    given = (FS, RISE, DECAY, alpha, share * alpha, events)
    placed = place_spikes(trace, *given, upsample_factor=10)
    assert placed.converged[0]
    # What spikes of another amplitude must make up for by their number.
    assert placed.bins[0].size * alpha == pytest.approx(bins.size, rel=0.05)


def test_an_amplitude_far_too_small_ends():
    trace = traces_of([400], 100, 10, [5.0])
    events = find_events(trace, FS, 0.01, RISE, DECAY, upsample_factor=10)
    placed = place_spikes(trace, FS, RISE, DECAY, 1e-9, 1e-9, events, upsample_factor=10, sweeps=1)
    assert placed.bins[0].size == 50 * 100
    assert not placed.converged[0]


def test_costs_are_the_objective_of_events_segment_by_segment(cells):
    given = (FS, 0.2, RISE, DECAY)
    rules = {"sweeps": 10, "upsample_factor": 4}
    expected = find_events(cells, *given, **rules).objective
    np.testing.assert_array_equal(event_costs(cells, *given, **rules), expected)
    joined = event_costs(np.tile(cells, 2), *given, segments=[900], **rules)
    np.testing.assert_allclose(joined, 2 * expected, rtol=1e-12)
    with pytest.raises(ValueError, match="segments"):
        event_costs(cells, *given, segments=[900])
    with pytest.raises(ValueError, match="detection"):
        event_costs(cells, *given, detection=0.0)


def test_costs_of_a_long_trace_tell_which_baseline_is_right():
    bins = np.sort(np.random.default_rng(2).choice(100_000, 400, replace=False))
    trace = traces_of(bins, 10_000, 10)
    trace += 0.1 * np.random.default_rng(3).standard_normal(trace.size)
    moved = np.add.outer([-0.2, 0.0, 0.2], trace)
    costs = event_costs(moved, FS, 0.1, RISE, DECAY, upsample_factor=4)
    assert costs.argmin() == 1
    # Eight stretches of 512 frames, of which 8 are hidden: without events each frame costs 1.
    assert 3_900 < costs[1] < 9_000
