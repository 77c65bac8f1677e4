"""CaDecon put together from the functions of calab 0.3.0, as its application runs them.

Executed by the peers' interpreter through ``_peer_worker.py`` and imports nothing of ours. The
published package has the parts but not the loop, which runs in a browser; here it is written from
the description of its steps: subsets, seeds, iterations, merging, convergence, final kernel.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from _predecessor_parts import (
    Subset,
    kernel_rmse,
    shape_of,
    subsets,
    taus_of,
    upsampled,
)

SUBSETS, COVERAGE, ASPECT, SEED = 4, 0.25, 1.0, 42
TARGET_RATE = 300.0
MIN_ITERATIONS, TOLERANCE, PATIENCE, TAIL = 2, 0.005, 3, 5


@dataclass
class Run:
    """State of the loop.

    Attributes
    ----------
    traces : numpy.ndarray, shape (n_cells, n_frames)
    fs : float
        Imaging rate in hertz.
    taus : tuple of float
        Rise and decay in seconds.
    length : int
        Samples of the free kernel.
    counts : numpy.ndarray, shape (n_cells, n_frames)
        Spikes of the last iteration, zero outside the subsets.
    fits : dict
        Free kernel and fit of each subset.
    history : list of tuple of float
        Rise and decay after each iteration.
    """

    traces: Any
    fs: float
    taus: tuple[float, float] = (0.2, 1.0)
    length: int = 10
    counts: Any = None
    fits: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    history: list[tuple[float, float]] = field(default_factory=list)

    @property
    def upsampling(self) -> int:
        """Return the factor between the imaging rate and the rate of inference."""
        return max(1, int(TARGET_RATE / self.fs + 0.5))


def cadecon(traces: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Run seed, iterations and finalization, and time each.

    Parameters
    ----------
    traces : numpy.ndarray, shape (n_cells, n_frames)
    options : dict
        ``fs`` in hertz, ``iterations`` at most, and ``finalize``: whether every cell is solved over
        the whole recording at the end.

    Returns
    -------
    dict
        ``phases`` are wall and processor seconds of the seed, of one iteration, and of the final
        inference, shape (3, 2); ``history`` rise and decay after each iteration.
    """
    calab = import_module("calab")
    traces = np.asarray(traces, dtype=np.float64)
    run = Run(traces, options["fs"], counts=np.zeros(traces.shape))
    n_cells, n_frames = traces.shape
    chosen = subsets(n_frames, n_cells, SUBSETS, COVERAGE, ASPECT, SEED)
    # The application spreads cells over workers; the functions release the interpreter.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        clock = [_now()]
        seed_kernel(calab, run, chosen)
        clock.append(_now())
        converged = iterate(calab, run, chosen, options["iterations"], pool.map)
        clock.append(_now())
        solved = finalize(calab, run, pool.map) if options["finalize"] else []
        clock.append(_now())
    done = len(run.history)
    phases = np.diff(clock, axis=0)
    phases[1] /= max(done, 1)
    counts = [one.s_counts for one in solved] or [np.zeros(0)]
    return {
        "activity": np.array(counts),
        "taus": np.array(run.taus),
        "history": np.array(run.history),
        "iterations": done,
        "converged": converged,
        "phases": phases,
    }


def seed_kernel(calab: Any, run: Run, chosen: Sequence[Subset]) -> None:
    """Estimate the first kernel from the largest peaks of every subset."""
    seed_trace = import_module("calab._solver").py_seed_trace
    length = int(np.clip(np.ceil(1.5 * run.fs), 10, 200))
    found = []
    for subset in chosen:
        windows = [np.ascontiguousarray(row, dtype=np.float64) for row in subset.cut(run.traces)]
        seeds = [(window, *seed_trace(window, run.fs)) for window in windows]
        kept = [(w, s, 1.0, base) for w, s, alpha, base in seeds if np.any(s) and alpha != 0]
        if kept:
            found.append(calab.fit_biexponential(free_kernel(calab, kept, length), run.fs))
    if found:
        run.taus = _median(found, "tau_rise"), _median(found, "tau_decay")
    # Fixed from here on, as there.
    run.length = max(10, int(np.ceil(5 * run.taus[1] * run.fs)))


