"""Working traces: what is left of the recording once baseline and filters have been at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from calab_solver import bandpass_filter, find_foot, noise_level, rolling_baseline
from calab_solver.amplitudes import Kernels
from calab_solver.working import (
    FOOT_BINS,
    LEAST_WINDOW,
    PERIOD_DECAYS,
    RESTLESS,
    WINDOW_DECAYS,
    constant_is_better,
)
from numpy.typing import NDArray

from .kernel import Kernel
from .settings import CadeconSettings

__all__ = [
    "MISMATCH",
    "Recording",
    "best_baseline",
    "block_cells",
    "blocks",
    "foot",
    "low_passed",
    "measure_noise",
    "removed_baseline",
]

Array = NDArray[np.float64]

#: What kernels far from right, and transients that vary, leave as a share of the calcium.
MISMATCH = 0.15
#: Samples that are worked on at a time, so that memory is bounded.
BLOCK_SAMPLES = 1 << 21


@dataclass(frozen=True, eq=False)
class Recording:
    """Traces and what is known of them before anything is inferred.

    Attributes
    ----------
    traces : numpy.ndarray, shape (n_cells, n_frames), float32 or float64
        As they came; NaN where nothing was recorded.
    fs : float
        Sampling rate in hertz.
    segments : list of int
        Frames at which joined recordings start.
    noise : numpy.ndarray, shape (n_cells,)
        Standard deviation of the white noise of the traces.
    settings : CadeconSettings
        How to proceed.
    upsample_factor : int
        Bins per frame.
    n_threads : int, optional
        Threads.
    """

    traces: NDArray[np.floating]
    fs: float
    segments: list[int]
    noise: Array
    settings: CadeconSettings
    upsample_factor: int
    n_threads: int | None

    def kernels(self, tau_rise: Array, tau_decay: Array) -> Kernels:
        """Return time constants of some cells together with grid, segments and threads."""
        return Kernels(
            self.fs, tau_rise, tau_decay, self.upsample_factor, self.segments, self.n_threads
        )


def measure_noise(traces: NDArray[np.floating], fs: float, segments: list[int]) -> Array:
    """Return the noise of every cell, block by block."""
    noise = np.full(len(traces), np.nan)
    for cells in blocks(traces.shape):
        noise[cells] = noise_level(traces[cells].astype(np.float64), fs, segments=segments)
    return noise


def block_cells(shape: tuple[int, ...]) -> int:
    """Return how many cells are small enough to be copied."""
    return max(1, BLOCK_SAMPLES // max(1, shape[1]))


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut cells x frames into blocks of cells that are small enough to be copied."""
    size = block_cells(shape)
    for first in range(0, shape[0], size):
        yield slice(first, min(first + size, shape[0]))


def best_baseline(recording: Recording, cells: NDArray[np.int64], kernels: list[Kernel]) -> Array:
    """Estimate what stands below some cells, constant where that explains them at less cost.

    Parameters
    ----------
    recording, cells, kernels
        As for `removed_baseline`.

    Returns
    -------
    numpy.ndarray, shape (len(cells), n_frames)
    """
    removed = removed_baseline(recording, cells, kernels)
    rows = np.flatnonzero(removed.std(axis=1) > RESTLESS * recording.noise[cells])
    if rows.size:
        own = [kernels[row] for row in rows]
        still = removed_baseline(recording, cells[rows], own, still=True)
        better = constant_is_better(
            recording.traces[cells[rows]].astype(np.float64),
            recording.kernels(*_columns(own)),
            recording.noise[cells[rows]],
            removed[rows],
            still,
        )
        removed[rows[better]] = still[better]
    return removed


def removed_baseline(
    recording: Recording,
    cells: NDArray[np.int64],
    kernels: list[Kernel],
    *,
    deep: bool = True,
    still: bool = False,
) -> Array:
    """Estimate what stands below the activity of some cells.

    The centred quantile, then the foot. The high-pass belongs to the foot: what is slower than its
    edge is taken from the residual, which leaves sustained activity where it is.

    Parameters
    ----------
    recording : Recording
        Traces and settings.
    cells : numpy.ndarray of int
        Rows of the traces.
    kernels : list of Kernel
        One per row.
    deep : bool
        Whether the foot is found; it takes most of the time.
    still : bool
        Whether the quantile is that of all frames instead of a window.

    Returns
    -------
    numpy.ndarray, shape (len(cells), n_frames)
    """
    traces = recording.traces[cells].astype(np.float64)
    fs, segments = recording.fs, recording.segments
    removed = np.zeros_like(traces)
    for kernel in dict.fromkeys(kernels):
        rows = [row for row, own in enumerate(kernels) if own == kernel]
        decay = traces.shape[1] / fs if still else window_seconds(kernel) / WINDOW_DECAYS
        removed[rows] = rolling_baseline(
            traces[rows], fs, decay, mode="centered", segments=segments
        )
    if deep:
        working = low_passed(recording, traces - removed, kernels)
        removed += foot(recording, cells, working, *_columns(kernels))
    # Single precision, so that no machine's transform decides where a spike lies.
    return removed.astype(np.float32).astype(np.float64)


def foot(
    recording: Recording,
    cells: NDArray[np.int64],
    working: Array,
    tau_rise: Array,
    tau_decay: Array,
) -> Array:
    """Find what the quantile left below the activity of some cells.

    Parameters
    ----------
    recording : Recording
        Rate, noise and grid.
    cells : numpy.ndarray of int
        Rows of the recording.
    working : numpy.ndarray, shape (len(cells), n_frames)
        Traces without their quantile.
    tau_rise, tau_decay : numpy.ndarray, shape (len(cells),)
        Time constants in seconds.

    Returns
    -------
    numpy.ndarray, shape (len(cells), n_frames)
    """
    found = np.empty_like(working)
    # Cells of one kernel share the width of the window, and no cell asks what its neighbours are.
    for decay in np.unique(tau_decay):
        rows = tau_decay == decay
        period = max(LEAST_WINDOW, PERIOD_DECAYS * float(decay))
        found[rows] = find_foot(
            working[rows],
            recording.fs,
            recording.noise[cells[rows]],
            tau_rise[rows],
            tau_decay[rows],
            segments=recording.segments,
            n_threads=recording.n_threads,
            upsample_factor=min(recording.upsample_factor, FOOT_BINS),
            window=period if recording.settings.hp_filter_enabled else None,
        )
    return found


def window_seconds(kernel: Kernel) -> float:
    """Width of the window of the baseline's quantile in seconds."""
    return max(LEAST_WINDOW, WINDOW_DECAYS * kernel.tau_decay)


def low_passed(recording: Recording, working: Array, kernels: list[Kernel]) -> Array:
    """Take out what is faster than each cell's kernel, where that is enabled."""
    if not recording.settings.lp_filter_enabled:
        return working
    passed = np.empty_like(working)
    for kernel in dict.fromkeys(kernels):
        rows = [row for row, own in enumerate(kernels) if own == kernel]
        times = (kernel.tau_rise, kernel.tau_decay, recording.fs)
        own = bandpass_filter(working[rows], *times, segments=recording.segments, high_pass=False)
        passed[rows] = own.astype(np.float32)
    return passed


def _columns(kernels: list[Kernel]) -> tuple[Array, Array]:
    rises = np.array([kernel.tau_rise for kernel in kernels], dtype=np.float64)
    decays = np.array([kernel.tau_decay for kernel in kernels], dtype=np.float64)
    return rises, decays
