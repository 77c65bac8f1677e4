"""The kernel by averaging over all explanations of the windows, where their model holds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from calab_solver import SampledKernel, sample_kernel
from numpy.typing import NDArray

from .kernel import Array, Kernel
from .windows import Windows
from .working import Recording

__all__ = ["LEAST_EVENTS", "holds", "sample_windows"]

#: Frames on which the chain runs at most, which bounds its time: on few until the kernel is near,
#: then on more, which know it better.
FEW_FRAMES, FRAMES = 1 << 16, 1 << 18
#: Sweeps of the chain with the kernel moving, at most: so many on `FRAMES`, more on fewer, where
#: each takes less and says less, up to a bound.
SWEEPS, MOST_SWEEPS = 240, 480
#: Sweeps before the kernel moves.
BURN_IN = 10
#: Bins per frame, and for a rise of less than two frames.
BINS, FAST_BINS = 2, 4
#: Events of the search below which there is nothing to average.
LEAST_EVENTS = 20
#: Largest excess of the residual under most calcium, and largest autocorrelation, with which the
#: model counts as holding.
MOST_EXCESS, MOST_AUTOCORRELATION = 1.08, 0.05
#: Least and largest decay in that of the search; in hardly more than noise the chain wanders.
LEAST_DECAY, MOST_DECAY = 0.95, 2.5
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
    runs = [_stretches(windows, frames) for frames in (FEW_FRAMES, FRAMES)]
    if runs[0][0].shape == runs[1][0].shape:
        runs = runs[1:]
    lengths = [_sweeps(traces.size) + BURN_IN for traces, _, _ in runs]
    searched, total = kernel, sum(lengths)
    report("sampling", 0, total)
    for run, stretches in enumerate(runs):
        progress = _after(report, sum(lengths[:run]), total)
        sampled = _sample(windows.recording, stretches, kernel, lengths[run] - BURN_IN, progress)
        kernel = Kernel(sampled.tau_rise, sampled.tau_decay)
        if not (_fits(sampled) and 1 / MOST_DECAY < _ratio(sampled, searched) < MOST_DECAY):
            if run + 1 < len(runs):
                report("sampling", total, total)
            break
    return sampled


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
        upsample_factor=FAST_BINS if kernel.tau_rise * recording.fs < 2 else BINS,
        sweeps=sweeps,
        burn_in=BURN_IN,
        seed=recording.settings.seed,
        n_threads=recording.n_threads,
        progress=progress,
    )


def holds(sampled: SampledKernel, searched: Kernel, fs: float) -> bool:
    """Tell whether events of one shape and white noise are all that there is.

    Where transients vary, as those of most recorded neurons do, the chain explains what is left of
    a large event by many small ones under a shorter transient.

    Parameters
    ----------
    sampled : calab_solver.SampledKernel
        What the chain found.
    searched : Kernel
        Where it began: the fewest events need a decay that is rather too short.
    fs : float
        Sampling rate in hertz.

    Returns
    -------
    bool
    """
    near = LEAST_DECAY < _ratio(sampled, searched) < MOST_DECAY
    return near and _fits(sampled) and sampled.tau_rise * fs > LEAST_RISE


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
