"""The trend of a trace whose baseline moves fast, estimated along with the events above it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from calab_solver import Events, find_events, rolling_baseline
from calab_solver.working import WINDOW_DECAYS
from numpy.typing import NDArray

from .kernel import Array, Kernel, sample
from .working import Recording, window_seconds

__all__ = ["COST", "QUICK", "Trends", "corrected", "envelope", "quantile"]

#: How events are found while trends are compared.
QUICK: dict[str, Any] = {"rounds": 2, "sweeps": 1}
#: Cost of every window of a trend: two parameters, each that of an event.
COST = 32.0
#: Times that a trend is corrected by what the events leave.
PASSES = 4
#: Ridge of the smoothing lines, in squares of half a box.
RIDGE = 1e-3
#: Largest noise above a trend, in those of the frames, and least, as a share of the trend's range:
#: no trend is followed more exactly.
MOST_NOISE, LEAST_SHARE = 3.0, 2e-3
#: Decays after which a transient is over.
REACH_DECAYS = 8


@dataclass(frozen=True, eq=False)
class Trends:
    """Trends of some cells.

    Attributes
    ----------
    trend : numpy.ndarray, shape (n_cells, n_frames)
        In units of the traces.
    excess : numpy.ndarray, shape (n_cells,)
        Objective of the events above it per frame, the cost of the trend included, less the 1 that
        white noise alone makes.
    noise : numpy.ndarray, shape (n_cells,)
        Noise as transients see it: of means over two decays, as if it were white.
    """

    trend: Array
    excess: Array
    noise: Array


def quantile(recording: Recording, traces: Array, window: float) -> Array:
    """Return the centred quantile of a window in seconds."""
    decay = window / WINDOW_DECAYS
    return rolling_baseline(
        traces, recording.fs, decay, mode="centered", segments=recording.segments
    )


def envelope(recording: Recording, traces: Array, window: float) -> Array:
    """Follow traces from below: the quantile of a window, and that of the result from above.

    Unlike the quantile alone it runs along a slope of any steepness.

    Parameters
    ----------
    recording : Recording
        Rate and segments.
    traces : numpy.ndarray, shape (n_cells, n_frames)
        Traces.
    window : float
        Seconds.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames)
    """
    return -quantile(recording, -quantile(recording, traces, window), window)


def corrected(
    recording: Recording, cells: NDArray[np.int64], kernel: Kernel, window: float
) -> Trends:
    """Correct the envelopes of cells by what the events above them leave, smoothed.

    Parameters
    ----------
    recording : Recording
        Traces and noise.
    cells : numpy.ndarray of int
        Rows of the recording.
    kernel : Kernel
        Of the events.
    window : float
        Seconds.

    Returns
    -------
    Trends
    """
    traces = recording.traces[cells].astype(np.float64)
    trend = envelope(recording, traces, window)
    trend += quantile(recording, traces - trend, window_seconds(kernel))
    for _ in range(PASSES):
        above = traces - trend
        fits = _fits(recording, kernel, _events(recording, cells, above, kernel), above.shape)
        for row, cell in enumerate(cells):
            trend[row] += _left(recording, cell, above[row], fits[row], window)
    above = traces - trend
    found = _events(recording, cells, above, kernel)
    fits = _fits(recording, kernel, found, above.shape)
    frames = (~np.isnan(traces)).sum(axis=1)
    excess = found.objective / frames - 1 + COST / (window * recording.fs)
    noise = [
        _noise(recording, kernel, cell, above[row], fits[row]) for row, cell in enumerate(cells)
    ]
    return Trends(trend, excess, np.fmax(noise, LEAST_SHARE * np.ptp(trend, axis=1)))


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


def _fits(recording: Recording, kernel: Kernel, found: Events, shape: tuple[int, ...]) -> Array:
    """Add up the transients of the events, which lie on frames."""
    fits = np.zeros(shape)
    length = int(np.ceil(REACH_DECAYS * kernel.tau_decay * recording.fs))
    transient = sample(kernel, np.arange(length) / recording.fs)
    ends = np.append(recording.segments, shape[1]).astype(np.int64)
    for fit, bins, amplitudes in zip(fits, found.bins, found.amplitudes, strict=True):
        lasts = np.minimum(bins + length, ends[np.searchsorted(ends, bins, side="right")])
        for first, last, amplitude in zip(bins, lasts, amplitudes, strict=True):
            fit[first:last] += amplitude * transient[: last - first]
    return fits


def _left(recording: Recording, cell: int, above: Array, fit: Array, window: float) -> Array:
    """Smooth what events leave; frames without calcium weigh most."""
    seen = ~np.isnan(above)
    weights = np.where(seen, 1 / (1 + (fit / recording.noise[cell]) ** 2), 0.0)
    values = np.where(seen, above - fit, 0.0)
    half = max(1, round(window * recording.fs / 4))
    smoothed = np.zeros_like(values)
    borders = sorted({0, *recording.segments, values.size})
    for start, end in pairwise(borders):
        part = slice(start, end)
        smoothed[part] = _local_line(values[part], weights[part], half)
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
    determinant = second * w0 - first * first
    fitted = np.zeros_like(values)
    above = second * v0 - first * (v1 - times * v0)
    np.divide(above, determinant, out=fitted, where=(w0 > 1e-9) & (determinant > 0))
    return fitted


def _box(values: Array, half: int) -> Array:
    """Sum the values around each, as many on either side; fewer at the ends."""
    sums: Array = np.concatenate([[0.0], np.cumsum(values)])
    frames = np.arange(values.size)
    last, first = np.minimum(frames + half + 1, values.size), np.maximum(frames - half, 0)
    return np.asarray(sums[last] - sums[first])


def _noise(recording: Recording, kernel: Kernel, cell: int, above: Array, fit: Array) -> float:
    """Measure the noise of means over two decays below zero; what lies above may be calcium."""
    seen = ~np.isnan(above)
    half = max(1, round(kernel.tau_decay * recording.fs))
    total = _box(np.where(seen, above - fit, 0.0), half)
    count = _box(seen.astype(np.float64), half)
    enough = count > half
    means = total[enough] / np.sqrt(count[enough])
    below = means[means < 0]
    white = float(recording.noise[cell])
    level = float(np.sqrt(np.mean(below * below))) if below.size else white
    return min(max(level, white), MOST_NOISE * white)
