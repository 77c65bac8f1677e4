"""Amplitudes of one spike over the cells of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from calab_solver.amplitudes import UNEVIDENT_SD, Amplitudes
from numpy.typing import NDArray

__all__ = ["drawn_to_population"]

Array = NDArray[np.float64]

#: Standard deviation of the logarithm of the amplitude over a population before anything is known
#: of it, and how many cells that knowledge is worth: five cells say little of their own spread.
#: That of neurons with known spikes is in `benchmarks/limits.py`.
USUAL_SPREAD, USUAL_CELLS = 0.5, 10
#: Degrees of freedom of the distribution over cells, whose tails leave cells alone that are unlike
#: the others.
FREEDOM = 4.0
#: Rounds in which mean and spread settle, far more than it takes.
ROUNDS = 50


def drawn_to_population(measured: Sequence[Amplitudes]) -> list[Array]:
    r"""Draw each cell's amplitude to the population's, as far as its own events leave it unsure.

    With :math:`m_i` the logarithm that the events of a cell give, :math:`d_i` its deviation and
    :math:`u_i` 1 where the amplitude is not evident,

    .. math:: m_i = a_i + u_i b + d_i \varepsilon_i, \qquad a_i \sim M + S\, t_4, \qquad
              b \sim \mathcal N(0, 0.5^2)

    for what bursts do to one guess they do to all of them: where no amplitude is evident nothing
    tells :math:`b`, and guesses are only drawn together; those that are evident correct the others.

    Parameters
    ----------
    measured : sequence of Amplitudes
        Those of every slab of cells.

    Returns
    -------
    list of numpy.ndarray, shape (n_cells_of_slab,)
        Logarithms :math:`a_i` of the amplitudes; NaN where nothing was recorded.
    """
    if not measured:
        return []
    logs = np.concatenate([amplitudes.log_alpha for amplitudes in measured])
    deviations = np.concatenate([amplitudes.own_sd for amplitudes in measured])
    guessed = np.concatenate([~amplitudes.evident for amplitudes in measured])
    known = np.isfinite(logs) & np.isfinite(deviations)
    logs[known] = _drawn(logs[known], deviations[known] ** 2, guessed[known].astype(np.float64))
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
        spread = (squares.sum() + USUAL_CELLS * USUAL_SPREAD**2) / (logs.size + USUAL_CELLS)
    return np.asarray(mean + share * left)


def _regressed(logs: Array, guessed: Array, weights: Array) -> tuple[float, float]:
    """Mean of the population, and the error that guesses have in common."""
    all_, some = weights.sum(), weights @ guessed
    matrix = np.array([[all_, some], [some, some + UNEVIDENT_SD**-2]])
    middle, error = np.linalg.solve(matrix, np.array([weights @ logs, (weights * guessed) @ logs]))
    return float(middle), float(error)
