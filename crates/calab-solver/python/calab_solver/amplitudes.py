"""The amplitude of one spike in every cell of a batch, and whether it is known."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .events import Events, event_rules, find_events_each
from .scale import EventScale, event_scale

__all__ = ["Amplitudes", "Kernels", "measure_amplitudes"]

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
#: spikes (`benchmarks/limits.py`).
UNEVIDENT_SD = 0.5
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
    doubtful : numpy.ndarray of bool, shape (n_cells,)
        Whether a baseline that may drift forbids to claim it; what evident events say is still the
        best guess then.
    """

    events: Events
    null_level: Array
    log_alpha: Array
    log_sd: Array
    n_events: NDArray[np.int64]
    evident: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]

    @property
    def own_sd(self) -> Array:
        """Standard deviations without what cells have in common whose amplitude is not evident."""
        common = np.where(self.evident, 0.0, UNEVIDENT_SD)
        return np.asarray(np.sqrt(np.maximum(self.log_sd**2 - common**2, 0.0)))

    @property
    def stated_sd(self) -> Array:
        """Standard deviations that contain the doubt."""
        doubt = np.where(self.evident & self.doubtful, UNEVIDENT_SD, 0.0)
        return np.asarray(np.hypot(self.log_sd, doubt))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether the events determine the amplitude of one spike."""
        with np.errstate(invalid="ignore", divide="ignore"):
            large = self.log_alpha >= np.log(KNOWN_NULLS * self.null_level)
        return (self.n_events >= KNOWN_EVENTS) & large & self.evident & ~self.doubtful

    def doubted(self, cells: NDArray[np.bool_]) -> Amplitudes:
        """Claim nothing of some cells, but believe their events.

        Parameters
        ----------
        cells : numpy.ndarray of bool, shape (n_cells,)
            Those whose baseline may drift.

        Returns
        -------
        Amplitudes
        """
        return replace(self, doubtful=self.doubtful | cells)

    def spoilt(self, cells: NDArray[np.bool_]) -> Amplitudes:
        """Claim nothing of some cells, and believe their events less.

        Parameters
        ----------
        cells : numpy.ndarray of bool, shape (n_cells,)
            Those of which an event is no spike or spikes: cut by a ceiling, or under a kernel that
            is none. Each call adds to their deviations.

        Returns
        -------
        Amplitudes
        """
        # An error of its own, beside the one that guesses have in common.
        more = np.where(self.evident, np.sqrt(2.0), 1.0) * UNEVIDENT_SD
        log_sd = np.where(cells, np.hypot(self.log_sd, more), self.log_sd)
        return replace(self, evident=self.evident & ~cells, log_sd=log_sd)


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
    columns = (kernels.fs, noise, kernels.tau_rise, kernels.tau_decay)
    ways = [event_rules(**COARSE), event_rules()]
    coarse, events = find_events_each(traces, *columns, ways=ways, **kernels.shared())

    with ThreadPoolExecutor(kernels.n_threads) as pool:
        # Bursts show their spikes one by one only in fine events, real transients vary less in
        # coarse ones.
        cells = range(len(traces))
        combs = list(pool.map(_comb, [events, coarse] * len(cells), np.repeat(cells, 2)))
        of_cell = partial(_amplitude, events, coarse)
        rows = list(pool.map(of_cell, cells, combs[::2], combs[1::2]))
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    mean, sd, count, null, evident = table.T
    doubtful = np.zeros(len(traces), dtype=bool)
    return Amplitudes(
        events, null, mean, sd, count.astype(np.int64), evident.astype(bool), doubtful
    )


def _comb(events: Events, cell: int) -> EventScale | None:
    """Whole multiples of an amplitude, where anything was recorded."""
    return _scale(events, cell, **COMB) if events.null_level[cell] > 0 else None


def _amplitude(
    fine: Events,
    coarse: Events,
    cell: int,
    fine_comb: EventScale | None,
    coarse_comb: EventScale | None,
) -> tuple[float, float, int, float, bool]:
    """Logarithm of the amplitude, its deviation, events, null level, and whether it is evident."""
    if fine_comb is None or coarse_comb is None:
        return np.nan, np.nan, 0, coarse.null_level[cell], False
    combs = [(fine_comb, fine), (coarse_comb, coarse)]
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
