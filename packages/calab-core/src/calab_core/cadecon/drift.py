"""Baselines that move too fast for the quantile: which cells have one, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from calab_solver import Events, find_events, rolling_baseline, score_kernels
from numpy.typing import NDArray

from .kernel import Array, Kernel, sample
from .working import LEAST_WINDOW, WINDOW_DECAYS, Recording, blocks, window_seconds

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
#: Events are found quickly, and the kernel's misfit, in proportion to the calcium, is allowed for.
QUICK: dict[str, Any] = {"rounds": 2, "sweeps": 1}
MISMATCH = 0.15
#: Cost of every window of an envelope: two parameters, each that of an event.
COST = 32.0
#: What makes a cell drift: the excess of the objective or the number of events under the quantile,
#: over that under a long envelope. Of 62 recorded neurons none reaches 1.07.
LESS_EXCESS, FEWER_EVENTS = 1.1, 1.12
#: The same excess over that under a short envelope, above which drift and sustained activity cannot
#: be told from each other.
UNSURE_EXCESS = 1.2
#: The same excess under corrected trends of the two long windows that is drift. Of the recorded
#: neurons none reaches 1.4.
FOLLOWS = 1.6
#: Times that the trend is corrected by what the events leave.
PASSES = 4
#: Ridge of the smoothing lines, in squares of half a box.
RIDGE = 1e-3
#: Amplitude of one spike in noises above the trend, from which it is claimed.
CLAIMED = 4.0
#: What is said of a cell whose slow movement has two explanations.
AMBIGUOUS = "slow movement may be drift of the baseline or sustained activity"
#: Largest noise above a trend, in those of the frames.
MOST_NOISE = 3.0
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

    def claimed(self, known: NDArray[np.bool_], alphas: Array) -> NDArray[np.bool_]:
        """Withdraw scales that drift, or what is left of it, may have made.

        Parameters
        ----------
        known, alphas : numpy.ndarray, shape (n_cells,)
            Whether the amplitude of one spike is known, and the amplitude.

        Returns
        -------
        numpy.ndarray of bool, shape (n_cells,)
        """
        claimed = known.copy()
        for cell, noise in self.noise.items():
            claimed[cell] &= bool(alphas[cell] > CLAIMED * noise)
        claimed[sorted(self.unsure)] = False
        return claimed

    def removed(self, recording: Recording) -> Recording:
        """Return the recording without the trends."""
        if not self.trends:
            return recording
        traces, noise = recording.traces.copy(), recording.noise.copy()
        for cell, trend in self.trends.items():
            traces[cell] -= trend
            noise[cell] = self.noise[cell]
        return replace(recording, traces=traces, noise=noise)


def find_drift(recording: Recording, usable: NDArray[np.int64]) -> Drift:
    """Find the cells whose baseline moves faster than the quantile's window follows.

    Under a baseline that does not follow, events hold up what drift makes; an envelope (a quantile
    from below, then one from above) that follows needs fewer. A cell drifts where a long envelope
    already does so: sustained activity is shorter, and is left alone. It is then given the envelope
    that leaves the least.

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
        open_cases = np.flatnonzero(~less)
        for row in open_cases:
            less[row] = _follows(recording, moving[row : row + 1], KERNELS[kernels[row]])
        drifting = moving[less]
        unsure.update(moving[doubtful & ~less].tolist())
        if drifting.size:
            found, best, level = _trends(recording, drifting)
            noise |= zip(drifting.tolist(), level.tolist(), strict=True)
            trends |= zip(drifting.tolist(), found.astype(np.float32), strict=True)
            windows |= zip(drifting.tolist(), best.tolist(), strict=True)
    return Drift(trends, windows, noise, frozenset(unsure))


def envelope(recording: Recording, traces: Array, window: float) -> Array:
    """Follow traces from below: the quantile of a window, and that of the result from above.

    Unlike the quantile alone it runs along a slope of any steepness.

    Parameters
    ----------
    recording : Recording
        Rate and segments.
    traces : numpy.ndarray, shape (n_frames,) or (n_cells, n_frames)
        Traces.
    window : float
        Seconds.

    Returns
    -------
    numpy.ndarray, of the shape of `traces`
    """
    return -_quantile(recording, -_quantile(recording, traces, window), window)


