"""The amplitude of one spike, from events that hold whole numbers of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_number
from ._traces import as_real

__all__ = ["EventScale", "event_scale"]


@dataclass(frozen=True, eq=False)
class EventScale:
    """What :func:`event_scale` found.

    Attributes
    ----------
    log_alpha : numpy.ndarray, shape (n_points,)
        Grid of the natural logarithm of the amplitude of one spike.
    log_likelihood, log_posterior : numpy.ndarray, shape (n_points,)
        Without and with the prior of the amplitude, which adds up to 1 over the grid.
    mean, sd : float
        Mean and standard deviation of the logarithm under the posterior.
    log_odds : float
        Logarithm of the odds of whole multiples of an amplitude against a smooth (log-normal)
        distribution of amplitudes.
    n_events : int
        Events above the threshold.
    """

    log_alpha: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]
    log_posterior: NDArray[np.float64]
    mean: float
    sd: float
    log_odds: float
    n_events: int


def event_scale(
    amplitudes: ArrayLike,
    null_level: float,
    *,
    threshold: float = 3.75,
    gap: float = 2.25,
    variations: Sequence[float] = (0.05, 0.1, 0.2, 0.3, 0.4),
    outliers: Sequence[float] = (0.02,),
    weight_strength: float = 10.0,
    weight_mean: float = 0.45,
    prior_mean: float = 1.1,
    prior_sd: float = 0.7,
) -> EventScale:
    r"""Ask the events of one cell for the amplitude of one spike.

    .. math:: a \sim \sum_{n \ge 1} (1 - w) w^{n-1}\,
              \mathcal N\bigl(n\alpha,\ s^2 + n (v\alpha)^2 + (0.1\, n\alpha)^2\bigr)

    cut off below the threshold, with :math:`s` the null level over 1.6; a share of the events may
    hold any number of spikes. The weight :math:`w`, with
    a beta-like prior, and the variation :math:`v` are averaged over grids; the prior of
    :math:`\log(\alpha/\text{null level})` is normal, but above its mean no steeper than a straight
    line.

    Parameters
    ----------
    amplitudes : array_like, shape (n_events,)
        Amplitudes of the events.
    null_level : float
        Amplitude that events reach where there are no spikes, in the same unit.
    threshold : float
        Least amplitude of an event that counts, in null levels.
    gap : float
        Lower edge of a gap below the threshold, in null levels. Events in it may be no spikes, so
        any number is allowed; but fewer than an amplitude, or a smooth distribution, lets expect
        make it less likely, by the ratio of binomial likelihoods. No gap from the threshold on.
    variations : sequence of float
        Coefficients of variation from spike to spike.
    outliers : sequence of float
        Shares of the events that hold any number of spikes; averaged over.
    weight_strength, weight_mean : float
        Strength and mean of the prior of the weight.
    prior_mean, prior_sd : float
        Mean and standard deviation of the logarithm of the amplitude in null levels.

    Returns
    -------
    EventScale

    Raises
    ------
    ValueError
        For a null level that is not above zero or a parameter out of range.
    TypeError
        For what is no number.
    """
    values = as_real("amplitudes", amplitudes)
    if values.ndim != 1:
        raise ValueError(f"amplitudes: expected shape (n_events,), got {values.shape}")
    return EventScale(
        *_native.event_scale(
            values,
            as_number("null_level", null_level),
            threshold=as_number("threshold", threshold),
            gap=as_number("gap", gap),
            variations=[as_number("variations", variation) for variation in variations],
            outliers=[as_number("outliers", share) for share in outliers],
            weight_strength=as_number("weight_strength", weight_strength),
            weight_mean=as_number("weight_mean", weight_mean),
            prior_mean=as_number("prior_mean", prior_mean),
            prior_sd=as_number("prior_sd", prior_sd),
        )
    )
