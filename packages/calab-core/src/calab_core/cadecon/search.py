"""The kernel of a recording, and the kernels of its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from calab_solver import KernelScores, score_kernels
from numpy.typing import NDArray

from .kernel import Array, Kernel, Score, Step, change, grid_search, refine
from .subsets import Subset, place_subsets
from .working import MISMATCH, Recording, blocks, foot, removed_baseline

__all__ = ["Found", "cell_kernels", "shared_kernel"]

#: Kernel with which a recording is left that has no events, in seconds.
FALLBACK = Kernel(0.1, 0.6)
#: Events that a cell's own kernel needs to weigh as much as the shared one.
SHRINKAGE_EVENTS = 20.0
#: Iterations at least, in each of which the foot of the traces follows the kernel.
SETTLING = 5
#: Steps of the search for a cell's own kernel.
CELL_STEPS = 4
#: Bins per frame while kernels are compared, and how events are found then.
SEARCH_BINS = 4
SEARCH_RULES: dict[str, Any] = {"rounds": 8, "sweeps": 3, "level": True}

Report = Callable[[str, int, int], object]


@dataclass(eq=False)
class Found:
    """The shared kernel and how it was found.

    Attributes
    ----------
    kernel : Kernel
        Its time constants.
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
    history: list[dict[str, Any]] = field(default_factory=list)
    converged_at: int | None = None
    subsets: list[Subset] = field(default_factory=list)
    n_events: int = 0


@dataclass(eq=False)
class _Windows:
    """The windows of all subsets, and what stands below the activity of their cells.

    Working traces are made from both for a block of cells at a time; they would take the memory of
    several outputs.
    """

    recording: Recording
    cells: NDArray[np.int64]
    windows: NDArray[np.int64]
    removed: NDArray[np.float32]

    def working(self, cells: slice) -> Array:
        traces = self.recording.traces[self.cells[cells]].astype(np.float64)
        traces -= self.removed[cells]
        return traces

    def settle(self, kernel: Kernel, *, deep: bool) -> None:
        for block in blocks(self.removed.shape):
            cells = self.cells[block]
            below = removed_baseline(self.recording, cells, [kernel] * cells.size, deep=deep)
            self.removed[block] = below

    def follow(self, kernel: Kernel) -> None:
        """Move the foot to where it belongs under another kernel."""
        for block in blocks(self.removed.shape):
            cells = self.cells[block]
            times = np.full((2, cells.size), [[kernel.tau_rise], [kernel.tau_decay]])
            self.removed[block] += foot(self.recording, cells, self.working(block), *times)

    def scores(self, logs: Array, mismatch: float = 0.0) -> KernelScores:
        """Score kernels on every window, as one call for all cells would."""
        parts = [(rows, self._scores(cut, rows, logs, mismatch)) for cut, rows in self._blocks()]
        columns = []
        for name in ("objective", "n_events", "residual_power"):
            found = [getattr(part, name) for _, part in parts]
            column = np.empty((len(self.windows), len(logs)), found[0].dtype)
            for (rows, _), values in zip(parts, found, strict=True):
                column[rows] = values
            columns.append(column)
        return KernelScores(*columns)

    def _blocks(self) -> Iterator[tuple[slice, NDArray[np.intp]]]:
        """Cut the cells into blocks, and name the windows in each."""
        for block in blocks(self.removed.shape):
            cells = self.windows[:, 0]
            yield block, np.flatnonzero((cells >= block.start) & (cells < block.stop))

    def _scores(
        self, block: slice, rows: NDArray[np.intp], logs: Array, mismatch: float
    ) -> KernelScores:
        recording = self.recording
        rises, decays = np.exp(logs).T
        return score_kernels(
            self.working(block),
            recording.fs,
            recording.noise[self.cells[block]],
            rises,
            decays,
            self.windows[rows] - [block.start, 0, 0],
            upsample_factor=min(recording.upsample_factor, SEARCH_BINS),
            segments=recording.segments,
            n_threads=recording.n_threads,
            mismatch=mismatch,
            **SEARCH_RULES,
        )

    def total(self, logs: Array) -> Array:
        return np.asarray(self.scores(logs).objective.sum(axis=0))

    def forgiving(self, logs: Array) -> Array:
        return np.asarray(self.scores(logs, MISMATCH).objective.sum(axis=0))

    def pve(self, kernel: Kernel) -> tuple[float, int]:
        """Median over windows of the variance that events explain, and how many these are."""
        scores = self.scores(kernel.logs[None])
        shares = []
        for (cell, first, end), left in zip(self.windows, scores.residual_power[:, 0], strict=True):
            trace = self.working(slice(cell, cell + 1))[0, first:end]
            variance = np.nanvar(trace) if np.isfinite(trace).any() else 0.0
            if variance > 0:
                shares.append(1 - left / variance)
        return (float(np.median(shares)) if shares else 0.0), int(scores.n_events.sum())


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
    windows = _gather(recording, usable, subsets)
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
    found.kernel = step.kernel
    return found


def _gather(recording: Recording, usable: NDArray[np.int64], subsets: list[Subset]) -> _Windows:
    """Name the windows by the rows of the cells that they need, each of which is kept once."""
    windows = np.concatenate([subset.windows() for subset in subsets])
    needed, rows = np.unique(windows[:, 0], return_inverse=True)
    windows[:, 0] = rows
    removed = np.zeros((needed.size, recording.traces.shape[1]), dtype=np.float32)
    return _Windows(recording, usable[needed], windows, removed)


def _entry(iteration: int, kernel: Kernel, moved: float | None, pve: float) -> dict[str, Any]:
    return {
        "iteration": iteration,
        "tau_rise": kernel.tau_rise,
        "tau_decay": kernel.tau_decay,
        "kernel_change": moved,
        "pve": pve,
    }


def cell_kernels(
    recording: Recording, cells: NDArray[np.int64], shared: Kernel, removed: Array
) -> list[Kernel]:
    """Find the kernel of each cell, and draw it to the shared one where it has few events.

    Parameters
    ----------
    recording : Recording
        Traces and settings.
    cells : numpy.ndarray of int
        Rows of the recording.
    shared : Kernel
        Where each search begins, and what it is drawn to.
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
        own = _Windows(recording, np.array([cell]), window, below)
        score: Score = own.total
        step = Step(shared)
        for _ in range(CELL_STEPS):
            step = refine(step, score)
        events = own.pve(step.kernel)[1]
        weight = events / (events + SHRINKAGE_EVENTS)
        logs = weight * step.kernel.logs + (1 - weight) * shared.logs
        kernels.append(Kernel.from_logs(logs) if events else shared)
    return kernels