def _quantile(recording: Recording, traces: Array, window: float) -> Array:
    decay = window / WINDOW_DECAYS
    return rolling_baseline(
        traces, recording.fs, decay, mode="centered", segments=recording.segments
    )


def _moving(recording: Recording, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not cells.size:
        return np.zeros(0, dtype=np.bool_)
    traces = recording.traces[cells].astype(np.float64)
    low = _quantile(recording, traces, LEAST_WINDOW)
    apart = -_quantile(recording, -low, LEAST_WINDOW) - low
    return np.asarray(apart.std(axis=1) > RESTING * recording.noise[cells])


@dataclass(frozen=True, eq=False)
class _Compared:
    """Excess per frame and events, shape (1 + n_windows, n_kernels, n_cells); the quantile first."""

    excess: Array
    events: Array


def _compare(recording: Recording, cells: NDArray[np.int64]) -> _Compared:
    traces = recording.traces[cells].astype(np.float64)
    shape = (1 + len(WINDOWS), len(KERNELS), cells.size)
    excess, events = np.full(shape, np.inf), np.full(shape, np.inf)
    frames = (~np.isnan(traces)).sum(axis=1)
    for i, window in enumerate((None, *WINDOWS)):
        steady = traces if window is None else traces - envelope(recording, traces, window)
        cost = 0.0 if window is None else COST / (window * recording.fs)
        for j, kernel in enumerate(KERNELS):
            if window is not None and window < LEAST_DECAYS * kernel.tau_decay:
                continue
            scores = score_kernels(
                steady - _quantile(recording, steady, window_seconds(kernel)),
                recording.fs,
                recording.noise[cells],
                [kernel.tau_rise],
                [kernel.tau_decay],
                [[row, 0, traces.shape[1]] for row in range(cells.size)],
                segments=recording.segments,
                n_threads=recording.n_threads,
                mismatch=MISMATCH,
                **QUICK,
            )
            excess[i, j] = scores.objective[:, 0] / frames - 1 + cost
            events[i, j] = scores.n_events[:, 0]
    return _Compared(excess, events)


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


def _follows(recording: Recording, cell: NDArray[np.int64], kernel: Kernel) -> bool:
    """Whether a corrected trend of the shorter long window leaves much less than the longer."""
    longer, shorter = (
        float(_corrected(recording, cell, kernel, window).excess[0]) for window in LONG
    )
    return longer > FOLLOWS * shorter + LEAST_EXCESS


def _trends(recording: Recording, cells: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """Return the trend of each cell that leaves the least, its window, and the noise above it."""
    trends = np.zeros((cells.size, recording.traces.shape[1]))
    windows, noise = np.zeros(cells.size), np.zeros(cells.size)
    least = np.full(cells.size, np.inf)
    for window in WINDOWS:
        for kernel in KERNELS:
            if window < LEAST_DECAYS * kernel.tau_decay:
                continue
            one = _corrected(recording, cells, kernel, window)
            better = one.excess < least
            least[better], windows[better] = one.excess[better], window
            trends[better], noise[better] = one.trend[better], one.noise[better]
    return trends, windows, noise


@dataclass(frozen=True, eq=False)
class _Corrected:
    """Trends of some cells, what they leave per frame, and the noise above them."""

    trend: Array
    excess: Array
    noise: Array


def _corrected(
    recording: Recording, cells: NDArray[np.int64], kernel: Kernel, window: float
) -> _Corrected:
    """Correct the envelopes of cells by what the events above them leave, smoothed."""
    traces = recording.traces[cells].astype(np.float64)
    trend = envelope(recording, traces, window)
    trend += _quantile(recording, traces - trend, window_seconds(kernel))
    for _ in range(PASSES):
        found = _events(recording, cells, traces - trend, kernel)
        trend += _left(recording, cells, traces - trend, kernel, found, window)
    found = _events(recording, cells, traces - trend, kernel)
    frames = (~np.isnan(traces)).sum(axis=1)
    excess = found.objective / frames - 1 + COST / (window * recording.fs)
    noise = np.array([
        _noise(recording, cell, trace, fit, kernel)
        for cell, trace, fit in zip(cells, traces-trend, _fits(recording, kernel, found, traces.shape[1]))
    ])
    return _Corrected(trend, excess, noise)


def _events(recording: Recording, cells: NDArray[np.int64], above: Array, kernel: Kernel) -> Events:
    return find_events(
        above,
        recording.fs,
        recording.noise[cells],
        kernel.tau_rise,
        kernel.tau_decay,
        segments=recording.segments,
        n_threads=recording.n_threads,
        **QUICK,
    )


def _left(
    recording: Recording,
    cells: NDArray[np.int64],
    above: Array,
    kernel: Kernel,
    found: Events,
    window: float,
) -> Array:
    """Smooth what events leave, frames without calcium first."""
    left = np.zeros_like(above)
    fits = _fits(recording, kernel, found, above.shape[1])
    for row, (trace, fit) in enumerate(zip(above, fits, strict=True)):
        seen = ~np.isnan(trace)
        weights = np.where(seen, 1 / (1 + (fit / recording.noise[cells[row]]) ** 2), 0.0)
        left[row] = _smooth(recording, np.where(seen, trace - fit, 0.0), weights, window)
    return left


def _noise(recording: Recording, cell: int, above: Array, fit: Array, kernel) -> float:
    """Noise of the means over two decays, as if it were white; what lies above may be calcium."""
    seen = ~np.isnan(above)
    half = max(1, round(kernel.tau_decay * recording.fs))
    total = _box(np.where(seen, above - fit, 0.0), half)
    count = _box(seen.astype(np.float64), half)
    means = total[count > half] / np.sqrt(count[count > half])
    below = means[means < 0]
    white = float(recording.noise[cell])
    if not below.size:
        return white
    return float(np.clip(np.sqrt(np.mean(below * below)), white, MOST_NOISE * white))


def _fits(recording: Recording, kernel: Kernel, found: Events, n_frames: int) -> list[Array]:
    return [
        _calcium(recording, kernel, bins, amplitudes, n_frames)
        for bins, amplitudes in zip(found.bins, found.amplitudes, strict=True)
    ]


def _calcium(recording: Recording, kernel: Kernel, bins, amplitudes, n_frames: int) -> Array:
    fit = np.zeros(n_frames)
    length = int(np.ceil(8 * kernel.tau_decay * recording.fs))
    transient = sample(kernel, np.arange(length) / recording.fs)
    ends = np.append(recording.segments, n_frames).astype(np.int64)
    for frame, amplitude in zip(bins, amplitudes, strict=True):
        end = min(frame + length, ends[np.searchsorted(ends, frame, side="right")])
        fit[frame:end] += amplitude * transient[: end - frame]
    return fit


def _smooth(recording: Recording, values: Array, weights: Array, window: float) -> Array:
    half = max(1, round(window * recording.fs / 4))
    smoothed = np.zeros_like(values)
    borders = np.unique(np.concatenate([[0], recording.segments, [values.size]])).astype(np.int64)
    for start, end in zip(borders[:-1], borders[1:], strict=True):
        smoothed[start:end] = _local_line(values[start:end], weights[start:end], half)
    return smoothed


def _local_line(values: Array, weights: Array, half: int) -> Array:
    """Fit a line around each frame by weighted least squares, and take it there."""
    times = np.arange(values.size) / half

    def sums(powers: Array) -> Array:
        return _box(_box(weights * powers, half), half)

    w0, w1, w2 = sums(np.ones_like(times)), sums(times), sums(times * times)
    v0, v1 = sums(values), sums(times * values)
    # About the frame itself; a ridge where all weight is in one place.
    first = w1 - times * w0
    second = w2 - 2 * times * w1 + times * times * w0 + RIDGE * w0
    fitted = np.zeros_like(values)
    determinant = second * w0 - first * first
    np.divide(second * v0 - first * (v1 - times * v0), determinant, out=fitted, where=w0 > 1e-9)
    return fitted


def _box(values: Array, half: int) -> Array:
    """Sum the values around each, as many on either side; fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    frames = np.arange(values.size)
    return sums[np.minimum(frames + half + 1, values.size)] - sums[np.maximum(frames - half, 0)]