def iterate(
    calab: Any, run: Run, chosen: Sequence[Subset], most: int, spread: Callable[..., Any]
) -> bool:
    """Alternate inference and kernel; return whether the kernel came to rest."""
    streak = 0
    while len(run.history) < most:
        jobs = [(subset, cell) for subset in chosen for cell in subset.cells]
        solved = list(spread(lambda job: infer(calab, run, *job), jobs))
        run.counts = np.zeros(run.traces.shape)
        for (subset, cell), one in zip(jobs, solved, strict=True):
            run.counts[cell, subset.frames] = one.s_counts
        merged = merge(calab, run, chosen, jobs, solved)
        if merged is None:
            return False
        change = kernel_rmse(run.history[-1], merged, run.fs) if run.history else np.inf
        run.taus = merged
        run.history.append(merged)
        stable = len(run.history) >= MIN_ITERATIONS and change < TOLERANCE
        streak = streak + 1 if stable else 0
        if streak == PATIENCE:
            return True
    return False


def infer(calab: Any, run: Run, subset: Subset, cell: int) -> Any:
    """Solve one window of one cell, from its counts of the iteration before."""
    return solve(calab, run, run.traces[cell, subset.frames], run.counts[cell, subset.frames])


def solve(calab: Any, run: Run, trace: Any, warm: Any) -> Any:
    """Infer spikes with the application's settings."""
    return calab.solve_trace(
        np.ascontiguousarray(trace),
        *run.taus,
        run.fs,
        upsample_factor=run.upsampling,
        hp_enabled=True,
        lp_enabled=True,
        noise_constrained=True,
        warm_counts=np.ascontiguousarray(warm) if np.any(warm) else None,
    )


def merge(
    calab: Any, run: Run, chosen: Sequence[Subset], jobs: Any, solved: Any
) -> tuple[float, float] | None:
    """Estimate a kernel per subset and return the medians; None if no subset has one."""
    fits = []
    for index, subset in enumerate(chosen):
        kept = []
        for (owner, cell), one in zip(jobs, solved, strict=True):
            if owner is subset and one.alpha != 0 and np.any(one.s_counts):
                trace = run.traces[cell, subset.frames]
                working = working_trace(run, trace)
                kept.append((working, one.s_counts, one.alpha, one.baseline))
        if kept:
            free, fit = run.fits.get(index, (None, None))
            free = free_kernel(calab, kept, run.length, free)
            fits.append(calab.fit_biexponential(free, run.fs, warm=fit))
            run.fits[index] = free, fits[-1]
    if not fits:
        return None
    return _median(fits, "tau_rise"), _median(fits, "tau_decay")


def working_trace(run: Run, trace: Any) -> Any:
    """Return what the solver worked on: upsampled, filtered, baseline off, averaged per frame."""
    solver = import_module("calab._solver").PySolver()
    solver.set_params(*run.taus, 0.0, run.fs * run.upsampling)
    solver.set_trace(upsampled(trace, run.upsampling).astype(np.float32))
    solver.set_filter_enabled(True)
    solver.apply_filter()
    solver.subtract_baseline()
    return np.asarray(solver.get_trace()).reshape(-1, run.upsampling).mean(axis=1)


def free_kernel(calab: Any, kept: Sequence[Any], length: int, warm: Any = None) -> Any:
    """Estimate one kernel of traces, spikes, amplitudes and baselines."""
    traces, spikes, alphas, baselines = zip(*kept, strict=True)
    sizes = np.array([trace.size for trace in traces])
    arrays = [np.concatenate(parts).astype(np.float64) for parts in (traces, spikes)]
    scalars = np.array(alphas, dtype=np.float64), np.array(baselines, dtype=np.float64)
    return calab.estimate_kernel(*arrays, sizes, *scalars, length, warm_kernel=warm)


def finalize(calab: Any, run: Run, spread: Callable[..., Any]) -> list[Any]:
    """Solve every cell over the whole recording with the kernel of the last iterations."""
    tail = [taus for taus in run.history[-TAIL:] if 0 < taus[0] < taus[1]]
    if tail:
        shapes = np.array([shape_of(*taus) for taus in tail])
        medians = np.median(np.array(tail), axis=0)
        run.taus = taus_of(*np.median(shapes, axis=0)) or (float(medians[0]), float(medians[1]))
    cells = range(len(run.traces))
    return list(spread(lambda cell: solve(calab, run, run.traces[cell], run.counts[cell]), cells))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _median(fits: Sequence[Any], name: str) -> float:
    return float(np.median([getattr(fit, name) for fit in fits]))
