"""Baselines that move too fast for the quantile: which cells have one, and where it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from calab_solver import find_foot, score_kernels
from calab_solver.amplitudes import Amplitudes
from calab_solver.working import LEAST_WINDOW
from numpy.typing import NDArray

from .kernel import Array, Kernel
from .trend import COST, QUICK, corrected, envelope, quantile
from .working import MISMATCH, Recording, blocks, window_seconds

__all__ = ["Drift", "find_drift"]


#: Kernels under which envelopes are compared, in seconds: that of the recording is not known yet.
KERNELS = (Kernel(0.05, 0.2), Kernel(0.08, 0.6), Kernel(0.15, 1.8))
#: Windows of the envelopes in seconds, and the decays that each has at least, lest it follow
#: transients.
WINDOWS, LEAST_DECAYS = (60.0, 20.0, 10.0, 5.0, 2.5), 7.0
#: Windows that sustained activity does not fill, so that it cannot pass for drift.
LONG = (60.0, 20.0)
#: Standard deviation of the 20 s envelope about the quantile, in those of the noise, below which a
#: cell is at rest and nothing is compared.
RESTING = 0.2
#: What makes a cell drift: the excess of the objective or the number of events under the quantile,
#: over that under a long envelope. No recorded neuron of the benchmarks does (`limits.py` there).
LESS_EXCESS, FEWER_EVENTS = 1.1, 1.12
#: The same excess over that under a short envelope, above which drift and sustained activity cannot
#: be told from each other.
UNSURE_EXCESS = 1.2
#: The same excess under corrected trends of the two long windows that is drift; nor this.
FOLLOWS = 1.6
#: Share of the excess under the best envelope below which a constant shows that slow movement is
#: activity, however short the envelope: simulated dense activity leaves less, drift more.
CLEARLY = 0.9
#: What is said of a cell whose slow movement has two explanations.
AMBIGUOUS = "slow movement may be drift of the baseline or sustained activity"
#: Share of the frames below which an excess is nothing, and fewest events that make a difference.
LEAST_EXCESS, LEAST_EVENTS = 0.02, 4


@dataclass(frozen=True, eq=False)
class Drift:
    """What of the traces is drift.

    Attributes
    ----------
    trends : dict of int to numpy.ndarray, shape (n_frames,), float32
        Of the cells that drift, what has to be taken off before the baseline is looked for.
    windows : dict of int to float
        Of the same cells the window in seconds.
    noise : dict of int to float
        Of the same cells the noise with what the trends leave of the drift, as transients see it.
    unsure : frozenset of int
        Cells whose slow movement may be drift or sustained activity.
    """

    trends: dict[int, NDArray[np.float32]]
    windows: dict[int, float]
    noise: dict[int, float]
    unsure: frozenset[int]

    def reasons(self) -> dict[int, str]:
        """Say of each cell concerned what its slow movement does."""
        said = {
            cell: f"the baseline moves within {window:g} s; a trend was taken off"
            for cell, window in self.windows.items()
        }
        return said | dict.fromkeys(self.unsure, AMBIGUOUS)

    def doubted(self, amplitudes: Amplitudes, cells: NDArray[np.int64]) -> Amplitudes:
        """Claim no amplitudes that drift, or what a trend leaves of it, may have made.

        Parameters
        ----------
        amplitudes : Amplitudes
            Of some cells.
        cells : numpy.ndarray of int
            Rows of these.

        Returns
        -------
        Amplitudes
        """
        return amplitudes.doubted(np.isin(cells, [*self.windows, *self.unsure]))

    def shifted(self, by: int) -> Drift:
        """Return the same of cells that are counted from elsewhere.

        Parameters
        ----------
        by : int
            What is added to their numbers.

        Returns
        -------
        Drift
        """
        return Drift(
            {cell + by: trend for cell, trend in self.trends.items()},
            {cell + by: window for cell, window in self.windows.items()},
            {cell + by: noise for cell, noise in self.noise.items()},
            frozenset(cell + by for cell in self.unsure),
        )

    @classmethod
    def joined(cls, parts: Iterable[Drift]) -> Drift:
        """Put together what was found of different cells.

        Parameters
        ----------
        parts : iterable of Drift
            Of these.

        Returns
        -------
        Drift
        """
        whole = cls({}, {}, {}, frozenset())
        for part in parts:
            whole.trends.update(part.trends)
            whole.windows.update(part.windows)
            whole.noise.update(part.noise)
            whole = replace(whole, unsure=whole.unsure | part.unsure)
        return whole


def find_drift(recording: Recording, usable: NDArray[np.int64]) -> Drift:
    """Find the cells whose baseline moves faster than the quantile's window follows.

    Under a baseline that does not follow, events hold up what drift makes; an envelope (a quantile
    from below, then one from above) that follows needs fewer. A cell drifts where a long envelope
    already does so: sustained activity is shorter, and is left alone. It is then given the trend
    that leaves the least; see `calab_core.cadecon.trend`.

    Parameters
    ----------
    recording : Recording
        Traces and noise.
    usable : numpy.ndarray of int
        Rows that are not excluded.

    Returns
    -------
    Drift
    """
    trends: dict[int, NDArray[np.float32]] = {}
    windows: dict[int, float] = {}
    noise: dict[int, float] = {}
    unsure: set[int] = set()
    for block in blocks((usable.size, recording.traces.shape[1])):
        cells = usable[block][recording.noise[usable[block]] > 0]
        moving = cells[_moving(recording, cells)]
        if not moving.size:
            continue
        compared = _compare(recording, moving)
        less, doubtful, kernels = _judge(compared)
        for index in np.unique(kernels[~less]):
            rows = np.flatnonzero(~less & (kernels == index))
            less[rows] = _follows(recording, moving[rows], KERNELS[index])
        concerned = np.flatnonzero(less | doubtful)
        rests, clearly = _rests(recording, moving[concerned], compared.excess[1:, :, concerned])
        less[concerned[rests]] = False
        doubtful[concerned[clearly]] = False
        drifting = moving[less]
        unsure.update(moving[doubtful & ~less].tolist())
        if drifting.size:
            found, best, level = _trends(recording, drifting)
            noise |= zip(drifting.tolist(), level.tolist(), strict=True)
            trends |= zip(drifting.tolist(), found.astype(np.float32), strict=True)
            windows |= zip(drifting.tolist(), best.tolist(), strict=True)
    return Drift(trends, windows, noise, frozenset(unsure))


def _moving(recording: Recording, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not cells.size:
        return np.zeros(0, dtype=np.bool_)
    traces = recording.traces[cells].astype(np.float64)
    low = quantile(recording, traces, LEAST_WINDOW)
    apart = -quantile(recording, -low, LEAST_WINDOW) - low
    return np.asarray(apart.std(axis=1) > RESTING * recording.noise[cells])


@dataclass(frozen=True, eq=False)
class _Compared:
    """Excess per frame and number of events, by window (the quantile first), kernel and cell."""

    excess: Array
    events: Array


def _compare(recording: Recording, cells: NDArray[np.int64]) -> _Compared:
    traces = recording.traces[cells].astype(np.float64)
    shape = (1 + len(WINDOWS), len(KERNELS), cells.size)
    excess, events = np.full(shape, np.inf), np.full(shape, np.inf)
    for i, window in enumerate((None, *WINDOWS)):
        steady = traces if window is None else traces - envelope(recording, traces, window)
        for j, kernel in enumerate(KERNELS):
            if window is not None and window < LEAST_DECAYS * kernel.tau_decay:
                continue
            working = steady - quantile(recording, steady, window_seconds(kernel))
            excess[i, j], events[i, j] = _scores(recording, cells, working, kernel)
            if window is not None:
                excess[i, j] += COST / (window * recording.fs)
    return _Compared(excess, events)


def _above_foot(recording: Recording, cells: NDArray[np.int64], kernel: Kernel) -> Array:
    """Take the constant off that dense activity stands on, of which a quantile shows nothing."""
    traces = recording.traces[cells].astype(np.float64)
    return traces - find_foot(
        traces,
        recording.fs,
        recording.noise[cells],
        np.full(cells.size, kernel.tau_rise),
        np.full(cells.size, kernel.tau_decay),
        segments=recording.segments,
        n_threads=recording.n_threads,
        window=None,
    )


def _scores(
    recording: Recording, cells: NDArray[np.int64], working: Array, kernel: Kernel
) -> tuple[Array, Array]:
    """Return excess per frame and number of events of traces without their baselines."""
    scores = score_kernels(
        working,
        recording.fs,
        recording.noise[cells],
        [kernel.tau_rise],
        [kernel.tau_decay],
        [[row, 0, working.shape[1]] for row in range(cells.size)],
        segments=recording.segments,
        n_threads=recording.n_threads,
        mismatch=MISMATCH,
        **QUICK,
    )
    frames = (~np.isnan(working)).sum(axis=1)
    return scores.objective[:, 0] / frames - 1, scores.n_events[:, 0].astype(np.float64)


def _rests(
    recording: Recording, cells: NDArray[np.int64], under: Array
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a constant, on which dense activity stands, leaves no more or less than envelopes."""
    least = np.full(cells.size, np.inf)
    for kernel in KERNELS if cells.size else ():
        above = _above_foot(recording, cells, kernel)
        least = np.fmin(least, _scores(recording, cells, above, kernel)[0])
    best = under.min(axis=(0, 1), initial=np.inf)
    rests = np.asarray(least <= LESS_EXCESS * best + LEAST_EXCESS)
    return rests, np.asarray(least <= CLEARLY * best)


