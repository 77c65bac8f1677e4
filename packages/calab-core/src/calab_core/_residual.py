"""What is left between a trace and its fit, where frames may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["autocorrelation", "explained", "joined"]


def autocorrelation(
    residual: NDArray[np.float64], seen: NDArray[np.bool_], starts: Sequence[int], n_lags: int
) -> NDArray[np.float64]:
    """Correlate a trace with itself, over pairs of recorded frames of one segment.

    Parameters
    ----------
    residual : numpy.ndarray, shape (n_frames,)
        The trace; what it holds in frames that were not recorded does not matter.
    seen : numpy.ndarray, shape (n_frames,), bool
        The recorded frames.
    starts : sequence of int
        Start frames of the segments.
    n_lags : int
        Number of lags.

    Returns
    -------
    numpy.ndarray, shape (n_lags,), float64
        At lags from 1; NaN where there are fewer than 8 pairs, or no variance.
    """
    centred = np.where(seen, residual, 0.0)
    centred = np.where(seen, centred - centred.sum() / max(seen.sum(), 1), 0.0)
    products, pairs = np.zeros(n_lags + 1), np.zeros(n_lags + 1)
    borders = [0, *(start for start in starts if start), residual.size]
    for start, stop in pairwise(borders):
        part = slice(start, stop)
        products += _lagged(centred[part], n_lags)
        pairs += np.rint(_lagged(seen[part].astype(np.float64), n_lags))
    means = np.full(n_lags + 1, np.nan)
    np.divide(products, pairs, out=means, where=pairs >= 8)
    # What rounding leaves of a constant residual is no variance.
    least = (1e-6 * np.max(np.abs(residual), where=seen, initial=0.0)) ** 2
    return means[1:] / means[0] if means[0] > least else np.full(n_lags, np.nan)


def _lagged(values: NDArray[np.float64], n_lags: int) -> NDArray[np.float64]:
    """Sum the products of values that lie 0 to `n_lags` frames apart."""
    reach = min(n_lags, values.size - 1)
    # Padded by the longest lag, so that the end does not meet the beginning.
    size = 1 << int(values.size + reach).bit_length()
    spectrum = np.fft.rfft(values, size)
    sums = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)
    return np.concatenate([sums[: reach + 1], np.zeros(n_lags - reach)])


def explained(working: NDArray[np.float64], residual: NDArray[np.float64]) -> float:
    """Return the share of the working trace's variance that is not in the residual.

    Parameters
    ----------
    working, residual : numpy.ndarray, shape (n_seen,)
        Recorded frames of the trace less its baseline, and less its whole fit.

    Returns
    -------
    float
        At most 1; NaN for a constant trace or none.
    """
    if not working.size:
        return np.nan
    # Sums rather than products of vectors, whose bits depend on the machine's threads.
    total = float(np.sum((working - working.mean()) ** 2))
    # What rounding leaves of a constant is no variance.
    least = 1e-24 * float(np.sum(working**2))
    return 1 - float(np.sum(residual**2)) / total if total > least else np.nan


def joined(seen: NDArray[np.bool_], starts: Sequence[int]) -> NDArray[np.bool_]:
    """Find the pairs of successive frames that were both recorded, in one segment.

    Parameters
    ----------
    seen : numpy.ndarray, shape (n_frames,), bool
        The recorded frames.
    starts : sequence of int
        Start frames of the segments.

    Returns
    -------
    numpy.ndarray, shape (n_frames - 1,), bool
    """
    both: NDArray[np.bool_] = seen[1:] & seen[:-1]
    both[[start - 1 for start in starts if start]] = False
    return both
