"""Amplitudes drawn to those of the population."""

import numpy as np
import pytest
from calab_core.cadecon.population import drawn_to_population
from calab_solver import Events
from calab_solver.amplitudes import UNEVIDENT_SD, Amplitudes

EVENTS = Events((), (), np.empty(0), np.empty(0), np.empty(0), np.empty(0))


def amplitudes(alphas, own_sd=0.1, evident=True, n_events=20):
    n = len(alphas)
    evident = np.full(n, evident)
    log_sd = np.hypot(np.full(n, own_sd), np.where(evident, 0.0, UNEVIDENT_SD))
    log_alpha = np.log(np.asarray(alphas, dtype=float))
    null, count = np.full(n, 0.1), np.full(n, n_events)
    return Amplitudes(EVENTS, null, log_alpha, log_sd, count, evident, np.zeros(n, dtype=bool))


def test_sure_cells_hardly_move_and_unsure_ones_do():
    sure = amplitudes([0.8, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0])
    (drawn,) = drawn_to_population([sure])
    assert np.exp(drawn[-1]) > 2.7
    unsure = amplitudes([3.0], evident=False)
    _, (guess,) = drawn_to_population([sure, unsure])
    assert 1.2 < np.exp(guess) < 1.8


def test_another_reason_to_claim_nothing_leaves_what_the_events_say():
    cells = amplitudes([1.0, 1.0, 1.0, 1.0, 1.0, 3.0])
    doubted = cells.doubted(np.arange(6) == 5)
    assert doubted.known.tolist() == [True] * 5 + [False]
    (drawn,) = drawn_to_population([doubted])
    assert np.exp(drawn[-1]) > 2.7
    assert doubted.stated_sd[-1] > UNEVIDENT_SD > cells.stated_sd[-1]


def test_few_cells_are_not_drawn_together_by_chance():
    # Five that happen to agree do not say that a sixth must.
    (drawn,) = drawn_to_population([amplitudes([1.0] * 5 + [2.5], own_sd=0.3)])
    assert np.exp(drawn[-1]) > 1.6
    many = amplitudes([1.0] * 200 + [2.5], own_sd=0.3)
    assert np.exp(drawn_to_population([many])[0][-1]) < 1.4


def test_guesses_that_err_alike_are_kept_beside_each_other():
    guesses = amplitudes([1.0, 1.0, 1.0, 1.0, 1.0, 3.0], evident=False)
    (drawn,) = drawn_to_population([guesses])
    assert np.exp(drawn[-1]) > 2.5


@pytest.mark.parametrize("n_events", [0, 20])
def test_fewer_than_five_cells_are_left_alone(n_events):
    cells = amplitudes([1.0, 2.0, 4.0, 8.0], n_events=n_events)
    (drawn,) = drawn_to_population([cells])
    np.testing.assert_array_equal(drawn, cells.log_alpha)
    assert drawn_to_population([]) == []


def test_cells_without_a_recording_stay_unknown():
    cells = amplitudes([1.0, 1.1, 0.9, 1.0, 1.2, np.nan])
    cells.n_events[-1] = 0
    (drawn,) = drawn_to_population([cells])
    assert np.isfinite(drawn[:5]).all()
    assert np.isnan(drawn[5])
