"""From a trace to spikes: amplitudes, counts and rates of small batches."""

import numpy as np
import pytest
from calab_solver import simulate_cells
from calab_solver.amplitudes import Kernels, measure_amplitudes
from calab_solver.inference import infer_spikes

FS, RISE, DECAY, NOISE, U = 30.0, 0.05, 0.4, 0.125, 10


def kernels(n_cells, **changes):
    return Kernels(FS, np.full(n_cells, RISE), np.full(n_cells, DECAY), U, **changes)


@pytest.fixture(scope="module")
def cells():
    """Four cells, a row that was not recorded, and one at rest; with the true counts."""
    drawn = simulate_cells(
        6, 4000, FS, tau_rise=RISE, tau_decay=DECAY, p_spike_when_silent=1e-3, seed=2
    )
    noise = NOISE * np.random.default_rng(2).standard_normal((6, 4000))
    traces = drawn.clean_calcium.astype(float) + noise
    traces[4], traces[5] = np.nan, 0.0
    return traces, drawn.spikes.sum(axis=1)[:4]


def inferred(traces, **changes):
    times = kernels(len(traces), **changes)
    noise = np.where(np.isnan(traces).all(axis=1), np.nan, NOISE)
    amplitudes = measure_amplitudes(traces, times, noise)
    return amplitudes, infer_spikes(traces, times, amplitudes, amplitudes.log_alpha)


@pytest.mark.installed
def test_amplitudes_and_counts(cells):
    traces, truth = cells
    amplitudes, spikes = inferred(traces)
    assert amplitudes.known.tolist() == [True] * 4 + [False] * 2
    np.testing.assert_allclose(spikes.alphas[:4], 1.0, rtol=0.1)
    np.testing.assert_allclose(spikes.counts.sum(axis=1)[:4], truth, rtol=0.1)
    assert np.all(spikes.thetas[:4] >= 0.5 * spikes.alphas[:4])
    assert np.isfinite(spikes.rate).all()
    np.testing.assert_allclose(spikes.rate.sum(axis=1) / FS, spikes.counts.sum(axis=1), rtol=1e-5)


def test_nothing_stands_where_nothing_is(cells):
    amplitudes, spikes = inferred(cells[0])
    assert np.isnan(amplitudes.log_alpha[4])
    assert np.isnan(spikes.alphas[4])
    assert not spikes.counts[4:].any()
    assert not spikes.rate[4:].any()
    assert amplitudes.n_events[4:].tolist() == [0, 0]


def test_counts_are_the_bins_by_nearest_frame(cells):
    _, spikes = inferred(cells[0])
    for row, bins in zip(spikes.counts, spikes.placed.bins, strict=True):
        frames = np.minimum((bins + U // 2) // U, row.size - 1)
        np.testing.assert_array_equal(np.bincount(frames, minlength=row.size), row)


def test_threads_change_nothing(cells):
    alone, more = (inferred(cells[0], n_threads=n)[1] for n in (1, 3))
    assert alone.rate.tobytes() == more.rate.tobytes()
    assert alone.counts.tobytes() == more.counts.tobytes()


def test_cells_may_have_kernels_of_their_own(cells):
    traces = cells[0][:2]
    whole = Kernels(FS, np.array([RISE, 0.02]), np.array([DECAY, 0.8]), U)
    amplitudes = measure_amplitudes(traces, whole, np.full(2, NOISE))
    spikes = infer_spikes(traces, whole, amplitudes, amplitudes.log_alpha)
    for cell in (slice(0, 1), slice(1, 2)):
        one = measure_amplitudes(traces[cell], whole.of(cell), np.full(1, NOISE))
        alone = infer_spikes(traces[cell], whole.of(cell), one, one.log_alpha)
        np.testing.assert_array_equal(alone.counts, spikes.counts[cell])
        np.testing.assert_array_equal(alone.alphas, spikes.alphas[cell])


def test_progress_counts_the_cells(cells):
    traces = cells[0][:3]
    amplitudes = measure_amplitudes(traces, kernels(3), np.full(3, NOISE))
    calls = []
    infer_spikes(
        traces,
        kernels(3),
        amplitudes,
        amplitudes.log_alpha,
        progress=lambda *call: calls.append(call),
    )
    assert calls[-1] == (3, 3)


def test_an_empty_batch():
    amplitudes, spikes = inferred(np.empty((0, 50)))
    assert amplitudes.known.shape == (0,)
    assert spikes.counts.shape == (0, 50)


def test_least_amplitudes_are_half_a_spike_or_so_many_null_levels(cells):
    traces = cells[0][:2]
    times = kernels(2)
    amplitudes = measure_amplitudes(traces, times, np.full(2, NOISE))
    arguments = (traces, times, amplitudes, amplitudes.log_alpha)
    free, bound = (infer_spikes(*arguments, least_nulls=n) for n in (0.0, np.array([0.0, 20.0])))
    np.testing.assert_allclose(free.thetas, 0.5 * free.alphas)
    np.testing.assert_array_equal(bound.counts[0], free.counts[0])
    assert bound.thetas[1] == 20 * amplitudes.null_level[1] > free.thetas[1]
    assert bound.counts[1].sum() < free.counts[1].sum()


def test_spikes_that_are_small_beside_the_calcium_before_are_taken_out(cells):
    # A burst of twenty, single spikes in its tail and far from it, and one where a segment starts.
    times = np.array([10.0] * 20 + [10.3, 11.2, 20.0, 25.0])
    t = np.arange(900) / FS
    later = t[:, None] - times
    shape = np.where(later > 0, np.exp(-later / DECAY) - np.exp(-later / RISE), 0.0)
    shape[t >= 25.0, :-1] = 0.0
    trace = 1.5 * shape.sum(axis=1)
    traces = np.stack([trace, trace]) + NOISE / 4 * np.random.default_rng(1).normal(size=(2, 900))
    whole = kernels(2, segments=[750])
    amplitudes = measure_amplitudes(traces, whole, np.full(2, NOISE / 4))
    arguments = (traces, whole, amplitudes, np.zeros(2))
    free = infer_spikes(*arguments)
    some = infer_spikes(*arguments, ratio=np.array([0.0, 0.15]))
    np.testing.assert_array_equal(some.placed.bins[0], free.placed.bins[0])
    np.testing.assert_array_equal(some.placed.fit[0], free.placed.fit[0])
    found = [bins / (FS * U) for bins in some.placed.bins]

    def near(seconds):
        return [int(np.sum(np.abs(one - seconds) < 0.1)) for one in found]

    # There the calcium is ten and one spikes high.
    assert near(10.3) == [1, 0]
    assert near(11.2) == near(20.0) == [1, 1]
    assert near(10.0)[1] == pytest.approx(20, abs=1)
    # What is left makes the fit, and is what is counted.
    assert some.placed.fit[1, 310] < free.placed.fit[1, 310] - 0.5
    assert some.placed.pve[1] < free.placed.pve[1]
    assert some.counts[1].sum() == some.placed.bins[1].size < free.placed.bins[1].size
