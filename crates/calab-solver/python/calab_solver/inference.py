"""Spikes of a batch of traces whose kernels are known: from a trace to counts and rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .deconvolve import deconvolve
from .events import Events, find_events
from .rates import frame_counts, spike_rates
from .scale import EventScale, event_scale
from .spikes import PlacedSpikes, place_spikes

__all__ = [
    "Amplitudes",
    "Kernels",
    "Spikes",
    "infer_spikes",
    "measure_amplitudes",
]

Array = NDArray[np.float64]

#: How events are found that tell the amplitude of one spike: without the small ones beside large
#: ones, which are what varies from transient to transient.
COARSE: dict[str, Any] = {"ratio": 0.1, "rounds": 2, "sweeps": 1}
#: How whole multiples of an amplitude are looked for: as if spikes were all but alike.
COMB: dict[str, Any] = {
    "threshold": 3.5,
    "variations": (0.05, 0.1),
    "outliers": (0.02, 0.2, 0.4),
    "weight_strength": 5.0,
    "weight_mean": 0.5,
    "prior_mean": 1.0,
}
#: Logarithm of the odds from which such multiples are evident, and largest standard deviation of
#: the amplitude's logarithm then. Only an evident amplitude is known.
EVIDENT, SURE = 5.5, 0.15
#: The same two from which they are the better guess.
LIKELY, FAIRLY_SURE = 1.0, 0.3
#: Events of half an amplitude per event of the whole, from which a spike may be the half.
HALVES = 0.25
#: Standard deviation of the logarithm of an amplitude that is not evident, beyond what its events
#: say: their distribution then depends on how spikes come in bursts. From recordings with known
#: spikes (docs/explanation/cadecon.md).
UNEVIDENT_SD = 0.4
#: Least amplitude of a spike that is kept, in amplitudes of one spike.
HALF_A_SPIKE = 0.5
#: Rounds of placing spikes and fitting their amplitude to what they explain.
REFITS = 6
#: Change of an amplitude below which it rests.
RESTED = 0.003
#: What an amplitude that is evident needs beside: events, and null levels.
KNOWN_EVENTS, KNOWN_NULLS = 5, 2.0


@dataclass(frozen=True, eq=False)
class Kernels:
    """Time constants of every cell, and the grid on which spikes are placed.

    Attributes
    ----------
    fs : float
        Sampling rate in hertz.
    tau_rise, tau_decay : numpy.ndarray, shape (n_cells,)
        Seconds.
    upsample_factor : int
        Bins per frame.
    segments : sequence of int, optional
        Frames at which joined recordings start.
    n_threads : int, optional
        Threads.
    """

    fs: float
    tau_rise: Array
    tau_decay: Array
    upsample_factor: int = 1
    segments: Sequence[int] | NDArray[np.integer] | None = None
    n_threads: int | None = None

    def shared(self) -> dict[str, Any]:
        """Return the keywords that all batched functions take."""
        return {
            "upsample_factor": self.upsample_factor,
            "segments": self.segments,
            "n_threads": self.n_threads,
        }

    def of(self, cells: slice | NDArray[np.integer]) -> Kernels:
        """Return the kernels of some cells."""
        return Kernels(
            self.fs,
            self.tau_rise[cells],
            self.tau_decay[cells],
            self.upsample_factor,
            self.segments,
            self.n_threads,
        )


@dataclass(frozen=True, eq=False)
class Amplitudes:
    """Events of every cell and what they say of the amplitude of one spike.

    Attributes
    ----------
    events : Events
        Events of free amplitude, where the search for spikes starts.
    null_level : numpy.ndarray, shape (n_cells,)
        Amplitude that events reach where there are no spikes; NaN where nothing was recorded.
    log_alpha, log_sd : numpy.ndarray, shape (n_cells,)
        Posterior mean and standard deviation of the natural logarithm of the amplitude; NaN where
        nothing was recorded.
    n_events : numpy.ndarray of int64, shape (n_cells,)
        Events well above the null level.
    evident : numpy.ndarray of bool, shape (n_cells,)
        Whether the events are whole multiples of the amplitude beyond doubt.
    """

    events: Events
    null_level: Array
    log_alpha: Array
    log_sd: Array
    n_events: NDArray[np.int64]
    evident: NDArray[np.bool_]

    @property
    def own_sd(self) -> Array:
        """Standard deviations without what cells have in common whose amplitude is not evident."""
        common = np.where(self.evident, 0.0, UNEVIDENT_SD)
        return np.asarray(np.sqrt(np.maximum(self.log_sd**2 - common**2, 0.0)))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether the events determine the amplitude of one spike."""
        with np.errstate(invalid="ignore", divide="ignore"):
            large = self.log_alpha >= np.log(KNOWN_NULLS * self.null_level)
        return (self.n_events >= KNOWN_EVENTS) & large & self.evident


