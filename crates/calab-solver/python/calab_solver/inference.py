"""Spikes of a batch of traces whose kernels are known: from a trace to counts and rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .amplitudes import Amplitudes, Kernels
from .deconvolve import deconvolve
from .events import Events
from .rates import frame_counts, spike_rates
from .spikes import PlacedSpikes, place_spikes

__all__ = [
    "Spikes",
    "infer_spikes",
]

Array = NDArray[np.float64]
_Relaxed = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]

#: Least amplitude of a spike that is kept, in amplitudes of one spike.
HALF_A_SPIKE = 0.5
#: Rounds of placing spikes and fitting their amplitude to what they explain.
REFITS = 6
#: Change of an amplitude below which it rests.
RESTED = 0.003
#: Frames of which the relaxed problem is solved in some hundredths of a second.
SHORT = 1 << 18


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes of every cell.

    Attributes
    ----------
    placed : PlacedSpikes
        Bins, fit and variance explained.
    alphas, thetas : numpy.ndarray, shape (n_cells,)
        Amplitude of one spike, and the least that counts as one, in units of the traces.
    counts : numpy.ndarray, shape (n_cells, n_frames), float32
        Spikes of each frame: those nearer to its sample than to any other.
    relaxed : numpy.ndarray, shape (n_cells, n_frames), float32
        Relaxed activity over the amplitude: spikes of each frame, not whole ones.
    rate : numpy.ndarray, shape (n_cells, n_frames), float32
        Spikes per second, as `spike_rates` makes them.
    iterations : numpy.ndarray of int64, shape (n_cells,)
        Iterations of the relaxed problem.
    converged : numpy.ndarray of bool, shape (n_cells,)
        Whether the relaxed problem is certified and the search for spikes ended by itself.
    """

    placed: PlacedSpikes
    alphas: Array
    thetas: Array
    counts: NDArray[np.float32]
    relaxed: NDArray[np.float32]
    rate: NDArray[np.float32]
    iterations: NDArray[np.int64] = field(repr=False)
    converged: NDArray[np.bool_] = field(repr=False)


def infer_spikes(
    traces: Array,
    kernels: Kernels,
    amplitudes: Amplitudes,
    log_alpha: Array,
    *,
    least_nulls: Array | float = 1.0,
    ratio: Array | float = 0.0,
    lam: float | str = "auto",
    max_iters: int = 500,
    tol: float = 1e-4,
    progress: Callable[[int, int], object] | None = None,
) -> Spikes:
    """Place whole spikes of the given amplitude, and weigh them with the relaxed activity.

    Parameters
    ----------
    traces, kernels
        As `measure_amplitudes` takes them.
    amplitudes : Amplitudes
        Where the search starts.
    log_alpha : numpy.ndarray, shape (n_cells,)
        Logarithm of the amplitude of one spike with which the search starts.
    least_nulls : float or numpy.ndarray, shape (n_cells,)
        Null levels of its trace above which a spike must rise, beside lowering the squared error;
        0 for none.
    ratio : float or numpy.ndarray, shape (n_cells,)
        Share of the calcium just before that spikes of neighbouring frames make together at least.
        In the end others are taken out: what varies from transient to transient, or a kernel that
        does not fit, leaves as much of a large one.
    lam : float or "auto"
        Sparsity weight of the relaxed problem.
    max_iters, tol
        Of the relaxed problem.
    progress : callable, optional
        Called with the number of cells done and in total.

    Returns
    -------
    Spikes

    Raises
    ------
    ValueError, TypeError, KeyboardInterrupt
        As `calab_solver.place_spikes` and `calab_solver.deconvolve`.
    """
    null = amplitudes.null_level
    alphas = np.where(np.isfinite(log_alpha), np.exp(log_alpha), np.nan)
    # A trace without noise or events has no scale; any will do, for there is nothing to place.
    alphas = np.where(np.isfinite(null) & ~(alphas > 0), 1.0, alphas)

    def thetas(alphas: Array) -> Array:
        return np.asarray(np.fmax(HALF_A_SPIKE * alphas, least_nulls * null))

    relax = partial(_relax, traces, kernels, lam, max_iters, tol, progress)
    # Ctrl-C, which a thread does not see, waits for a short cell only.
    short = len(traces) == 1 and traces.shape[1] <= SHORT
    alone = short and kernels.n_threads != 1 and progress is None
    with _begun(relax, alone) as relaxed_activity:
        placed, alphas = _refitted(traces, kernels, amplitudes.events, alphas, thetas)
        placed = _standing_out(placed, traces, kernels, alphas, ratio)
        activity, iterations, certified = relaxed_activity()
    counts = frame_counts(placed, traces.shape, kernels.upsample_factor)
    with np.errstate(invalid="ignore", divide="ignore"):
        relaxed = np.nan_to_num(activity / alphas[:, None]).astype(np.float32)
    missing = np.isnan(traces)
    rate = spike_rates(relaxed, counts, missing, kernels.fs)
    # Of a cell that was never recorded there is nothing to certify.
    done = (placed.converged & certified) | missing.all(axis=1)
    return Spikes(placed, alphas, thetas(alphas), counts, relaxed, rate, iterations, done)


@contextmanager
def _begun(job: Callable[[], _Relaxed], alone: bool) -> Iterator[Callable[[], _Relaxed]]:
    """Begin the job of one cell, which has a thread to spare; give what is asked for its answer."""
    if not alone:
        yield job
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(job).result


