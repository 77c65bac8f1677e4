"""Rates hold as many spikes as the counts, in the shape of the relaxed activity."""

import numpy as np
import pytest
from calab_solver.rates import spike_rates

FS = 30.0


def rates(relaxed, counts, missing=None):
    relaxed, counts = (np.atleast_2d(np.asarray(one, np.float32)) for one in (relaxed, counts))
    gaps = np.zeros(counts.shape, bool) if missing is None else np.atleast_2d(missing)
    return spike_rates(relaxed, counts, gaps, FS)[0]


def test_rates_are_the_mean_where_both_agree():
    relaxed, counts = [0.0, 0.75, 0.25, 0.0, 2.0], [0, 1, 0, 0, 2]
    np.testing.assert_allclose(rates(relaxed, counts), FS * np.add(relaxed, counts) / 2)


def test_what_is_too_much_is_taken_off_as_a_level():
    # A level of 0.25 leaves 0.75 + 1.25.
    found = rates([0.25, 1.0, 0.125, 1.5, 0.0], [0, 1, 0, 1, 0])
    np.testing.assert_allclose(found, FS * np.array([0, 1.75, 0, 2.25, 0]) / 2)


def test_what_is_too_little_is_scaled():
    found = rates([0.0, 0.5, 0.0, 0.5], [0, 1, 0, 1])
    np.testing.assert_allclose(found, [0, FS, 0, FS])


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("n_gaps", [0, 100])
def test_sums_are_those_of_the_counts(scale, n_gaps):
    rng = np.random.default_rng(5)
    counts = rng.poisson(0.05, (3, 1000))
    relaxed = scale * np.maximum(counts + rng.normal(0, 0.3, counts.shape), 0)
    missing = np.zeros(counts.shape, bool)
    missing[:, 400 : 400 + n_gaps] = True
    found = spike_rates(relaxed.astype(np.float32), counts.astype(np.float32), missing, FS)
    # Single precision of a thousand frames.
    np.testing.assert_allclose(found.sum(axis=1) / FS, counts.sum(axis=1), rtol=1e-5)
    assert not found[missing].any()
    assert found.min() >= 0


def test_without_spikes_there_is_no_rate():
    assert not rates([0.1, 0.2, 0.1], [0, 0, 0]).any()


def test_counts_alone_make_the_rate_where_nothing_was_relaxed():
    np.testing.assert_allclose(rates([0.0, 0.0, 0.0], [0, 2, 1]), [0, 2 * FS, FS])


def test_no_cells_no_frames_and_no_recorded_frame():
    assert spike_rates(*[np.empty((0, 9), np.float32)] * 2, np.empty((0, 9), bool), FS).size == 0
    assert rates([], []).size == 0
    assert not rates([1.0, 1.0], [1, 0], [True, True]).any()
