"""Whole spikes of one amplitude in a batch of traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_count, as_number
from ._spike_batch import as_spike_batch, as_values, split
from ._traces import as_real
from .events import Events

__all__ = ["PlacedSpikes", "place_spikes"]


@dataclass(frozen=True, eq=False)
class PlacedSpikes:
    """What :func:`place_spikes` found, one entry or row per cell.

    Attributes
    ----------
    bins : tuple of numpy.ndarray of int64, shape (n_spikes,)
        Bins of the fine grid, ascending, as often as there are spikes: bin ``k`` is the time
        ``k / (fs * upsample_factor)``.
    fit : numpy.ndarray, shape (n_cells, n_frames), float32
        What the spikes make, in units of the traces; the calcium runs on through gaps.
    pve : numpy.ndarray, shape (n_cells,)
        Share of the variance over recorded frames that the fit explains; 0 for a constant trace
        and where nothing was recorded.
    sweeps : numpy.ndarray of int64, shape (n_cells,)
        Sweeps until nothing changed, or all that were allowed.
    converged : numpy.ndarray of bool, shape (n_cells,)
        Whether the last sweep, which looked at everything once more, changed nothing.
    """

    bins: tuple[NDArray[np.int64], ...]
    fit: NDArray[np.float32]
    pve: NDArray[np.float64]
    sweeps: NDArray[np.int64]
    converged: NDArray[np.bool_]


def place_spikes(
    traces: ArrayLike,
    fs: float,
    tau_rise: ArrayLike,
    tau_decay: ArrayLike,
    alphas: ArrayLike,
    thetas: ArrayLike,
    events: Events | Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    upsample_factor: int = 1,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    window: float = 0.2,
    spread: float = 0.1,
    sweeps: int = 50,
) -> PlacedSpikes:
    r"""Explain traces by whole spikes of a given amplitude.

    The search starts from the events' amplitudes in whole numbers and lowers
    :math:`\sum_i (y_i - \alpha \sum_k h(i/f_s - t_k))^2` over recorded frames: a spike moves to the
    best bin nearby, is removed (from the second sweep on) where the amplitude that fits best is
    below ``theta``, and is added where that of the residual is above it.

    Parameters
    ----------
    traces, fs, tau_rise, tau_decay, upsample_factor, segments, n_threads, progress
        As :func:`find_events` takes them.
    alphas : float or array_like, shape (n_cells,)
        Peak of one spike in units of the traces.
    thetas : float or array_like, shape (n_cells,)
        Least amplitude of what counts as a spike, in the same units.
    events : Events, or sequence of (bins, amplitudes)
        Where the search starts, on the same grid; one entry per cell.
    window : float
        Seconds by which a sweep may move a spike.
    spread : float
        Seconds within which only the best place takes an additional spike.
    sweeps : int
        Most sweeps; from the third on only spikes near a change are looked at again.

    Returns
    -------
    PlacedSpikes

    Raises
    ------
    ValueError
        For a parameter out of range, an infinite sample, bins outside the traces, or arrays that
        do not match.
    TypeError
        For traces, events or parameters that are not numbers.
    KeyboardInterrupt
        On Ctrl-C, within about a twentieth of a second.
    """
    batch = as_spike_batch(
        traces, fs, tau_rise, tau_decay, None, upsample_factor, segments, n_threads, progress
    )
    n_cells = len(batch["traces"])
    bins, ends, fit, pve, done, converged = _native.place_spikes(
        batch,
        as_values("alphas", alphas, n_cells),
        as_values("thetas", thetas, n_cells),
        _pairs(events),
        window=as_number("window", window),
        spread=as_number("spread", spread),
        sweeps=as_count("sweeps", sweeps, 0),
    )
    return PlacedSpikes(split(bins, ends), fit, pve, done, converged)


def _pairs(
    events: Events | Sequence[tuple[ArrayLike, ArrayLike]],
) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    if isinstance(events, Events):
        return list(zip(events.bins, events.amplitudes, strict=True))
    pairs = []
    for bins, amplitudes in events:
        places, sizes = np.asarray(bins), as_real("events", amplitudes)
        if places.size and places.dtype.kind not in "iu":
            raise TypeError(f"events: expected bins in whole numbers, got dtype {places.dtype}")
        if places.ndim != 1 or places.shape != sizes.shape:
            raise ValueError(
                f"events: expected as many bins as amplitudes, got {places.shape} and {sizes.shape}"
            )
        pairs.append((np.require(places, np.int64, "C"), sizes))
    return pairs
