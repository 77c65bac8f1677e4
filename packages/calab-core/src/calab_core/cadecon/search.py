"""The kernel of a recording, and the kernels of its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from calab_solver import SampledKernel
from numpy.typing import NDArray

from .chain import LEAST_EVENTS, holds, sample_windows
from .kernel import Array, Kernel, Score, Step, change, grid_search, refine
from .subsets import Subset, place_subsets
from .windows import Windows, gather
from .working import Recording

__all__ = ["Found", "cell_kernels", "shared_kernel"]

#: Kernel with which a recording is left that has no events, in seconds.
FALLBACK = Kernel(0.1, 0.6)
#: Events that a cell's own kernel needs to weigh as much as the shared one.
SHRINKAGE_EVENTS = 20.0
#: Iterations at least, in each of which the foot of the traces follows the kernel.
SETTLING = 5
#: Steps of the search for a cell's own kernel.
CELL_STEPS = 4

Report = Callable[[str, int, int], object]


@dataclass(eq=False)
class Found:
    """The shared kernel and how it was found.

    Attributes
    ----------
    kernel : Kernel
        Its time constants.
    searched : Kernel
        Those at which the search for the fewest events ended.
    sampled : calab_solver.SampledKernel, optional
        What averaging over explanations gave; None with few events.
    history : list of dict
        One entry per iteration.
    converged_at : int or None
        First of the iterations in which the kernel rested.
    subsets : list of Subset
        Where it was looked for.
    n_events : int
        Events of the subsets under the kernel.
    """

    kernel: Kernel
    searched: Kernel = FALLBACK
    sampled: SampledKernel | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    converged_at: int | None = None
    subsets: list[Subset] = field(default_factory=list)
    n_events: int = 0

    @property
    def is_sampled(self) -> bool:
        """Whether the kernel is the sampled one, because its model holds."""
        return self.kernel != self.searched


def shared_kernel(recording: Recording, usable: NDArray[np.int64], report: Report) -> Found:
    """Find the kernel that explains the subsets by the fewest events.

    Parameters
    ----------
    recording : Recording
        Traces and settings.
    usable : numpy.ndarray of int
        Rows that are not excluded.
    report : callable
        Called with a phase, and the iterations done and in total.

    Returns
    -------
    Found
    """
    settings = recording.settings
    subsets = place_subsets(usable.size, recording.traces.shape[1], settings)
    windows = gather(recording, usable, subsets)
    windows.settle(FALLBACK, deep=False)
    report("kernel", 0, settings.max_iterations)
    step = grid_search(windows.total, windows.forgiving)
    found = Found(step.kernel, subsets=subsets)
    pve, found.n_events = windows.pve(step.kernel)
    found.history.append(_entry(0, step.kernel, None, pve))
    if found.n_events == 0:
        found.kernel = FALLBACK
        return found
    resting = 0
    for iteration in range(1, settings.max_iterations + 1):
        if iteration == 1:
            windows.settle(step.kernel, deep=True)
        else:
            windows.follow(step.kernel)
        before = step.kernel
        step = refine(step, windows.total)
        moved = change(step.kernel, before)
        pve, found.n_events = windows.pve(step.kernel)
        found.history.append(_entry(iteration, step.kernel, moved, pve))
        report("kernel", iteration, settings.max_iterations)
        resting = resting + 1 if moved < settings.convergence_tol and iteration > SETTLING else 0
        if resting >= settings.patience:
            found.converged_at = iteration - settings.patience + 1
            break
    found.kernel = found.searched = step.kernel
    if found.n_events < LEAST_EVENTS:
        return found
    found.sampled = sample_windows(windows, step.kernel, report)
    if holds(found.sampled, step.kernel, recording.fs):
        times = np.array([found.sampled.tau_rise, found.sampled.tau_decay])
        found.kernel = Kernel.from_logs(np.log(times))
        windows.follow(found.kernel)
        pve, found.n_events = windows.pve(found.kernel)
        moved = change(found.kernel, found.searched)
        entry = _entry(len(found.history), found.kernel, moved, pve)
        found.history.append(entry | {"method": "sampled"})
    return found


def _entry(iteration: int, kernel: Kernel, moved: float | None, pve: float) -> dict[str, Any]:
    return {
        "iteration": iteration,
        "tau_rise": kernel.tau_rise,
        "tau_decay": kernel.tau_decay,
        "kernel_change": moved,
        "pve": pve,
        "method": "searched",
    }


def cell_kernels(
    recording: Recording, cells: NDArray[np.int64], found: Found, removed: Array
) -> list[Kernel]:
    """Find the kernel of each cell, and draw it to the shared one where it has few events.

    Parameters
    ----------
    recording : Recording
        Traces and settings.
    cells : numpy.ndarray of int
        Rows of the recording.
    found : Found
        The shared kernel, and where the search for it ended: there each cell's search begins. By as
        much as the one is off the other, the cell's kernel is corrected.
    removed : numpy.ndarray, shape (len(cells), n_frames)
        What stands below their activity.

    Returns
    -------
    list of Kernel
        In logarithms, the mean of the cell's own kernel and the shared one, weighed by the cell's
        events and 20.
    """
    kernels = []
    for row, cell in enumerate(cells):
        window = np.array([[0, 0, removed.shape[1]]])
        below = removed[row : row + 1].astype(np.float32)
        own = Windows(recording, np.array([cell]), window, below)
        score: Score = own.total
        step = Step(found.searched)
        for _ in range(CELL_STEPS):
            step = refine(step, score)
        events = own.pve(step.kernel)[1]
        weight = events / (events + SHRINKAGE_EVENTS)
        logs = found.kernel.logs + weight * (step.kernel.logs - found.searched.logs)
        kernels.append(Kernel.from_logs(logs) if events else found.kernel)
    return kernels