def _refitted(
    traces: Array,
    kernels: Kernels,
    events: Events,
    alphas: Array,
    thetas: Callable[[Array], Array],
) -> tuple[PlacedSpikes, Array]:
    """Place spikes and fit their amplitude in turns, each cell until its own amplitude rests."""
    alphas = alphas.copy()
    placed = _place(traces, kernels, alphas, thetas(alphas), events)
    bins = list(placed.bins)
    columns: tuple[NDArray[Any], ...] = (placed.fit, placed.pve, placed.sweeps, placed.converged)
    moving = np.arange(len(traces))
    for _ in range(REFITS):
        factors = _least_squares(traces[moving], placed.fit[moving])
        moves = np.abs(factors - 1) >= RESTED
        moving = moving[moves]
        if moving.size == 0:
            break
        alphas[moving] *= factors[moves]
        start = [(bins[cell], np.full(bins[cell].size, alphas[cell])) for cell in moving]
        some = _place(
            traces[moving], kernels.of(moving), alphas[moving], thetas(alphas)[moving], start
        )
        for column, part in zip(
            columns, (some.fit, some.pve, some.sweeps, some.converged), strict=True
        ):
            column[moving] = part
        for cell, found in zip(moving, some.bins, strict=True):
            bins[cell] = found
    return PlacedSpikes(tuple(bins), *columns), alphas


def _standing_out(
    placed: PlacedSpikes, traces: Array, kernels: Kernels, alphas: Array, ratio: Array | float
) -> PlacedSpikes:
    """Take out spikes that are small beside the calcium in which they lie."""
    ratios = np.broadcast_to(ratio, alphas.shape)
    if not (ratios > 0).any():
        return placed
    bins, fit, pve = list(placed.bins), placed.fit.copy(), placed.pve.copy()
    small = np.zeros(len(bins), dtype=np.bool_)
    for cell in np.flatnonzero(ratios > 0):
        large = _large(bins[cell], placed.fit[cell], kernels, alphas[cell] / ratios[cell])
        bins[cell], small[cell] = bins[cell][large], not large.all()
    changed = np.flatnonzero(small)
    if changed.size:
        sizes = alphas[changed]
        start = [(bins[cell], np.full(bins[cell].size, alphas[cell])) for cell in changed]
        # No sweep: what the rest makes, as it is.
        rest = _place(traces[changed], kernels.of(changed), sizes, sizes / 2, start, sweeps=0)
        fit[changed], pve[changed] = rest.fit, rest.pve
    return replace(placed, bins=tuple(bins), fit=fit, pve=pve)


def _large(
    bins: NDArray[np.int64], fit: NDArray[np.float32], kernels: Kernels, most: float
) -> NDArray[np.bool_]:
    """Which spikes have, with their neighbours, no more than `most` times their number before."""
    if not bins.size:
        return np.ones(0, dtype=np.bool_)
    frames = -(-bins // kernels.upsample_factor)
    starts = np.append(0, [] if kernels.segments is None else kernels.segments)
    # Nothing precedes what lies where a segment starts.
    alone = np.isin(frames, starts)
    group = np.cumsum((np.diff(frames, prepend=frames[0]) > 1) | alone)
    firsts = np.searchsorted(group, np.arange(group[-1] + 1))
    before = np.where(alone[firsts], 0.0, fit[frames[firsts] - 1])
    return np.asarray((np.bincount(group) * most >= before)[group])


def _place(
    traces: Array,
    kernels: Kernels,
    alphas: Array,
    thetas: Array,
    start: Any,
    sweeps: int | None = None,
) -> PlacedSpikes:
    times = (kernels.fs, kernels.tau_rise, kernels.tau_decay)
    options = kernels.shared() if sweeps is None else kernels.shared() | {"sweeps": sweeps}
    return place_spikes(traces, *times, alphas, thetas, start, **options)


def _least_squares(traces: Array, fit: NDArray[np.float32]) -> Array:
    """Factor by which each fit explains its trace best; 1 where there is nothing to fit."""
    seen = ~np.isnan(traces)
    factors = np.ones(len(traces))
    for cell, (trace, row, mask) in enumerate(zip(traces, fit, seen, strict=True)):
        c = row[mask].astype(np.float64)
        power = np.sum(c * c)
        if power > 0:
            factors[cell] = np.sum(c * trace[mask]) / power
    return np.clip(factors, 0.5, 2.0)


def _relax(
    traces: Array,
    kernels: Kernels,
    lam: float | str,
    max_iters: int,
    tol: float,
    progress: Callable[[int, int], object] | None,
) -> _Relaxed:
    """Solve the relaxed problem of each cell, those of one kernel together."""
    activity = np.zeros(traces.shape, dtype=np.float32)
    iterations = np.zeros(len(traces), dtype=np.int64)
    certified = np.ones(len(traces), dtype=bool)
    pairs = np.stack([kernels.tau_rise, kernels.tau_decay], axis=1)
    done = 0
    for rise, decay in np.unique(pairs, axis=0):
        cells = np.flatnonzero((pairs == (rise, decay)).all(axis=1))
        found = deconvolve(
            traces[cells],
            kernels.fs,
            rise,
            decay,
            lam,  # type: ignore[arg-type]
            max_iters=max_iters,
            tol=tol,
            baseline_mode="none",
            segments=kernels.segments,
            n_threads=kernels.n_threads,
            dtype="float32",
        )
        activity[cells], iterations[cells] = found.activity, found.iterations
        certified[cells] = found.converged
        done += cells.size
        if progress is not None:
            progress(done, len(traces))
    return activity, iterations, certified
