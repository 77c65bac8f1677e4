"""Amplitudes drawn to those of the population."""

import itertools

import numpy as np
import pytest
from calab_core.cadecon import population
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


def test_a_spoilt_cell_is_drawn_to_the_others():
    cells = amplitudes([1.0] * 8 + [0.25]).spoilt(np.arange(9) == 8)
    assert cells.known.tolist() == [True] * 8 + [False]
    (drawn,) = drawn_to_population([cells])
    assert np.exp(drawn[-1]) > 0.6
    assert np.ptp(drawn[:8]) < 1e-12
    # Twice the deviation that guesses have: what they err in common, and once more alone.
    assert cells.log_sd[-1] == pytest.approx(np.hypot(0.1, np.sqrt(2) * UNEVIDENT_SD))
    guess = amplitudes([1.0], evident=False).spoilt(np.ones(1, dtype=bool))
    assert guess.log_sd[0] == pytest.approx(cells.log_sd[-1])


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


def test_evident_amplitudes_correct_the_guesses_the_more_there_are():
    guesses = amplitudes([2.5, 3.0, 3.5], own_sd=0.3, evident=False)

    def corrected(n_evident):
        return np.exp(drawn_to_population([amplitudes([1.0] * n_evident), guesses])[1].mean())

    means = [corrected(n) for n in (0, 1, 2, 3, 4, 5, 6, 20)]
    assert means[0] == pytest.approx(3.0, rel=0.03)
    assert all(later < before for before, later in itertools.pairwise(means))
    assert means[-1] < 1.3
    # No number of cells is a border.
    assert all(later > 0.85 * before for before, later in itertools.pairwise(means[2:-1]))


def test_one_cell_that_is_unlike_the_others_does_not_move_them():
    # Under a normal distribution it would move the last by 0.12.
    cells = [amplitudes([1.0] * 10 + [20.0]), amplitudes([1.0], own_sd=0.5)]
    assert drawn_to_population(cells)[1][0] < 0.05


@pytest.mark.parametrize("scale", [0.02, 1.0, 50.0])
def test_cells_without_events_move_nobody(scale):
    cells = amplitudes([0.7, 1.0, 1.5, 2.0], own_sd=0.3, evident=False)
    (alone,) = drawn_to_population([cells])
    silent = amplitudes([scale] * 500, own_sd=0.9, evident=False, n_events=0)
    beside, kept = drawn_to_population([cells, silent])
    np.testing.assert_array_equal(beside, alone)
    np.testing.assert_array_equal(kept, silent.log_alpha)


def test_mean_and_spread_have_settled(monkeypatch):
    rng = np.random.default_rng(0)
    cells = amplitudes(np.exp(0.2 * rng.standard_normal(1000)), own_sd=0.7, evident=False)
    (drawn,) = drawn_to_population([cells])
    monkeypatch.setattr(population, "ROUNDS", 50_000)
    monkeypatch.setattr(population, "SETTLED", 1e-12)
    np.testing.assert_allclose(drawn_to_population([cells])[0], drawn, atol=1e-4)


def test_a_cell_alone_keeps_what_it_has():
    for evident in (True, False):
        cell = amplitudes([2.0], own_sd=0.4, evident=evident)
        np.testing.assert_array_equal(drawn_to_population([cell])[0], cell.log_alpha)
    assert drawn_to_population([]) == []


def test_slabs_keep_their_cells():
    whole = amplitudes([1.0, 1.5, 0.7, 2.0, 1.1], own_sd=0.3)
    parts = [amplitudes([1.0], own_sd=0.3), amplitudes([1.5, 0.7, 2.0, 1.1], own_sd=0.3)]
    drawn = drawn_to_population(parts)
    assert [one.size for one in drawn] == [1, 4]
    np.testing.assert_array_equal(np.concatenate(drawn), drawn_to_population([whole])[0])


def test_cells_without_a_recording_stay_unknown():
    cells = amplitudes([1.0, 1.1, 0.9, 1.0, 1.2, np.nan])
    cells.n_events[-1] = 0
    (drawn,) = drawn_to_population([cells])
    assert np.isfinite(drawn[:5]).all()
    assert np.isnan(drawn[5])