def measure_amplitudes(traces: Array, kernels: Kernels, noise: Array) -> Amplitudes:
    """Find the events of every cell and the amplitude of one spike.

    Parameters
    ----------
    traces : numpy.ndarray, shape (n_cells, n_frames)
        Without their baselines; NaN where nothing was recorded.
    kernels : Kernels
        Time constants and grid.
    noise : numpy.ndarray, shape (n_cells,)
        Standard deviation of the white noise.

    Returns
    -------
    Amplitudes

    Raises
    ------
    ValueError, TypeError, KeyboardInterrupt
        As `calab_solver.find_events`.
    """

    def found(**rules: Any) -> Events:
        rise, decay = kernels.tau_rise, kernels.tau_decay
        return find_events(traces, kernels.fs, noise, rise, decay, **kernels.shared(), **rules)

    coarse, events = found(**COARSE), found()

    with ThreadPoolExecutor(kernels.n_threads) as pool:
        rows = list(pool.map(lambda cell: _amplitude(events, coarse, cell), range(len(traces))))
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    mean, sd, count, null, evident = table.T
    return Amplitudes(events, null, mean, sd, count.astype(np.int64), evident.astype(bool))


def _amplitude(fine: Events, coarse: Events, cell: int) -> tuple[float, float, int, float, bool]:
    """Logarithm of the amplitude, its deviation, events, null level, and whether it is evident."""
    if not (fine.null_level[cell] > 0 and coarse.null_level[cell] > 0):
        return np.nan, np.nan, 0, coarse.null_level[cell], False
    # Bursts show their spikes one by one only in fine events, real transients vary less in coarse.
    combs = [(_scale(events, cell, **COMB), events) for events in (fine, coarse)]
    best, events = max(combs, key=lambda comb: comb[0].log_odds)
    whole = not _is_halved(fine.amplitudes[cell], np.exp(best.mean))
    if whole and best.log_odds >= EVIDENT and best.sd <= SURE:
        return best.mean, best.sd, best.n_events, events.null_level[cell], True
    if not (whole and best.log_odds >= LIKELY and best.sd <= FAIRLY_SURE):
        best, events = _scale(coarse, cell), coarse
    mean = best.mean
    if 0 < best.n_events < KNOWN_EVENTS:
        # The posterior is hardly more than its prior, which makes two spikes of a single event.
        mean = float(np.log(np.median(np.sort(events.amplitudes[cell])[-best.n_events :])))
    sd = float(np.hypot(best.sd, UNEVIDENT_SD))
    return mean, sd, best.n_events, events.null_level[cell], False


def _is_halved(amplitudes: Array, alpha: float) -> bool:
    """Whether many events are half the amplitude: spikes that pairs of them hide in the odds."""
    halves = np.count_nonzero((amplitudes > 0.35 * alpha) & (amplitudes < 0.65 * alpha))
    wholes = np.count_nonzero((amplitudes > 0.75 * alpha) & (amplitudes < 1.25 * alpha))
    return bool(halves > HALVES * wholes)


def _scale(events: Events, cell: int, **options: Any) -> EventScale:
    return event_scale(events.amplitudes[cell], events.null_level[cell], **options)


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
    noise_constrained: bool = True,
    lam: float | str = "auto",
    max_iters: int = 500,
    tol: float = 1e-4,
    progress: Callable[[int, int], object] | None = None,
) -> Spikes:
    """Place whole spikes of the given amplitude, and weigh them with the relaxed activity.

    Parameters
    ----------
    traces : numpy.ndarray, shape (n_cells, n_frames)
        Without their baselines; NaN where nothing was recorded.
    kernels : Kernels
        Time constants and grid.
    amplitudes : Amplitudes
        Where the search starts.
    log_alpha : numpy.ndarray, shape (n_cells,)
        Logarithm of the amplitude of one spike with which the search starts.
    noise_constrained : bool
        A spike must rise above the null level of its trace, not only lower the squared error.
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
        least = null if noise_constrained else np.zeros_like(null)
        return np.asarray(np.fmax(HALF_A_SPIKE * alphas, least))

    placed, alphas = _refitted(traces, kernels, amplitudes.events, alphas, thetas)
    counts = frame_counts(placed, traces.shape, kernels.upsample_factor)
    activity, iterations, certified = _relax(traces, kernels, lam, max_iters, tol, progress)
    with np.errstate(invalid="ignore", divide="ignore"):
        relaxed = np.nan_to_num(activity / alphas[:, None]).astype(np.float32)
    missing = np.isnan(traces)
    rate = spike_rates(relaxed, counts, missing, kernels.fs)
    # Of a cell that was never recorded there is nothing to certify.
    done = (placed.converged & certified) | missing.all(axis=1)
    return Spikes(placed, alphas, thetas(alphas), counts, relaxed, rate, iterations, done)


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


def _place(
    traces: Array, kernels: Kernels, alphas: Array, thetas: Array, start: Any
) -> PlacedSpikes:
    times = (kernels.fs, kernels.tau_rise, kernels.tau_decay)
    return place_spikes(traces, *times, alphas, thetas, start, **kernels.shared())


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
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
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
