"""The stretches of cells on which kernels are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from calab_solver import KernelScores, score_kernels
from numpy.typing import NDArray

from .kernel import Array, Kernel
from .subsets import Subset
from .working import MISMATCH, Recording, blocks, foot, removed_baseline

__all__ = ["Windows", "gather"]

#: Bins per frame while kernels are compared, and how events are found then.
SEARCH_BINS = 4
SEARCH_RULES: dict[str, Any] = {"rounds": 8, "sweeps": 3, "level": True}


@dataclass(eq=False)
class Windows:
    """The windows of all subsets, and what stands below the activity of their cells.

    Working traces are made from both for a block of cells at a time; they would take the memory of
    several outputs.

    Attributes
    ----------
    recording : Recording
        Traces and settings.
    cells : numpy.ndarray of int, shape (n_rows,)
        Rows of the recording that the windows need.
    windows : numpy.ndarray of int, shape (n_windows, 3)
        Place among `cells`, first frame, and the frame behind the last one.
    removed : numpy.ndarray, shape (n_rows, n_frames), float32
        What stands below the activity.
    """

    recording: Recording
    cells: NDArray[np.int64]
    windows: NDArray[np.int64]
    removed: NDArray[np.float32]

    def working(self, cells: slice) -> Array:
        """Return the traces of some rows without what stands below them."""
        traces = self.recording.traces[self.cells[cells]].astype(np.float64)
        traces -= self.removed[cells]
        return traces

    def settle(self, kernel: Kernel, *, deep: bool) -> None:
        """Find what stands below the activity under a kernel, with the foot if `deep`."""
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
        """Return the objectives of kernels, added over the windows."""
        return np.asarray(self.scores(logs).objective.sum(axis=0))

    def forgiving(self, logs: Array) -> Array:
        """Return the same where a misfit in proportion to the calcium is allowed for."""
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


def gather(recording: Recording, usable: NDArray[np.int64], subsets: list[Subset]) -> Windows:
    """Name the windows by the rows of the cells that they need, each of which is kept once.

    Parameters
    ----------
    recording : Recording
        Traces and settings.
    usable : numpy.ndarray of int
        Rows that are not excluded.
    subsets : list of Subset
        Rectangles of usable cells x frames.

    Returns
    -------
    Windows
    """
    windows = np.concatenate([subset.windows() for subset in subsets])
    needed, rows = np.unique(windows[:, 0], return_inverse=True)
    windows[:, 0] = rows
    removed = np.zeros((needed.size, recording.traces.shape[1]), dtype=np.float32)
    return Windows(recording, usable[needed], windows, removed)
