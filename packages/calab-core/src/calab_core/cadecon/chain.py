"""The kernel by averaging over all explanations of the windows, where their model holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from calab_solver import SampledKernel, sample_kernel
from numpy.typing import NDArray

from .kernel import Array, Kernel
from .windows import Windows
from .working import Recording

__all__ = ["LEAST_EVENTS", "holds", "is_lost", "sample_windows"]

#: Frames on which the chain runs at most, which bounds its time: on few until the kernel is near,
#: then on more, which know it better.
FEW_FRAMES, FRAMES = 1 << 16, 1 << 18
#: Sweeps of the chain with the kernel moving, at most: so many on `FRAMES`, more on fewer, where
#: each takes less and says less, up to a bound.
SWEEPS, MOST_SWEEPS = 240, 480
#: Further runs at most, where it does not come to rest in one.
MORE_RUNS = 2
#: Sweeps before the kernel moves.
BURN_IN = 10
#: Bins per frame, and for a rise of less than two frames; and most, to which they are doubled where
#: events beside their bins leave more than so many deviations of the noise.
BINS, FAST_BINS = 2, 4
MOST_BINS, LEAST_BESIDE = 8, 0.8
#: Events of the search below which there is nothing to average.
LEAST_EVENTS = 20
#: Largest excess of the residual under most calcium, and largest autocorrelation, with which the
#: model counts as holding.
MOST_EXCESS, MOST_AUTOCORRELATION = 1.08, 0.05
#: Least decay in that of the search, where the chain came to rest and elsewhere, and largest; in
#: hardly more than noise the chain wanders.
RESTED_DECAY, LEAST_DECAY, MOST_DECAY = 0.85, 0.95, 2.5
#: Frames of a rise that can hardly be told from none: where transients are not of one shape, events
#: at every bend of a large one leave no rise over.
LEAST_RISE = 0.1

Report = Callable[[str, int, int], object]


def sample_windows(windows: Windows, kernel: Kernel, report: Report) -> SampledKernel:
    """Sample the kernel that some of the windows share.

    Parameters
    ----------
    windows : Windows
        Where, and what stands below the activity.
    kernel : Kernel
        Where the chain begins.
    report : callable
        Called with a phase, and the sweeps done and in total.

    Returns
    -------
    calab_solver.SampledKernel
    """
    fs, searched = windows.recording.fs, kernel
    least = bins = FAST_BINS if kernel.tau_rise * fs < 2 else BINS
    amounts, done, more = _amounts(windows), 0, MORE_RUNS
    while amounts:
        # Finer bins on fewer frames are the same work.
        runs = [_stretches(windows, frames * least // bins) for frames in amounts]
        lengths = [_sweeps(traces.size) + BURN_IN for traces, _, _ in runs]
        total = done + sum(lengths)
        if not done:
            report("sampling", 0, total)
        progress = _after(report, done, total)
        sampled = _sample(windows.recording, runs[0], kernel, bins, lengths[0] - BURN_IN, progress)
        kernel = Kernel(sampled.tau_rise, sampled.tau_decay)
        done += lengths[0]
        if is_lost(sampled, searched):
            break
        if _fits(sampled):
            # A kernel that still creeps goes on from where it is.
            creeps = len(amounts) == 1 and not sampled.rested and more
            more -= creeps
            amounts = amounts if creeps else amounts[1:]
            if amounts:
                windows.settle(kernel, deep=True)
        elif bins < MOST_BINS and _is_coarse(sampled, runs[0][2], bins, searched.tau_rise * fs):
            bins *= 2
        else:
            break
    if done < total:
        report("sampling", total, total)
    return sampled


def _amounts(windows: Windows) -> list[int]:
    """List the frames to run on, without the first where the second has no more."""
    few, more = (len(_chosen(windows.windows, frames)) for frames in (FEW_FRAMES, FRAMES))
    return [FEW_FRAMES, FRAMES] if few < more else [FRAMES]


def _is_coarse(sampled: SampledKernel, noise: Array, bins: int, rise: float) -> bool:
    """Tell whether events that lie beside their bins may leave all of what looks like a misfit.

    That is the slope of a rise of so many frames times the deviation of a place within a bin. A
    kernel that did not rest is off for another reason.
    """
    beside = float(np.median(sampled.amplitude / noise)) / (rise * math.sqrt(12) * bins)
    explained = sampled.excess < MOST_EXCESS * math.hypot(1, beside)
    return sampled.rested and beside > LEAST_BESIDE and explained


def _after(report: Report, before: int, total: int) -> Callable[[int, int], object]:
    """Report a run that others came before."""

    def progress(done: int, _: int) -> None:
        if done:
            report("sampling", before + done, total)

    return progress


def _sweeps(n_frames: int) -> int:
    return min(max(SWEEPS, SWEEPS * FRAMES // n_frames), MOST_SWEEPS)


def _sample(
    recording: Recording,
    stretches: tuple[Array, Array, Array],
    kernel: Kernel,
    bins: int,
    sweeps: int,
    progress: Callable[[int, int], object],
) -> SampledKernel:
    traces, below, noise = stretches
    return sample_kernel(
        traces,
        recording.fs,
        noise,
        kernel.tau_rise,
        kernel.tau_decay,
        baseline=below,
        upsample_factor=bins,
        sweeps=sweeps,
        burn_in=BURN_IN,
        seed=recording.settings.seed,
        n_threads=recording.n_threads,
        progress=progress,
    )


def is_lost(sampled: SampledKernel, start: Kernel) -> bool:
    """Tell whether the chain ran away from where it began.

    Parameters
    ----------
    sampled : calab_solver.SampledKernel
        What the chain found.
    start : Kernel
        Where it began.

    Returns
    -------
    bool
    """
    return not 1 / MOST_DECAY < _ratio(sampled, start) < MOST_DECAY


def holds(sampled: SampledKernel, start: Kernel, recording: Recording, *, searched: bool) -> bool:
    """Tell whether events of one shape and white noise are all that there is.

    Where transients vary, as those of most recorded neurons do, the chain explains what is left of
    a large event by many small ones under a shorter transient.

    Parameters
    ----------
    sampled : calab_solver.SampledKernel
        What the chain found.
    start : Kernel
        Where it began, or the search for the fewest events ended.
    recording : Recording
        Rate, and whether its cells share a kernel.
    searched : bool
        Whether the start says how short a decay may be, as what the search gave does.

    Returns
    -------
    bool
    """
    # A few windows of cells with kernels of their own say nothing of the others.
    shared = recording.settings.kernel == "shared"
    least = RESTED_DECAY if sampled.rested and shared else LEAST_DECAY
    near = not is_lost(sampled, start) and (_ratio(sampled, start) > least or not searched)
    return near and _fits(sampled) and sampled.tau_rise * recording.fs > LEAST_RISE


def _ratio(sampled: SampledKernel, searched: Kernel) -> float:
    return sampled.tau_decay / searched.tau_decay


def _fits(sampled: SampledKernel) -> bool:
    small = abs(sampled.autocorrelation) < MOST_AUTOCORRELATION
    return small and sampled.excess < MOST_EXCESS


def _stretches(windows: Windows, frames: int) -> tuple[Array, Array, Array]:
    """Cut some windows where segments start: traces, what stands below them, and noise."""
    recording = windows.recording
    pieces = [
        piece
        for window in _chosen(windows.windows, frames)
        for piece in _cut(window, recording.segments)
    ]
    shape = (len(pieces), max(end - first for _, first, end in pieces))
    traces, below = np.full(shape, np.nan), np.zeros(shape)
    for trace, low, (row, first, end) in zip(traces, below, pieces, strict=True):
        removed = windows.removed[row, first:end].astype(np.float64)
        level = removed.mean()
        trace[: end - first] = recording.traces[windows.cells[row], first:end]
        trace[: end - first] -= level
        low[: end - first] = removed - level
    cells = windows.cells[[row for row, _, _ in pieces]]
    return traces, below, recording.noise[cells]


def _chosen(windows: NDArray[np.int64], frames: int) -> NDArray[np.int64]:
    """Take as many windows as fit, evenly spaced."""
    longest = int((windows[:, 2] - windows[:, 1]).max())
    count = min(len(windows), max(1, frames // longest))
    return windows[np.arange(count) * len(windows) // count]


def _cut(window: NDArray[np.int64], segments: list[int]) -> list[tuple[int, int, int]]:
    row, first, end = (int(value) for value in window)
    borders = [first, *(start for start in segments if first < start < end), end]
    return [(row, a, b) for a, b in pairwise(borders)]
