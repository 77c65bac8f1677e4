"""Amplitudes of one spike over the cells of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from calab_solver.amplitudes import UNEVIDENT_SD, Amplitudes
from numpy.typing import NDArray

__all__ = ["drawn_to_population"]

Array = NDArray[np.float64]

#: Spread of the logarithm of the amplitude over a population before anything is known of it, and
#: how many cells that knowledge is worth: five cells say little of their own spread. That of
#: neurons with known spikes is in `benchmarks/limits.py`.
USUAL_SPREAD, USUAL_CELLS = 0.5, 10
#: Degrees of freedom of Student's distribution, as whose members cells say where the population
#: lies: a cell unlike the others does not move it.
FREEDOM = 4.0
#: Most rounds in which mean and spread settle, and the change of the latter at which they have.
ROUNDS, SETTLED = 5000, 1e-9


def drawn_to_population(measured: Sequence[Amplitudes]) -> list[Array]:
    r"""Draw each cell's amplitude to the population's, as far as its own events leave it unsure.

    With :math:`m_i` the logarithm that the events of a cell give, :math:`d_i` its deviation and
    :math:`u_i` 1 where the amplitude is not evident,

    .. math:: m_i = a_i + u_i b + d_i \varepsilon_i, \qquad a_i \sim \mathcal N(M, S^2), \qquad
              b \sim \mathcal N(0, 0.5^2)

    for what bursts do to one guess they do to all of them: where no amplitude is evident nothing
    tells :math:`b`, and guesses are only drawn together; those that are evident correct the others.
    :math:`M`, :math:`b` and :math:`S` are the likeliest ones, in which a cell that is :math:`z`
    deviations off counts as :math:`5 / (4 + z^2)` of a cell.

    Parameters
    ----------
    measured : sequence of Amplitudes
        Those of every slab of cells.

    Returns
    -------
    list of numpy.ndarray, shape (n_cells_of_slab,)
        Logarithms :math:`a_i` of the amplitudes; :math:`m_i` where there was no event, NaN where
        nothing was recorded.
    """
    if not measured:
        return []
    logs = np.concatenate([amplitudes.log_alpha for amplitudes in measured])
    deviations = np.concatenate([amplitudes.own_sd for amplitudes in measured])
    guessed = np.concatenate([~amplitudes.evident for amplitudes in measured])
    # Without events there is but a prior, which is no more often true for being repeated.
    seen = np.concatenate([amplitudes.n_events > 0 for amplitudes in measured]) & np.isfinite(logs)
    logs[seen] = _drawn(logs[seen], deviations[seen] ** 2, guessed[seen].astype(np.float64))
    borders = np.cumsum([amplitudes.log_alpha.size for amplitudes in measured])[:-1]
    return np.split(logs, borders)


def _drawn(logs: Array, noise: Array, guessed: Array) -> Array:
    """Posterior means of the amplitudes; mean, common error and spread by their best values."""
    if logs.size < 2:
        return logs
    spread, trust = USUAL_SPREAD**2, np.ones_like(logs)
    for _ in range(ROUNDS):
        variances = spread + noise
        mean, error = _regressed(logs, guessed, trust / variances)
        left, share = logs - mean - error * guessed, spread / variances
        trust = (FREEDOM + 1) / (FREEDOM + left**2 / variances)
        # Of a cell that tells little the spread is what it was.
        squares = trust * (share * left) ** 2 + share * noise
        before = spread
        spread = (squares.sum() + USUAL_CELLS * USUAL_SPREAD**2) / (logs.size + USUAL_CELLS)
        if abs(spread - before) <= SETTLED * before:
            break
    return np.asarray(mean + share * left)


def _regressed(logs: Array, guessed: Array, weights: Array) -> tuple[float, float]:
    """Mean of the population, and the error that guesses have in common."""
    # Sums and not products of matrices, whose rounding depends on threads.
    some = (weights * guessed).sum()
    matrix = np.array([[weights.sum(), some], [some, some + UNEVIDENT_SD**-2]])
    middle, error = np.linalg.solve(
        matrix, np.array([(weights * logs).sum(), (weights * guessed * logs).sum()])
    )
    return float(middle), float(error)
