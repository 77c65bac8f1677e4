"""Amplitudes and spikes of every cell, block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from calab_solver.amplitudes import KNOWN_EVENTS, Amplitudes, measure_amplitudes
from calab_solver.inference import infer_spikes
from calab_solver.lag import grid_lag
from numpy.typing import NDArray

from .._residual import is_clipped
from .drift import Drift
from .kernel import Array, Kernel
from .search import Found, cell_kernels
from .working import Recording, best_baseline, blocks, low_passed, removed_baseline

__all__ = ["Cells", "deconvolve_cells"]

#: Fewest cells that make a population.
POPULATION = 5
#: Least spread of the logarithm of the amplitude over a population.
LEAST_SPREAD = 0.2

Report = Callable[[str, int, int], object]


@dataclass(eq=False)
class Cells:
    """What is known of every cell in the end; rows of excluded cells keep their start values.

    Attributes
    ----------
    counts, rate, fit, removed : numpy.ndarray, shape (n_cells, n_frames), float32
        Spikes per frame and per second, what they make, and what was taken off the traces.
    alphas, alpha_sd, thetas, tau_rise, tau_decay : numpy.ndarray, shape (n_cells,)
        Amplitude of one spike, its standard error, the least amplitude that counts as one, and
        time constants in seconds.
    known, converged : numpy.ndarray of bool, shape (n_cells,)
        Whether the amplitude is known, and whether relaxation and search ended by themselves.
    times : list of numpy.ndarray
        Spike times in seconds.
    """

    counts: NDArray[np.float32]
    rate: NDArray[np.float32]
    fit: NDArray[np.float32]
    removed: NDArray[np.float32]
    alphas: Array
    alpha_sd: Array
    thetas: Array
    tau_rise: Array
    tau_decay: Array
    known: NDArray[np.bool_]
    converged: NDArray[np.bool_]
    times: list[Array]

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Cells:
        """Make room for cells x frames."""

        def frames() -> NDArray[np.float32]:
            return np.zeros(shape, dtype=np.float32)

        def unknown() -> Array:
            return np.full(shape[0], np.nan)

        return cls(
            counts=frames(),
            rate=frames(),
            fit=frames(),
            removed=frames(),
            alphas=unknown(),
            alpha_sd=unknown(),
            thetas=unknown(),
            tau_rise=unknown(),
            tau_decay=unknown(),
            known=np.zeros(shape[0], dtype=bool),
            converged=np.zeros(shape[0], dtype=bool),
            times=[np.empty(0)] * shape[0],
        )


def deconvolve_cells(
    recording: Recording,
    usable: NDArray[np.int64],
    found: Found,
    drift: Drift,
    report: Report,
) -> Cells:
    """Find amplitudes and spikes of all usable cells.

    Parameters
    ----------
    recording : Recording
        Traces and settings.
    usable : numpy.ndarray of int
        Rows that are not excluded.
    found : Found
        The recording's kernel.
    drift : Drift
        Which cells drift; their amplitudes are not claimed.
    report : callable
        Called with a phase, and the cells done and in total.

    Returns
    -------
    Cells
    """
    cells = Cells.empty(recording.traces.shape)
    parts = [usable[block] for block in blocks((usable.size, recording.traces.shape[1]))]
    kernels: list[list[Kernel]] = []
    measured: list[Amplitudes] = []
    done = 0
    report("amplitudes", 0, usable.size)
    for part in parts:
        own = _baselines(recording, part, found, cells)
        kernels.append(own)
        working = _working(recording, part, own, cells)
        times = recording.kernels(cells.tau_rise[part], cells.tau_decay[part])
        amplitudes = measure_amplitudes(working, times, recording.noise[part])
        clipped = np.array([is_clipped(recording.traces[cell]) for cell in part], dtype=np.bool_)
        # Under a kernel that was not found nothing is a whole multiple of anything.
        doubtful = clipped | (found.bound is not None)
        measured.append(drift.doubted(amplitudes, part).doubted(doubtful))
        done += part.size
        report("amplitudes", done, usable.size)
    log_alphas = _shrunk(measured)
    done = 0
    report("spikes", 0, usable.size)
    for part, own, amplitudes, log_alpha in zip(parts, kernels, measured, log_alphas, strict=True):
        _spikes(recording, part, own, amplitudes, log_alpha, cells, found)
        done += part.size
        report("spikes", done, usable.size)
    return cells


def _baselines(
    recording: Recording, part: NDArray[np.int64], found: Found, cells: Cells
) -> list[Kernel]:
    """Find what stands below the cells, and their kernels."""
    # Where the model does not hold, what events cost says little of the baseline.
    estimate = best_baseline if found.is_sampled else removed_baseline
    kernels = [found.kernel] * part.size
    removed = estimate(recording, part, kernels)
    if recording.settings.kernel == "per_cell":
        kernels = cell_kernels(recording, part, found, removed)
        removed = estimate(recording, part, kernels)
    cells.removed[part] = removed
    cells.tau_rise[part] = [kernel.tau_rise for kernel in kernels]
    cells.tau_decay[part] = [kernel.tau_decay for kernel in kernels]
    return kernels


def _working(
    recording: Recording, part: NDArray[np.int64], kernels: list[Kernel], cells: Cells
) -> Array:
    working = recording.traces[part].astype(np.float64)
    working -= cells.removed[part]
    return low_passed(recording, working, kernels)


def _shrunk(measured: list[Amplitudes]) -> list[Array]:
    """Draw each cell's logarithm of the amplitude to the population's, as far as it is unsure.

    The population is the cells whose amplitude is known, or, if these are few, those with events.
    """
    if not measured:
        return []
    log_alpha = np.concatenate([amplitudes.log_alpha for amplitudes in measured])
    log_sd = np.concatenate([amplitudes.log_sd for amplitudes in measured])
    known = np.concatenate([amplitudes.known for amplitudes in measured])
    population = known
    if known.sum() < POPULATION:
        population = np.concatenate([one.n_events >= KNOWN_EVENTS for one in measured])
        # What bursts do to one guess they do to all: no reason to leave one's own for theirs.
        log_sd = np.concatenate([amplitudes.own_sd for amplitudes in measured])
    if population.sum() >= POPULATION:
        centre = np.median(log_alpha[population])
        spread = max(LEAST_SPREAD, 1.4826 * np.median(np.abs(log_alpha[population] - centre)))
        weight = spread**2 / (spread**2 + log_sd**2)
        log_alpha = centre + weight * (log_alpha - centre)
    borders = np.cumsum([amplitudes.log_alpha.size for amplitudes in measured])[:-1]
    return np.split(log_alpha, borders)


def _spikes(
    recording: Recording,
    part: NDArray[np.int64],
    kernels: list[Kernel],
    amplitudes: Amplitudes,
    log_alpha: Array,
    cells: Cells,
    found: Found,
) -> None:
    working = _working(recording, part, kernels, cells)
    times = recording.kernels(cells.tau_rise[part], cells.tau_decay[part])
    spikes = infer_spikes(
        working,
        times,
        amplitudes,
        log_alpha,
        noise_constrained=recording.settings.noise_constrained,
    )
    cells.counts[part], cells.rate[part] = spikes.counts, spikes.rate
    cells.fit[part] = spikes.placed.fit
    # Without spikes there is no amplitude of one, as in `solve_trace`.
    spiking = np.array([bins.size > 0 for bins in spikes.placed.bins], dtype=np.bool_)
    cells.alphas[part] = np.where(spiking, spikes.alphas, 0.0)
    cells.thetas[part] = np.where(spiking, spikes.thetas, 0.0)
    cells.alpha_sd[part] = np.where(spiking, spikes.alphas * amplitudes.log_sd, np.nan)
    cells.known[part], cells.converged[part] = amplitudes.known, spikes.converged
    grid = recording.fs * recording.upsample_factor
    for cell, bins in zip(part, spikes.placed.bins, strict=True):
        taus = float(cells.tau_rise[cell]), float(cells.tau_decay[cell])
        # Of a kernel that was not found nobody knows how late its spikes are.
        known = found.bound is None
        lag = grid_lag(recording.fs, *taus, recording.upsample_factor) if known else 0.0
        cells.times[cell] = bins / grid + lag
