"""What stands below the activity of a trace, and the working trace in which it is looked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .amplitudes import Kernels
from .baseline import rolling_baseline
from .events import event_costs
from .filter import bandpass_filter
from .foot import find_foot

__all__ = [
    "FOOT_BINS",
    "LEAST_WINDOW",
    "PERIOD_DECAYS",
    "RESTLESS",
    "WINDOW_DECAYS",
    "constant_is_better",
    "separate",
]

Array = NDArray[np.float64]

#: Width of the window of the baseline's quantile: seconds at least, and decays.
LEAST_WINDOW, WINDOW_DECAYS = 20.0, 25.0
#: Decays over which the foot follows what no activity explains.
PERIOD_DECAYS = 32 * math.pi
#: Bins per frame while the foot is looked for.
FOOT_BINS = 2
#: Bins per frame and sweeps of a round while baselines are compared: more sweeps need fewer rounds,
#: and leave the costs less uncertain in the same time.
COMPARED_BINS, COMPARED_SWEEPS = 4, 10
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
    feet = _Feet(cells, kernels, noise, high_pass, low_pass)
    quantile = feet.quantile(still=False)
    # Whether both are needed is foretold where two are found in the time of one.
    both = kernels.n_threads != 1 and _is_restless(quantile, noise)
    removed, *still = feet.below([quantile, feet.quantile(still=True)] if both else [quantile])
    if _is_restless(removed, noise):
        [constant] = still or feet.below([feet.quantile(still=True)])
        if constant_is_better(cells, kernels, noise, removed, constant)[0]:
            removed = constant
    working = cells - removed
    if low_pass:
        working = _single(_passed(working, kernels, low=True))
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
    costs = event_costs(
        np.concatenate([cells - moving, cells - still]),
        kernels.fs,
        np.tile(noise, 2),
        np.tile(kernels.tau_rise, 2),
        np.tile(kernels.tau_decay, 2),
        upsample_factor=min(kernels.upsample_factor, COMPARED_BINS),
        segments=kernels.segments,
        n_threads=kernels.n_threads,
        sweeps=COMPARED_SWEEPS,
    )
    return np.asarray(costs[len(cells) :] < costs[: len(cells)])


def _single(values: Array) -> Array:
    """Round to single precision, so that no machine's transform decides where a spike lies."""
    return values.astype(np.float32).astype(np.float64)


def _is_restless(below: Array, noise: Array) -> bool:
    known = np.isfinite(below)
    return bool(known.any()) and bool(below[known].std() > RESTLESS * noise[0])


@dataclass(frozen=True, eq=False)
class _Feet:
    """What stands below one cell: the high-pass, the quantile, and the foot of the rest."""

    cells: Array
    kernels: Kernels
    noise: Array
    high_pass: bool
    low_pass: bool

    @cached_property
    def slow(self) -> Array:
        """What the high-pass takes."""
        if not self.high_pass:
            return np.zeros_like(self.cells)
        return self.cells - _passed(self.cells, self.kernels, high=True)

    def quantile(self, *, still: bool) -> Array:
        """Return the high-pass and the quantile of a window, or of all frames."""
        cells, fs, slow = self.cells, self.kernels.fs, self.slow
        # The window spans `WINDOW_DECAYS` of what is passed, so that this is more than all frames.
        moving = max(LEAST_WINDOW / WINDOW_DECAYS, float(self.kernels.tau_decay[0]))
        span = cells.size / fs if still else moving
        return slow + rolling_baseline(
            cells - slow, fs, span, mode="centered", segments=self.kernels.segments
        )

    def below(self, levels: list[Array]) -> list[Array]:
        """Return levels with the foot that each leaves below the activity."""
        kernels, count = self.kernels, len(levels)
        working = np.concatenate([self.cells - level for level in levels])
        period = max(LEAST_WINDOW, PERIOD_DECAYS * float(kernels.tau_decay[0]))
        feet = find_foot(
            _passed(working, kernels, low=True) if self.low_pass else working,
            kernels.fs,
            np.repeat(self.noise, count),
            np.repeat(kernels.tau_rise, count),
            np.repeat(kernels.tau_decay, count),
            upsample_factor=min(kernels.upsample_factor, FOOT_BINS),
            segments=kernels.segments,
            n_threads=kernels.n_threads,
            window=None if self.high_pass else period,
        )
        return [_single(level + foot) for level, foot in zip(levels, feet, strict=True)]


def _passed(traces: Array, kernels: Kernels, *, high: bool = False, low: bool = False) -> Array:
    rise, decay = float(kernels.tau_rise[0]), float(kernels.tau_decay[0])
    return bandpass_filter(
        traces, rise, decay, kernels.fs, segments=kernels.segments, high_pass=high, low_pass=low
    )
