"""Activity by frames: whole spikes, and spikes per second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .spikes import PlacedSpikes

__all__ = ["frame_counts", "spike_rates"]

Array = NDArray[np.float64]


def frame_counts(
    placed: PlacedSpikes, shape: tuple[int, ...], upsample_factor: int
) -> NDArray[np.float32]:
    """Count spikes by the frame whose sample is nearest.

    Parameters
    ----------
    placed : PlacedSpikes
        Spikes on the fine grid.
    shape : tuple of int
        Cells x frames.
    upsample_factor : int
        Bins per frame.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames), float32
    """
    counts = np.zeros(shape, dtype=np.float32)
    for row, bins in zip(counts, placed.bins, strict=True):
        frames = np.minimum((bins + upsample_factor // 2) // upsample_factor, shape[1] - 1)
        np.add.at(row, frames, 1)
    return counts


def spike_rates(
    relaxed: NDArray[np.float32],
    counts: NDArray[np.float32],
    missing: NDArray[np.bool_],
    fs: float,
) -> NDArray[np.float32]:
    """Weigh counts and relaxed activity equally, to rates that hold as many spikes as the counts.

    The relaxed activity also carries the positive part of the noise. A level is taken off it,
    nothing going below 0, such that its sum is the counts'; where it falls short it is scaled.

    Parameters
    ----------
    relaxed, counts : numpy.ndarray, shape (n_cells, n_frames), float32
        Spikes of each frame.
    missing : numpy.ndarray, shape (n_cells, n_frames), bool
        Frames that were not recorded.
    fs : float
        Sampling rate in hertz.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames), float32
        Spikes per second; 0 where nothing was recorded, and in cells without spikes.
    """
    rates = np.zeros(counts.shape, dtype=np.float32)
    for rate, graded, whole, gaps in zip(rates, relaxed, counts, missing, strict=True):
        seen = ~gaps
        total, found = float(whole.sum()), whole[seen].astype(np.float64)
        shape = _of_sum(graded[seen].astype(np.float64), total)
        # Spikes in gaps are known by the calcium behind them; the recorded frames answer for all.
        rate[seen] = fs * _of_sum(0.5 * (shape + found), total)
    return rates


def _of_sum(values: Array, total: float) -> Array:
    """Take a level off values, or scale them, so that what is above 0 has the given sum."""
    if total <= 0:
        return np.zeros_like(values)
    if values.sum() > total:
        descending = np.sort(values)[::-1]
        levels = (np.cumsum(descending) - total) / np.arange(1, values.size + 1)
        # The level under which the values above it, and no others, sum to the total.
        values = np.maximum(values - levels[np.flatnonzero(descending > levels)[-1]], 0.0)
    reached = values.sum()
    return values * (total / reached) if reached > 0 else values
