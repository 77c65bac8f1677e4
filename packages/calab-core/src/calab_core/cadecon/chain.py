"""The kernel by averaging over all explanations of the windows, where their model holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from calab_solver import SampledKernel, sample_kernel
from numpy.typing import NDArray

from .kernel import Array, Kernel
from .windows import Windows
from .working import Recording

__all__ = ["LEAST_EVENTS", "MANY_FRAMES", "holds", "is_lost", "sample_windows"]

#: Frames on which the chain runs at most, which bounds its time: on few until the kernel is near,
#: then on more, which know it better, and on many where these leave it noisy.
FEW_FRAMES, FRAMES, MANY_FRAMES = 1 << 16, 1 << 18, 1 << 19
#: Standard deviation of the logarithm of the decay along the later half of its way from which on it
#: is noisy: some ten sweeps in a row go the same way, so that the mean over the thirty of the
#: shortest run is known to about half of it; the decay should be known to well below 5 %.
NOISY = 0.012
#: Difference of the logarithms of two decays, on `MANY_FRAMES` and before, below which the kernel
#: is at rest: a noisy one shows that along its way by chance only. Noise alone made it 0.001 to
#: 0.036 in four recordings of the default simulation, and one that creeps goes farther.
AGREED = 0.04
#: Sweeps of the chain with the kernel moving, at most: so many on `FRAMES`, more on fewer, where
#: each takes less and says less, up to a bound.
SWEEPS, MOST_SWEEPS = 240, 480
#: Least sweeps on `MANY_FRAMES`, which are there to know a noisy kernel better: a rest that shows
#: after sixty may lie three standard errors of so few off (6 % of a decay of 1.8 s).
LEAST_SWEEPS = 200
#: Further runs at most, where it does not come to rest in one, or runs on `MANY_FRAMES`.
MORE_RUNS = 2
#: Sweeps before the kernel moves.
BURN_IN = 10
#: Bins per frame, and for a rise of less than two frames.
BINS, FAST_BINS = 2, 4
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
#: Row of the windows, first frame, and the frame behind the last one.
Piece = tuple[int, int, int]


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
    recording, start = windows.recording, kernel
    bins = FAST_BINS if start.tau_rise * recording.fs < 2 else BINS
    plan, done = _plan(windows), 0
    sampled: SampledKernel | None = None
    while plan:
        # That a kernel will creep or be noisy is not foreseen.
        ahead = [_pieces(windows, frames) for frames in dict.fromkeys(plan)]
        lengths = [_sweeps(pieces) + BURN_IN for pieces in ahead]
        total = done + sum(lengths)
        if not done:
            report("sampling", 0, total)
        stretches = _stretches(windows, ahead[0])
        progress = _after(report, done, total)
        many = plan[0] == MANY_FRAMES
        sweeps = lengths[0] - BURN_IN
        least = LEAST_SWEEPS if many else None
        latest = _sample(recording, stretches, kernel, bins, (sweeps, least), progress)
        done += lengths[0]
        refused = is_lost(latest, start) or not _fits(latest)
        if many and refused:
            # What was found on fewer frames stays.
            break
        if many and sampled is not None and _agree(latest, sampled):
            latest = replace(latest, rested=True)
        sampled = latest
        kernel = Kernel(sampled.tau_rise, sampled.tau_decay)
        if refused:
            break
        plan = _next(plan, sampled, _has_more(windows))
        if plan:
            windows.settle(kernel, deep=True)
    if done < total:
        report("sampling", total, total)
    assert sampled is not None, "there is a first run, of which nothing came before"
    return sampled


def _plan(windows: Windows) -> list[int]:
    """List the frames of each run, those included that only a kernel which creeps needs.

    The first is left out where the second has no more.
    """
    few, many = (len(_chosen(windows.windows, frames)) for frames in (FEW_FRAMES, FRAMES))
    return ([FEW_FRAMES] if few < many else []) + [FRAMES] * (1 + MORE_RUNS)


def _next(plan: list[int], sampled: SampledKernel, more: bool) -> list[int]:
    """Return the runs that are left after the first one of a plan.

    Where a kernel is noisy, further sweeps on as many frames would leave it as noisy, and whether
    it rests to chance.
    """
    if plan[0] == FRAMES and more and _is_noisy(sampled):
        return [MANY_FRAMES] * MORE_RUNS
    return [] if sampled.rested and plan[0] != FEW_FRAMES else plan[1:]


def _agree(one: SampledKernel, other: SampledKernel) -> bool:
    """Tell whether two runs give one decay; the rise, which is noisier, decides nothing."""
    return bool(abs(np.log(one.tau_decay / other.tau_decay)) < AGREED)


def _has_more(windows: Windows) -> bool:
    return len(_chosen(windows.windows, FRAMES)) < len(_chosen(windows.windows, MANY_FRAMES))


def _is_noisy(sampled: SampledKernel) -> bool:
    decays = np.log([decay for _, decay in sampled.history])
    return bool(np.std(decays[decays.size // 2 :]) > NOISY)


def _after(report: Report, before: int, total: int) -> Callable[[int, int], object]:
    """Report a run that others came before."""

    def progress(done: int, _: int) -> None:
        if done:
            report("sampling", before + done, total)

    return progress


def _sweeps(pieces: Sequence[Piece]) -> int:
    """Return how many sweeps pieces get that fill so many frames, each as long as the longest."""
    n_frames = len(pieces) * _longest(pieces)
    return min(max(SWEEPS, SWEEPS * FRAMES // n_frames), MOST_SWEEPS)


def _sample(
    recording: Recording,
    stretches: tuple[Array, Array, Array],
    kernel: Kernel,
    bins: int,
    sweeps: tuple[int, int | None],
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
        sweeps=sweeps[0],
        least=sweeps[1],
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


def _pieces(windows: Windows, frames: int) -> list[Piece]:
    """Choose windows of so many frames together, and cut them where segments start."""
    return [
        piece
        for window in _chosen(windows.windows, frames)
        for piece in _cut(window, windows.recording.segments)
    ]


def _longest(pieces: Sequence[Piece]) -> int:
    return max(end - first for _, first, end in pieces)


def _stretches(windows: Windows, pieces: Sequence[Piece]) -> tuple[Array, Array, Array]:
    """Return the traces of pieces, what stands below them, and their noise."""
    recording = windows.recording
    shape = (len(pieces), _longest(pieces))
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


def _cut(window: NDArray[np.int64], segments: list[int]) -> list[Piece]:
    row, first, end = (int(value) for value in window)
    borders = [first, *(start for start in segments if first < start < end), end]
    return [(row, a, b) for a, b in pairwise(borders)]
