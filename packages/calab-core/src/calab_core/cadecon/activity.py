"""Amplitudes and spikes of every cell, slab by slab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from calab_solver.amplitudes import Amplitudes, measure_amplitudes
from calab_solver.inference import infer_spikes
from calab_solver.lag import grid_lag
from numpy.typing import NDArray

from .._residual import explained
from .kernel import Array, Kernel
from .population import drawn_to_population
from .rows import Frames, Rows
from .search import Found, cell_kernels
from .survey import Survey
from .working import MISMATCH, Recording, best_baseline, low_passed, removed_baseline

__all__ = ["Cells", "deconvolve_cells"]

#: Null levels that a spike has to exceed under noise-constrained sparsity, where the amplitude is
#: evident and where it is not. The null level stands for what is wrong with a kernel that was
#: estimated; transients that vary leave events above it.
LEAST_NULLS, LEAST_NULLS_UNEVIDENT = 1.0, 1.5

Report = Callable[[str, int, int], object]


@dataclass(eq=False)
class Cells:
    """What is known of every cell in the end; rows of excluded cells keep their start values.

    Attributes
    ----------
    alphas, alpha_sd, thetas, tau_rise, tau_decay : numpy.ndarray, shape (n_cells,)
        Amplitude of one spike, its standard error, the least amplitude that counts as one, and
        time constants in seconds.
    baselines, pves : numpy.ndarray, shape (n_cells,)
        Mean of what stands below the fit, and the share of the variance that the fit explains.
    known, converged : numpy.ndarray of bool, shape (n_cells,)
        Whether the amplitude is known, and whether relaxation and search ended by themselves.
    times : list of numpy.ndarray
        Spike times in seconds.
    """

    alphas: Array
    alpha_sd: Array
    thetas: Array
    tau_rise: Array
    tau_decay: Array
    baselines: Array
    pves: Array
    known: NDArray[np.bool_]
    converged: NDArray[np.bool_]
    times: list[Array]

    @classmethod
    def empty(cls, n_cells: int) -> Cells:
        """Make room for so many cells."""

        def unknown() -> Array:
            return np.full(n_cells, np.nan)

        return cls(
            alphas=unknown(),
            alpha_sd=unknown(),
            thetas=unknown(),
            tau_rise=unknown(),
            tau_decay=unknown(),
            baselines=unknown(),
            pves=unknown(),
            known=np.zeros(n_cells, dtype=np.bool_),
            converged=np.zeros(n_cells, dtype=np.bool_),
            times=[np.empty(0)] * n_cells,
        )


@dataclass(eq=False)
class _Slab:
    """Some cells in memory.

    Attributes
    ----------
    recording : Recording
        Their traces without trends.
    traces : numpy.ndarray, shape (n_cells, n_frames)
        Their traces as they came.
    cells : slice
        Which they are.
    rows : numpy.ndarray of int
        Those among them that are deconvolved.
    """

    recording: Recording
    traces: NDArray[np.floating]
    cells: slice
    rows: NDArray[np.int64]

    @property
    def part(self) -> NDArray[np.int64]:
        """Which cells are deconvolved."""
        return np.asarray(self.rows + self.cells.start)


def deconvolve_cells(
    rows: Rows, base: Recording, survey: Survey, found: Found, frames: Frames, report: Report
) -> Cells:
    """Find amplitudes and spikes of all usable cells.

    Parameters
    ----------
    rows : Rows
        The traces.
    base : Recording
        Rate and settings.
    survey : Survey
        Noise, and which cells are excluded, drift or are clipped; of the latter two no amplitude
        is claimed.
    found : Found
        The recording's kernel.
    frames : Frames
        Where results per frame go.
    report : callable
        Called with a phase, and the cells done and in total.

    Returns
    -------
    Cells
    """
    cells = Cells.empty(rows.shape[0])
    total = survey.usable.size
    measured: list[Amplitudes] = []
    done = 0
    report("amplitudes", 0, total)
    for slab in _slabs(rows, base, survey):
        removed = frames.room("removed_baseline", slab.cells)
        if slab.rows.size:
            measured.append(_measure(slab, survey, found, cells, removed))
        frames.put("removed_baseline", slab.cells, removed)
        done += slab.rows.size
        report("amplitudes", done, total)
    log_alphas = iter(drawn_to_population(measured))
    amplitudes = iter(measured)
    done = 0
    report("spikes", 0, total)
    for slab in _slabs(rows, base, survey):
        result = {name: frames.room(name, slab.cells) for name in Frames.NAMES[:3]}
        result["removed_baseline"] = frames.get("removed_baseline", slab.cells)
        if slab.rows.size:
            _place(slab, next(amplitudes), next(log_alphas), cells, found, result)
        _finish(slab, survey, cells, result)
        for name, values in result.items():
            frames.put(name, slab.cells, values)
        done += slab.rows.size
        report("spikes", done, total)
    return cells


def _slabs(rows: Rows, base: Recording, survey: Survey) -> Iterator[_Slab]:
    for cells, traces in rows.slabs():
        which = np.arange(cells.start, cells.stop)
        usable = np.array([row for row in which.tolist() if row not in survey.excluded], np.int64)
        yield _Slab(survey.piece(base, traces, which), traces, cells, usable - cells.start)


def _measure(
    slab: _Slab, survey: Survey, found: Found, cells: Cells, removed: NDArray[np.float32]
) -> Amplitudes:
    """Find what stands below the cells, their kernels, and the amplitude of one spike."""
    recording, part = slab.recording, slab.part
    kernels, below = _baselines(recording, slab.rows, found)
    removed[slab.rows] = below
    cells.tau_rise[part] = [kernel.tau_rise for kernel in kernels]
    cells.tau_decay[part] = [kernel.tau_decay for kernel in kernels]
    working = _working(slab, cells, removed)
    times = recording.kernels(cells.tau_rise[part], cells.tau_decay[part])
    amplitudes = measure_amplitudes(working, times, recording.noise[slab.rows])
    # Under a kernel that was not found nothing is a whole multiple of anything.
    spoilt = survey.clipped[part] | (found.bound is not None)
    return survey.drift.doubted(amplitudes, part).spoilt(spoilt)


def _baselines(
    recording: Recording, rows: NDArray[np.int64], found: Found
) -> tuple[list[Kernel], Array]:
    # Where the model does not hold, what events cost says little of the baseline.
    estimate = best_baseline if found.is_sampled else removed_baseline
    kernels = [found.kernel] * rows.size
    removed = estimate(recording, rows, kernels)
    if recording.settings.kernel == "per_cell":
        kernels = cell_kernels(recording, rows, found, removed)
        removed = estimate(recording, rows, kernels)
    return kernels, removed


def _working(slab: _Slab, cells: Cells, removed: NDArray[np.float32]) -> Array:
    working = slab.recording.traces[slab.rows].astype(np.float64)
    working -= removed[slab.rows]
    taus = zip(cells.tau_rise[slab.part].tolist(), cells.tau_decay[slab.part].tolist(), strict=True)
    return low_passed(slab.recording, working, [Kernel(*tau) for tau in taus])


def _place(
    slab: _Slab,
    amplitudes: Amplitudes,
    log_alpha: Array,
    cells: Cells,
    found: Found,
    result: dict[str, NDArray[np.float32]],
) -> None:
    """Place the spikes of a slab."""
    recording, part = slab.recording, slab.part
    least_nulls = np.where(amplitudes.evident, LEAST_NULLS, LEAST_NULLS_UNEVIDENT)
    spikes = infer_spikes(
        _working(slab, cells, result["removed_baseline"]),
        recording.kernels(cells.tau_rise[part], cells.tau_decay[part]),
        amplitudes,
        log_alpha,
        least_nulls=least_nulls if recording.settings.noise_constrained else 0.0,
        # Where the model holds, or multiples are evident, transients are of one shape.
        ratio=np.where(amplitudes.evident | found.is_sampled, 0.0, MISMATCH),
    )
    result["activity"][slab.rows], result["rate"][slab.rows] = spikes.counts, spikes.rate
    result["reconvolution"][slab.rows] = spikes.placed.fit
    # Without spikes there is no amplitude of one, as in `solve_trace`.
    spiking = np.array([bins.size > 0 for bins in spikes.placed.bins], dtype=np.bool_)
    cells.alphas[part] = np.where(spiking, spikes.alphas, 0.0)
    cells.thetas[part] = np.where(spiking, spikes.thetas, 0.0)
    cells.alpha_sd[part] = np.where(spiking, spikes.alphas * amplitudes.stated_sd, np.nan)
    cells.known[part], cells.converged[part] = amplitudes.known, spikes.converged
    grid = recording.fs * recording.upsample_factor
    for cell, bins in zip(part, spikes.placed.bins, strict=True):
        taus = float(cells.tau_rise[cell]), float(cells.tau_decay[cell])
        # Of a kernel that was not found nobody knows how late its spikes are.
        known = found.bound is None
        lag = grid_lag(recording.fs, *taus, recording.upsample_factor) if known else 0.0
        cells.times[cell] = bins / grid + lag


def _finish(
    slab: _Slab, survey: Survey, cells: Cells, result: dict[str, NDArray[np.float32]]
) -> None:
    """Turn fit and baseline into those of the traces as they came, and judge the fit."""
    removed, fit = result["removed_baseline"], result["reconvolution"]
    for row, cell in enumerate(range(slab.cells.start, slab.cells.stop)):
        if cell in survey.excluded:
            fit[row] = removed[row] = np.nan
        if cell in survey.drift.trends:
            removed[row] += survey.drift.trends[cell]
        # Row by row, for copies of all of them would be the largest arrays that there are.
        fit[row] += removed[row]
        if cell not in survey.excluded:
            cells.baselines[cell] = removed[row].mean(dtype=np.float64)
        cells.pves[cell] = _pve(slab.traces[row], removed[row], fit[row])


def _pve(
    trace: NDArray[np.floating], removed: NDArray[np.float32], fit: NDArray[np.float32]
) -> float:
    """Explained variance of the trace as it came, not as it was filtered for the search."""
    seen = ~np.isnan(trace)
    row = trace[seen].astype(np.float64)
    return explained(row - removed[seen], row - fit[seen])
