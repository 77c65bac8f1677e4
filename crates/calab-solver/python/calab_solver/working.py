"""What stands below the activity of a trace, and the working trace in which it is looked for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .amplitudes import Kernels
from .baseline import rolling_baseline
from .events import find_events
from .filter import bandpass_filter
from .foot import find_foot

__all__ = [
    "FOOT_BINS",
    "LEAST_WINDOW",
    "PERIOD_DECAYS",
    "RESTLESS",
    "STILL_FEET",
    "WINDOW_DECAYS",
    "constant_is_better",
    "separate",
]

Array = NDArray[np.float64]

#: Width of the window of the baseline's quantile: seconds at least, and decays.
LEAST_WINDOW, WINDOW_DECAYS = 20.0, 25.0
#: Decays over which the foot follows what no activity explains.
PERIOD_DECAYS = 32 * math.pi
#: Bins per frame while the foot is looked for, and while baselines are compared.
FOOT_BINS, COMPARED_BINS = 2, 4
#: Share of the cost of the moving baseline below which a constant counts as better: the search for
#: events leaves costs uncertain by a few per cent.
BETTER = 0.96
#: Times that the foot is looked for below a constant: the one constant has to be right.
STILL_FEET = 2
#: Standard deviation of a baseline along the trace, in those of the noise, from which on it is
#: asked whether it should move at all.
RESTLESS = 1.0


def separate(
    cells: Array, kernels: Kernels, noise: Array, high_pass: bool, low_pass: bool
) -> tuple[Array, Array]:
    """Return what stands below one cell, and its working trace.

    Parameters
    ----------
    cells : numpy.ndarray, shape (1, n_frames)
        The trace; NaN where nothing was recorded.
    kernels : Kernels
        Its time constants, rate and grid.
    noise : numpy.ndarray, shape (1,)
        Standard deviation of its white noise.
    high_pass, low_pass : bool
        Whether what is slower or faster than the kernel is filtered out.

    Returns
    -------
    tuple of numpy.ndarray, each of shape (1, n_frames)
    """
    removed = _removed(cells, kernels, noise, high_pass, low_pass, still=False)
    known = np.isfinite(removed)
    if known.any() and removed[known].std() > RESTLESS * noise[0]:
        still = _removed(cells, kernels, noise, high_pass, low_pass, still=True)
        if constant_is_better(cells, kernels, noise, removed, still)[0]:
            removed = still
    working = cells - removed
    if low_pass:
        working = _passed(working, kernels, low=True).astype(np.float32).astype(np.float64)
    return removed, working


def constant_is_better(
    cells: Array, kernels: Kernels, noise: Array, moving: Array, still: Array
) -> NDArray[np.bool_]:
    """Tell which cells are explained at less cost above a baseline that does not move.

    Where a cell is seldom silent for the length of a window, its quantile moves with the activity,
    and many small events make up for it.

    Parameters
    ----------
    cells, moving, still : numpy.ndarray, shape (n_cells, n_frames)
        Traces and both baselines, in one unit; NaN where nothing was recorded.
    kernels : Kernels
        Time constants of each cell, rate and grid.
    noise : numpy.ndarray, shape (n_cells,)
        Standard deviation of the white noise, in the same unit.

    Returns
    -------
    numpy.ndarray of bool, shape (n_cells,)
    """
    costs = find_events(
        np.concatenate([cells - moving, cells - still]),
        kernels.fs,
        np.tile(noise, 2),
        np.tile(kernels.tau_rise, 2),
        np.tile(kernels.tau_decay, 2),
        upsample_factor=min(kernels.upsample_factor, COMPARED_BINS),
        segments=kernels.segments,
        n_threads=kernels.n_threads,
    ).objective
    return np.asarray(costs[len(cells) :] < BETTER * costs[: len(cells)])


def _removed(
    cells: Array, kernels: Kernels, noise: Array, high_pass: bool, low_pass: bool, *, still: bool
) -> Array:
    """Return the high-pass, the quantile of a window or of all frames, and the foot of the rest."""
    fs, segments = kernels.fs, kernels.segments
    decay = float(kernels.tau_decay[0])
    removed = cells - _passed(cells, kernels, high=True) if high_pass else np.zeros_like(cells)
    # The window spans `WINDOW_DECAYS` of what is passed, so that this is more than all frames.
    span = cells.size / fs if still else max(LEAST_WINDOW / WINDOW_DECAYS, decay)
    removed = removed + rolling_baseline(
        cells - removed, fs, span, mode="centered", segments=segments
    )
    for _ in range(STILL_FEET if still else 1):
        working = cells - removed
        removed = removed + find_foot(
            _passed(working, kernels, low=True) if low_pass else working,
            fs,
            noise,
            kernels.tau_rise,
            kernels.tau_decay,
            upsample_factor=min(kernels.upsample_factor, FOOT_BINS),
            segments=segments,
            n_threads=kernels.n_threads,
            window=None if high_pass else max(LEAST_WINDOW, PERIOD_DECAYS * decay),
        )
    # Single precision, so that no machine's transform decides where a spike lies.
    return removed.astype(np.float32).astype(np.float64)


def _passed(traces: Array, kernels: Kernels, *, high: bool = False, low: bool = False) -> Array:
    rise, decay = float(kernels.tau_rise[0]), float(kernels.tau_decay[0])
    return bandpass_filter(
        traces, rise, decay, kernels.fs, segments=kernels.segments, high_pass=high, low_pass=low
    )
