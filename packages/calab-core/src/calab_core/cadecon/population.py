"""Amplitudes of one spike over the cells of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from calab_solver.amplitudes import KNOWN_EVENTS, Amplitudes
from numpy.typing import NDArray

__all__ = ["drawn_to_population"]

Array = NDArray[np.float64]

#: Fewest cells that make a population.
POPULATION = 5
#: Standard deviation of the logarithm of the amplitude over a population before anything is known
#: of it, and how many cells that knowledge is worth: five cells say little of their own spread.
#: That of ten data sets with known spikes is 0.2 to 0.8, its root mean square 0.47.
USUAL_SPREAD, USUAL_CELLS = 0.45, 10


def drawn_to_population(measured: Sequence[Amplitudes]) -> list[Array]:
    """Draw each cell's amplitude to the population's, as far as its own events leave it unsure.

    The population is the cells whose amplitude is known, or, if these are few, those with events.

    Parameters
    ----------
    measured : sequence of Amplitudes
        Those of every slab of cells.

    Returns
    -------
    list of numpy.ndarray, shape (n_cells_of_slab,)
        Logarithms of the amplitudes; NaN where nothing was recorded.
    """
    if not measured:
        return []
    log_alpha = np.concatenate([amplitudes.log_alpha for amplitudes in measured])
    log_sd = np.concatenate([amplitudes.log_sd for amplitudes in measured])
    population = np.concatenate([amplitudes.known for amplitudes in measured])
    if population.sum() < POPULATION:
        population = np.concatenate([one.n_events >= KNOWN_EVENTS for one in measured])
        # What bursts do to one guess they do to all: no reason to leave one's own for theirs.
        log_sd = np.concatenate([amplitudes.own_sd for amplitudes in measured])
    if population.sum() >= POPULATION:
        centre = np.median(log_alpha[population])
        variance = _variance(log_alpha[population] - centre)
        log_alpha = centre + variance / (variance + log_sd**2) * (log_alpha - centre)
    borders = np.cumsum([amplitudes.log_alpha.size for amplitudes in measured])[:-1]
    return np.split(log_alpha, borders)


def _variance(deviations: Array) -> float:
    """Variance of the logarithms over a population."""
    observed = (1.4826 * np.median(np.abs(deviations))) ** 2
    usual = USUAL_CELLS * USUAL_SPREAD**2
    return float((deviations.size * observed + usual) / (deviations.size + USUAL_CELLS))
