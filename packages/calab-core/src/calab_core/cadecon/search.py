"""The kernel of a recording, and the kernels of its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from calab_solver import SampledKernel
from numpy.typing import NDArray

from .chain import LEAST_EVENTS, MANY_FRAMES, holds, is_lost, sample_windows
from .kernel import Array, Kernel, Score, Step, bound_of, change, grid_search, most_forgiven, refine
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
#: Iterations after which averaging over explanations begins: a better start would not help it.
EARLY = 3
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
        Those at which the search for the fewest events ended, or was left for the sampled ones.
    sampled : calab_solver.SampledKernel, optional
        What averaging over explanations gave; None with few events.
    is_sampled : bool
        Whether the kernel is the sampled one, because its model holds.
    history : list of dict
        One entry per iteration.
    converged_at : int or None
        First of the iterations in which the kernel rested; that of the sampled one if it is taken
        and rested.
    subsets : list of Subset
        Where it was looked for.
    n_events : int
        Events of the subsets under the kernel.
    assumed : bool
        Whether none were found, so that a usual kernel stands in.
    bound : str, optional
        The bound on which the search ended, in words: then no kernel was found.
    """

    kernel: Kernel
    searched: Kernel = FALLBACK
    sampled: SampledKernel | None = None
    is_sampled: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)
    converged_at: int | None = None
    subsets: list[Subset] = field(default_factory=list)
    n_events: int = 0
    assumed: bool = True
    bound: str | None = None

    @property
    def method(self) -> str:
        """How the kernel was found: ``"sampled"``, ``"searched"`` or ``"assumed"``."""
        if self.is_sampled:
            return "sampled"
        return "assumed" if self.assumed else "searched"


