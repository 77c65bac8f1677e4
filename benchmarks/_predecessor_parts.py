"""The arithmetic of calab 0.3.0's CaDecon that its published functions leave out; NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: Ratio of decay to rise, over which a kernel's shape is tabulated.
RATIOS = np.geomspace(1.001, 10_000, 300)


@dataclass(frozen=True)
class Subset:
    """Neighbouring cells over a stretch of time.

    Attributes
    ----------
    cells : range
    frames : slice
    """

    cells: range
    frames: slice

    def cut(self, traces: Any) -> Any:
        """Return this part of an array of cells x frames."""
        return traces[self.cells.start : self.cells.stop, self.frames]


class Draws:
    """Uniform numbers of the 32-bit linear congruential generator that places subsets."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, bound: int) -> int:
        """Return a whole number from 0 to ``bound - 1``."""
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return int(self.state / 2**32 * bound)


def subsets(
    n_frames: int, n_cells: int, k: int, coverage: float, aspect: float, seed: int
) -> list[Subset]:
    """Place ``k`` rectangles that share a part of cells x frames, apart while slots last."""
    scale = np.sqrt(coverage / k)
    t_sub = int(np.clip(np.floor(n_frames * scale * np.sqrt(aspect)), 1, n_frames))
    n_sub = int(np.clip(np.floor(n_cells * scale / np.sqrt(aspect)), 1, n_cells))
    columns, rows = max(1, n_frames // t_sub), max(1, n_cells // n_sub)
    draws = Draws(seed)
    slots = [(row, column) for row in range(rows) for column in range(columns)]
    for last in range(len(slots) - 1, 0, -1):
        other = draws.below(last + 1)
        slots[last], slots[other] = slots[other], slots[last]
    placed = []
    for row, column in slots[:k]:
        t_low, t_high = _slot(column, columns, n_frames)
        n_low, n_high = _slot(row, rows, n_cells)
        start = t_low + draws.below(t_high - t_low - t_sub + 1)
        cell = n_low + draws.below(n_high - n_low - n_sub + 1)
        placed.append((start, cell))
    while len(placed) < k:
        placed.append((draws.below(n_frames - t_sub + 1), draws.below(n_cells - n_sub + 1)))
    return [Subset(range(c, c + n_sub), slice(t, t + t_sub)) for t, c in placed]


def _slot(index: int, count: int, size: int) -> tuple[int, int]:
    width = size // count
    return index * width, size if index == count - 1 else (index + 1) * width


def upsampled(trace: Any, factor: int) -> Any:
    """Interpolate linearly; the last sample is held."""
    return np.interp(np.arange(trace.size * factor) / factor, np.arange(trace.size), trace)


def kernel_rmse(before: tuple[float, float], now: tuple[float, float], fs: float) -> float:
    """Return the root mean squared difference of two kernels of peak 1; infinite if degenerate."""
    if not (0 < before[0] < before[1] and 0 < now[0] < now[1]):
        return float("inf")
    span = 5 * max(before[1], now[1])
    samples = max(24, int(np.ceil(span * fs)))
    seconds = np.arange(samples) * span / samples
    one, two = (_kernel(seconds, *taus) for taus in (before, now))
    return float(np.sqrt(np.mean((one / one.max() - two / two.max()) ** 2)))


def _kernel(seconds: Any, rise: Any, decay: Any) -> Any:
    return np.exp(-seconds / decay) - np.exp(-seconds / rise)


def shape_of(rise: float, decay: float) -> tuple[float, float]:
    """Return time to peak and full width at half maximum in seconds."""
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    half = _kernel(peak, rise, decay) / 2
    left, right = (0.0, peak), (peak, 5 * decay + peak)
    for _ in range(60):
        middle = sum(left) / 2
        left = (left[0], middle) if _kernel(middle, rise, decay) > half else (middle, left[1])
        middle = sum(right) / 2
        right = (middle, right[1]) if _kernel(middle, rise, decay) > half else (right[0], middle)
    return float(peak), float(right[0] - left[0])


def taus_of(peak: float, width: float) -> tuple[float, float] | None:
    """Return the time constants of a shape; None where no kernel has it."""
    shapes = np.array([shape_of(1.0, ratio) for ratio in RATIOS])
    ratios = shapes[:, 1] / shapes[:, 0]
    wanted = width / peak
    if not ratios[0] <= wanted <= ratios[-1]:
        return None
    ratio = np.exp(np.interp(wanted, ratios, np.log(RATIOS)))
    rise = peak * (ratio - 1) / (ratio * np.log(ratio))
    return float(rise), float(ratio * rise)
