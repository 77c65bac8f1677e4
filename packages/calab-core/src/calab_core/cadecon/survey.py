"""What a first look at all cells tells: noise, what cannot be deconvolved, and drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from calab_solver.clipping import is_clipped
from numpy.typing import NDArray

from .drift import Drift, find_drift
from .rows import Rows
from .screen import screen
from .working import Recording, measure_noise

__all__ = ["Survey", "look_over"]

Report = Callable[[str, int, int], object]


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of every cell before its kernel is.

    Attributes
    ----------
    noise : numpy.ndarray, shape (n_cells,)
        Standard deviation of the white noise of the traces as they came.
    masked : numpy.ndarray, shape (n_cells,)
        Share of frames that were not recorded.
    clipped : numpy.ndarray of bool, shape (n_cells,)
        Whether the largest transients are cut.
    excluded : dict of int to str
        Cells that are not deconvolved, with the reason.
    drift : Drift
        What of the traces is drift.
    """

    noise: NDArray[np.float64]
    masked: NDArray[np.float64]
    clipped: NDArray[np.bool_]
    excluded: dict[int, str]
    drift: Drift

    @property
    def usable(self) -> NDArray[np.int64]:
        """Cells that are not excluded."""
        left = np.ones(self.noise.size, dtype=np.bool_)
        left[list(self.excluded)] = False
        return np.flatnonzero(left)

    def piece(
        self, base: Recording, traces: NDArray[np.floating], cells: NDArray[np.int64]
    ) -> Recording:
        """Make a recording of some cells, without their trends.

        Parameters
        ----------
        base : Recording
            Rate and settings.
        traces : numpy.ndarray, shape (len(cells), n_frames)
            Of these cells; not changed.
        cells : numpy.ndarray of int
            Which, from low to high.

        Returns
        -------
        Recording
            Its rows are those cells.
        """
        noise = self.noise[cells]
        drifting = [row for row, cell in enumerate(cells.tolist()) if cell in self.drift.trends]
        if drifting:
            traces = traces.copy()
            for row in drifting:
                cell = int(cells[row])
                traces[row] -= self.drift.trends[cell]
                noise[row] = self.drift.noise[cell]
        return replace(base, traces=traces, noise=noise)


def look_over(rows: Rows, base: Recording, report: Report) -> Survey:
    """Look at every cell once.

    Parameters
    ----------
    rows : Rows
        The traces.
    base : Recording
        Rate and settings.
    report : callable
        Called with a phase, and the cells done and in total.

    Returns
    -------
    Survey
    """
    n_cells = rows.shape[0]
    noise, masked = np.full(n_cells, np.nan), np.zeros(n_cells)
    clipped = np.zeros(n_cells, dtype=np.bool_)
    excluded: dict[int, str] = {}
    drifts: list[Drift] = []
    for cells, traces in rows.slabs():
        report("drift", cells.start, n_cells)
        noise[cells] = measure_noise(traces, base.fs, base.segments)
        masked[cells] = [np.isnan(trace).mean() if trace.size else 0.0 for trace in traces]
        out = screen(traces)
        excluded |= {cell + cells.start: reason for cell, reason in out.items()}
        usable = np.array([row for row in range(len(traces)) if row not in out], dtype=np.int64)
        clipped[usable + cells.start] = [is_clipped(traces[row]) for row in usable]
        piece = replace(base, traces=traces, noise=noise[cells])
        drifts.append(find_drift(piece, usable).shifted(cells.start))
    report("drift", n_cells, n_cells)
    return Survey(noise, masked, clipped, excluded, Drift.joined(drifts))