def _judge(
    compared: _Compared,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Which cells drift, of which that cannot be said, and the best kernel under the quantile."""
    excess, events = compared.excess, compared.events
    under = excess.min(axis=1)
    long, short = slice(1, 1 + len(LONG)), slice(1 + len(LONG), None)
    less = under[0] > LESS_EXCESS * under[long].min(axis=0) + LEAST_EXCESS
    kernels = np.argmin(excess[0], axis=0)
    cells = np.arange(kernels.size)
    before, after = events[0, kernels, cells], events[1, kernels, cells]
    fewer = (before >= after + LEAST_EVENTS) & (before > FEWER_EVENTS * after)
    unsure = under[0] > UNSURE_EXCESS * under[short].min(axis=0) + LEAST_EXCESS
    return less | fewer, unsure, kernels


def _follows(recording: Recording, cells: NDArray[np.int64], kernel: Kernel) -> NDArray[np.bool_]:
    """Whether corrected trends of the shorter long window leave much less than the longer."""
    longer, shorter = (corrected(recording, cells, kernel, window).excess for window in LONG)
    return np.asarray(longer > FOLLOWS * shorter + LEAST_EXCESS)


def _trends(recording: Recording, cells: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """Return the trend of each cell that leaves the least, its window, and the noise above it."""
    trends = np.zeros((cells.size, recording.traces.shape[1]))
    windows, noise = np.zeros(cells.size), np.zeros(cells.size)
    least = np.full(cells.size, np.inf)
    for window in WINDOWS:
        for kernel in KERNELS:
            if window < LEAST_DECAYS * kernel.tau_decay:
                continue
            one = corrected(recording, cells, kernel, window)
            better = one.excess < least
            least[better], windows[better] = one.excess[better], window
            trends[better], noise[better] = one.trend[better], one.noise[better]
    return trends, windows, noise
