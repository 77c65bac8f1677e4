"""Calcium transients as autoregressive processes: what coefficients mean, and from data."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Transient", "estimate_transient", "transient_of"]

#: Rise in frames that is none: its exponential is exactly 0 in double precision.
NO_RISE = 1 / 800
#: What a discriminant may be off zero because of rounding; such roots are taken as equal.
ROUNDING = 1e-14
#: Largest decay per frame that the solver takes.
SLOWEST = 1 - 1e-7
#: Lags beyond the order of the process of which the autocovariance is used.
LAGS = 10
#: Shortest decay, in frames, and longest, as a share of the trace, that an estimate may have.
SHORTEST, LONGEST = 0.5, 0.1


@dataclass(frozen=True)
class Transient:
    """The response to one unit of activity, which acts in its own frame.

    Attributes
    ----------
    coefficients : tuple of float
        Weights of the last frame, or of the last two.
    decay, rise : float
        Roots of the recursion: what is left after a frame of the falling and of the rising part.
        A `rise` of 0 is an instantaneous one.
    """

    coefficients: tuple[float, ...]
    decay: float
    rise: float

    @property
    def g1(self) -> float:
        """Weight of the last frame."""
        return self.coefficients[0]

    @property
    def g2(self) -> float:
        """Weight of the frame before it."""
        return self.coefficients[1] if len(self.coefficients) == 2 else 0.0

    @property
    def tau_decay(self) -> float:
        """Decay in frames."""
        return -1 / math.log(self.decay)

    @property
    def tau_rise(self) -> float:
        """Rise in frames."""
        return -1 / math.log(self.rise) if self.rise > 0 else NO_RISE

    @property
    def peak(self) -> float:
        """Largest value of the response."""
        if self.rise == 0:
            return 1.0
        # Where d^k - r^k is largest; the samples beside it, summed without cancellation.
        ratio = math.log(self.rise) / math.log(self.decay)
        k = math.log(ratio) / math.log(self.decay / self.rise)
        return max(self._response(max(1, math.floor(k))), self._response(math.floor(k) + 1))

    @property
    def norm(self) -> float:
        """Root of the sum of squares of the response: the variance formula of such processes."""
        g1, g2 = self.g1, self.g2
        return math.sqrt((1 - g2) / ((1 + g2) * ((1 - g2) ** 2 - g1**2)))

    def pull(self, residual: NDArray[np.float64]) -> float:
        """Find the largest gain in fit per unit of activity, over all frames.

        Parameters
        ----------
        residual : numpy.ndarray, shape (n_frames,)
            What is not explained; 0 where nothing is known.

        Returns
        -------
        float
            At least 0.
        """
        largest = last = before = 0.0
        for value in residual[::-1].tolist():
            last, before = value + self.g1 * last + self.g2 * before, last
            largest = max(largest, last)
        return float(largest)

    def _response(self, k: int) -> float:
        powers = np.arange(k)
        return float(np.sum(self.decay**powers * self.rise ** (k - 1 - powers)))


def transient_of(coefficients: tuple[float, ...]) -> Transient:
    r"""Turn coefficients into the roots that the solver takes.

    .. math:: g_1 = d + r, \qquad g_2 = -d r, \qquad 0 \le r \le d < 1

    Parameters
    ----------
    coefficients : tuple of one or two floats
        Weights of the last frames.

    Returns
    -------
    Transient

    Raises
    ------
    ValueError
        If they are not those of a response that rises at once or smoothly, and decays.
    """
    g1, g2 = (*coefficients, 0.0)[:2]
    discriminant = g1 * g1 + 4 * g2
    if not discriminant > -ROUNDING:
        raise ValueError(
            f"g: expected real roots, got {coefficients}, whose response oscillates; give "
            "g1 = d + r and g2 = -d r with 0 < r < d < 1"
        )
    # Equal roots are set a little apart, which changes g2 by less than rounding may.
    spread = math.sqrt(max(discriminant, ROUNDING)) if g2 else g1
    decay, rise = (g1 + spread) / 2, (g1 - spread) / 2
    if not (0 <= rise < decay <= SLOWEST):
        raise ValueError(
            f"g: expected a response that decays without changing sign, got {coefficients} with "
            f"roots {decay:.9g} and {rise:.9g}; both must be between 0 and 1"
        )
    return Transient(coefficients, decay, rise)


def estimate_transient(trace: NDArray[np.float64], noise: float, order: int) -> Transient:
    r"""Estimate the coefficients from the autocovariance of a trace.

    .. math:: C(k) = \sum_{j=1}^{p} g_j \left( C(k - j) - \sigma^2 [k = j] \right),
              \qquad k = 1 \dots p + L

    by least squares. Roots that are no decay are moved to the nearest that are.

    Parameters
    ----------
    trace : numpy.ndarray, shape (n_frames,), float64
        NaN marks frames that were not recorded.
    noise : float
        Standard deviation of the white noise.
    order : {1, 2}
        Number of coefficients.

    Returns
    -------
    Transient

    Warns
    -----
    UserWarning
        If the trace shows no transients that decay.

    References
    ----------
    Pnevmatikakis EA et al. (2016). Simultaneous denoising, deconvolution, and demixing of calcium
    imaging data. Neuron 89:285-299, doi:10.1016/j.neuron.2015.11.037.
    """
    n_lags = min(order + LAGS, trace.size - 1)
    covariance = _autocovariance(trace, n_lags)
    lags, past = np.arange(1, n_lags + 1), np.arange(1, order + 1)
    system = covariance[np.abs(lags[:, None] - past)] - noise**2 * (lags[:, None] == past)
    found = np.linalg.lstsq(system, covariance[1:], rcond=None)[0]
    g1, g2 = (*found.tolist(), 0.0)[:2]
    spread = math.sqrt(max(g1 * g1 + 4 * g2, 0.0)) if order == 2 else abs(g1)
    decay, rise = (g1 + spread) / 2, (g1 - spread) / 2
    least, most = math.exp(-1 / SHORTEST), math.exp(-1 / (LONGEST * trace.size))
    possible = min(max(decay, least), most)
    if possible != decay:
        warnings.warn(
            f"g: the autocovariance shows no transients that decay (it gives {found.tolist()}); "
            f"a decay of {possible:.4g} per frame is assumed; give g to choose it",
            UserWarning,
            stacklevel=3,
        )
    rise = min(max(rise, 0.0), possible)
    return transient_of((possible,) if order == 1 else (possible + rise, 0.0 - possible * rise))


def _autocovariance(trace: NDArray[np.float64], n_lags: int) -> NDArray[np.float64]:
    """Average the products of frames so far apart that were both recorded."""
    seen = ~np.isnan(trace)
    centred = np.where(seen, trace - np.nanmean(trace), 0.0)
    n_frames = trace.size
    sums = [centred[: n_frames - lag] @ centred[lag:] for lag in range(n_lags + 1)]
    pairs = [np.count_nonzero(seen[: n_frames - lag] & seen[lag:]) for lag in range(n_lags + 1)]
    return np.array(sums) / np.maximum(pairs, 1)