def shared_kernel(recording: Recording, usable: NDArray[np.int64], report: Report) -> Found:
    """Find the kernel that averages over explanations, or explains the subsets by fewest events.

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
    n_cells, n_frames = usable.size, recording.traces.shape[1]
    subsets = place_subsets(n_cells, n_frames, recording.settings)
    whole = [Subset(0, n_cells, 0, n_frames)]
    search = _begun(recording, usable, subsets, report)
    if search.found.n_events < LEAST_EVENTS and subsets != whole:
        # So few events are easily missed by a part of the recording, and cost little.
        search, subsets = _begun(recording, usable, whole, report), whole
    search.go_through()
    lost = search.lost and not search.found.is_sampled
    if lost and subsets != whole and n_cells * n_frames <= MANY_FRAMES:
        # A part has no lowest point near the kernel, where bursts are large and cells few.
        again = _begun(recording, usable, whole, report)
        again.go_through()
        search = again if again.found.is_sampled else search
    return search.found


def _begun(
    recording: Recording, usable: NDArray[np.int64], subsets: list[Subset], report: Report
) -> _Search:
    search = _Search(gather(recording, usable, subsets), Found(FALLBACK, subsets=subsets), report)
    search.begin()
    return search


class _Search:
    """The search over the windows, and what it found so far."""

    def __init__(self, windows: Windows, found: Found, report: Report) -> None:
        self.windows, self.found, self.report = windows, found, report
        self.settings = windows.recording.settings
        self.step = Step(found.kernel)
        self.iteration = self.resting = 0
        #: Whether the average over explanations ran away from both kernels that it began with.
        self.lost = False

    def go_through(self) -> None:
        """Refine the kernel, and average over explanations where their model holds."""
        found, end = self.found, self.settings.max_iterations
        if found.assumed:
            self.assume()
            return
        # The kernels of cells are corrected by what the search misses, so it has to end.
        per_cell = self.settings.kernel == "per_cell"
        self.go_on(end if per_cell else EARLY)
        # At the end of what is plausible it is most likely of a wrong rate, and has none to give.
        if found.n_events >= LEAST_EVENTS and bound_of(self.step) is None:
            found.sampled = sample_windows(self.windows, found.searched, self.report)
            self.take_sampled(found.searched)
            if is_lost(found.sampled, found.searched):
                self.lost = not self.sample_again()
        if not found.is_sampled:
            self.go_on(end)
            # Against the end of the search it may hold what did not against its beginning.
            self.take_sampled(found.searched)
        if not found.is_sampled:
            self.refuse_bound()
            if found.n_events == 0 and found.bound is None:
                self.assume()

    def begin(self) -> None:
        """Take the best kernel of the grid."""
        self.windows.settle(FALLBACK, deep=False)
        self.report("kernel", 0, self.settings.max_iterations)
        self.step = grid_search(self.windows.total, self.windows.forgiving)
        self._note(self.step.kernel, None, "searched")
        if self.found.n_events:
            self.found.assumed = False
            self.found.kernel = self.found.searched = self.step.kernel

    def go_on(self, end: int) -> None:
        """Refine the kernel until it rests, or up to an iteration."""
        total = self.settings.max_iterations
        while self.iteration < min(end, total) and self.found.converged_at is None:
            self.iteration += 1
            before = self.step.kernel
            if self.iteration == 1:
                self.windows.settle(before, deep=True)
            else:
                self.windows.follow(before)
            self.step = refine(self.step, self.windows.total)
            self.found.kernel = self.found.searched = self.step.kernel
            moved = change(self.step.kernel, before)
            self._note(self.step.kernel, moved, "searched")
            self.report("kernel", self.iteration, total)
            rests = moved < self.settings.convergence_tol and self.iteration > SETTLING
            self.resting = self.resting + 1 if rests else 0
            if self.resting >= self.settings.patience:
                self.found.converged_at = self.iteration - self.settings.patience + 1

    def refuse_bound(self) -> None:
        """Take a kernel on a bound of the search for none that was found."""
        bound = bound_of(self.step)
        if bound is not None:
            rate = self.windows.recording.fs
            self.found.bound = f"{bound}: is fs, {rate:g} Hz, the rate of these traces?"
            self.found.converged_at = None

    def assume(self) -> None:
        """Let a usual kernel stand in where the search ended without events."""
        self.found.assumed, self.found.converged_at = True, None
        self.found.kernel = self.found.searched = FALLBACK
        self._note(FALLBACK, None, "assumed")

    def sample_again(self) -> bool:
        """Begin averaging elsewhere, and go back where that is refused too.

        Where bursts are large, the fewest events may need a kernel so short that the average runs
        away from it. The score that forgives knows better, above a foot that it chose itself.
        Return whether the average stayed near that start.
        """
        windows = self.windows
        for _ in range(2):
            start = most_forgiven(windows.forgiving)
            windows.settle(start, deep=True)
        before, self.found.sampled = self.found.sampled, sample_windows(windows, start, self.report)
        self.take_sampled(start, searched=False)
        stayed = not is_lost(self.found.sampled, start)
        if not self.found.is_sampled:
            self.found.sampled = before
            windows.settle(self.step.kernel, deep=True)
        return stayed

    def take_sampled(self, start: Kernel, *, searched: bool = True) -> None:
        """Take the average over explanations from a start, if there is one and its model holds."""
        found, windows = self.found, self.windows
        sampled = found.sampled
        if sampled is None or not holds(sampled, start, windows.recording, searched=searched):
            return
        found.is_sampled = True
        found.kernel = Kernel.from_logs(np.log([sampled.tau_rise, sampled.tau_decay]))
        found.converged_at = len(found.history) if sampled.rested else None
        windows.follow(found.kernel)
        self._note(found.kernel, change(found.kernel, found.searched), "sampled")

    def _note(self, kernel: Kernel, moved: float | None, method: str) -> None:
        """Note a kernel in the history, and how many events it makes."""
        pve, self.found.n_events = self.windows.pve(kernel)
        entry = {
            "iteration": len(self.found.history),
            "tau_rise": kernel.tau_rise,
            "tau_decay": kernel.tau_decay,
            "kernel_change": moved,
            "pve": pve,
            "method": method,
        }
        self.found.history.append(entry)


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
