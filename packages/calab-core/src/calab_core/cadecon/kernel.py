"""The search for the kernel that explains traces by the fewest events."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Kernel",
    "Step",
    "bound_of",
    "change",
    "grid_search",
    "most_forgiven",
    "peak_height",
    "refine",
    "sample",
]

Array = NDArray[np.float64]
#: Scores kernels: log rise and log decay, shape (n_kernels, 2), to objectives (n_kernels,).
Score = Callable[[Array], Array]

#: Rises and decays in seconds with which the search begins.
SEED_RISES = np.array([0.003, 0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.4])
SEED_DECAYS = np.array([0.1, 0.15, 0.22, 0.33, 0.5, 0.75, 1.1, 1.7, 2.5])
#: Bounds of the search in seconds, and the least ratio of decay to rise.
RISES, DECAYS, LEAST_RATIO = (0.001, 2.0), (0.02, 10.0), 1.2
#: Farthest from where it began that a search goes, in log seconds. Under a kernel far too short
#: every frame is an event, which explains anything.
FARTHEST = 0.9
#: What is nearer to a bound than this ratio is on it.
NEAR_BOUND = 1.02
#: First step of the refinement in log seconds, and how it shrinks where the best is inside.
FIRST_STEP, SHRINK = 0.3, 0.55


@dataclass(frozen=True)
class Kernel:
    """Time constants in seconds."""

    tau_rise: float
    tau_decay: float

    @classmethod
    def from_logs(cls, logs: Array) -> Kernel:
        """Make a kernel of six digits, which every machine's exponential agrees on."""
        return cls(*(float(f"{math.exp(log):.6g}") for log in logs))

    @property
    def logs(self) -> Array:
        """Natural logarithms of rise and decay."""
        return np.log([self.tau_rise, self.tau_decay])


@dataclass(frozen=True)
class Step:
    """Where the refinement stands.

    Attributes
    ----------
    kernel : Kernel
        The best so far.
    size : float
        Step of the next iteration in log seconds.
    objective : float
        Of the kernel, as scored in the iteration that found it.
    origin : Kernel, optional
        Where the search began; the kernel by default.
    """

    kernel: Kernel
    size: float = FIRST_STEP
    objective: float = math.inf
    origin: Kernel | None = None


def sample(kernel: Kernel, times: Array) -> Array:
    """Return the kernel, of peak 1, at some times in seconds; 0 before 0."""
    rise, decay = kernel.tau_rise, kernel.tau_decay
    late = np.maximum(times, 0)
    return np.asarray((np.exp(-late / decay) - np.exp(-late / rise)) / peak_height(kernel))


def peak_height(kernel: Kernel) -> float:
    """Return the peak of the difference of the two exponentials."""
    rise, decay = kernel.tau_rise, kernel.tau_decay
    peak_time = rise * decay / (decay - rise) * math.log(decay / rise)
    return math.exp(-peak_time / decay) - math.exp(-peak_time / rise)


def change(new: Kernel, old: Kernel) -> float:
    """Root mean square of the difference of two kernels of peak 1 over five decays."""
    window = 5 * max(new.tau_decay, old.tau_decay)
    times = np.linspace(0, window, 512)
    return float(np.sqrt(np.mean((sample(new, times) - sample(old, times)) ** 2)))


def bound_of(step: Step) -> str | None:
    """Say on which bound of the search a kernel rests that says that the rate may be wrong.

    A rise on its lower bound does not: it is one that the frames cannot tell from none. Nor does a
    rise that went as far as it may from where it began.

    Parameters
    ----------
    step : Step
        Where the search stands.

    Returns
    -------
    str or None
        The bound in words, if the decay is on one of its two or the rise on the upper one.
    """
    kernel, origin = step.kernel, step.origin or step.kernel
    reach = math.exp(FARTHEST)
    longest_rise = min(RISES[1], SEED_RISES[-1] * reach)
    shortest_decay = max(DECAYS[0], origin.tau_decay / reach)
    longest_decay = min(DECAYS[1], origin.tau_decay * reach)
    if kernel.tau_decay < NEAR_BOUND * shortest_decay:
        return f"a decay of {kernel.tau_decay:.3g} s is the shortest that was searched"
    if kernel.tau_decay > longest_decay / NEAR_BOUND:
        return f"a decay of {kernel.tau_decay:.3g} s is the longest that was searched"
    if kernel.tau_rise > longest_rise / NEAR_BOUND:
        return f"a rise of {kernel.tau_rise:.3g} s is the longest that was searched"
    return None


def grid_search(score: Score, forgiving: Score) -> Step:
    """Score the seed kernels and return the best.

    Under a kernel far too short a burst is many events, each of which pays, and large bursts under
    a good kernel leave more than noise. So the objective may have several lowest points, of which
    the right one is not the least; which of them it is says a score that forgives a misfit in
    proportion to the calcium.

    Parameters
    ----------
    score : callable
        Objectives of kernels.
    forgiving : callable
        The same where the model's own error is allowed for; only compares the lowest points.

    Returns
    -------
    Step
    """
    fits, kernels = _grid()
    objectives = score(kernels)
    grid = np.full(fits.shape, np.inf)
    grid[fits] = objectives
    lowest = np.flatnonzero(_lowest(grid)[fits])
    best = int(lowest[0])
    if lowest.size > 1:
        best = int(lowest[np.argmin(forgiving(kernels[lowest]))])
    return Step(Kernel.from_logs(kernels[best]), FIRST_STEP, float(objectives[best]))


def most_forgiven(forgiving: Score) -> Kernel:
    """Return the kernel of the grid that is best where the model's own error is allowed for.

    Parameters
    ----------
    forgiving : callable
        Objectives of kernels, as for `grid_search`.

    Returns
    -------
    Kernel
    """
    _, kernels = _grid()
    return Kernel.from_logs(kernels[np.argmin(forgiving(kernels))])


def _grid() -> tuple[NDArray[np.bool_], Array]:
    """Which pairs of seeds are kernels, and these in logarithms."""
    rises, decays = np.meshgrid(SEED_RISES, SEED_DECAYS, indexing="ij")
    fits = decays >= 1.3 * rises
    return fits, np.log(np.stack([rises[fits], decays[fits]], axis=1))


def _lowest(grid: Array) -> NDArray[np.bool_]:
    """Whether a point of a grid is lower than its eight neighbours, or equal to later ones."""
    rows, columns = grid.shape
    padded = np.pad(grid, 1, constant_values=np.inf)
    lowest = np.isfinite(grid)
    for i, j in ((i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)):
        beside = padded[i : i + rows, j : j + columns]
        lowest &= (grid < beside) if (i, j) < (1, 1) else (grid <= beside)
    return lowest


def refine(step: Step, score: Score) -> Step:
    """Score the eight neighbours of a kernel and go to the least of a parabola through them.

    Parameters
    ----------
    step : Step
        Where the search stands.
    score : callable
        Objectives of kernels, on the same data for all of them.

    Returns
    -------
    Step
    """
    centre, origin = step.kernel.logs, step.origin or step.kernel
    offsets = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)], dtype=np.float64)
    kernels = _bounded(centre + step.size * offsets, origin.logs)
    objectives = score(kernels)
    best = int(np.argmin(objectives))
    vertex = _vertex(offsets, objectives, offsets[best])
    target = _bounded((centre + step.size * vertex)[None], origin.logs)
    extra = float(score(target)[0])
    inside = (offsets[best] == 0).all()
    if extra < objectives[best]:
        found, objective = target[0], extra
    else:
        found, objective = kernels[best], float(objectives[best])
    size = step.size * (SHRINK if inside or extra < objectives[best] else 1.0)
    return Step(Kernel.from_logs(found), size, objective, origin)


def _bounded(logs: Array, origin: Array) -> Array:
    logs = np.clip(logs, origin - FARTHEST, origin + FARTHEST)
    rise = np.clip(logs[:, 0], *np.log(RISES))
    decay = np.clip(logs[:, 1], *np.log(DECAYS))
    return np.stack([np.minimum(rise, decay - math.log(LEAST_RATIO)), decay], axis=1)


def _vertex(offsets: Array, objectives: Array, best: Array) -> Array:
    """Least point of the parabola through nine points, within the square; the best if it has none.

    Least squares on the grid of -1, 0 and 1 in both directions, written out.
    """
    heights = objectives - objectives.min()

    def moment(powers: Array) -> float:
        return math.fsum(powers * heights)

    x, y = offsets.T
    mean = moment(np.ones_like(x)) / 3
    gx, gy, hxy = moment(x) / 6, moment(y) / 6, moment(x * y) / 4
    hxx, hyy = moment(x * x) - 2 * mean, moment(y * y) - 2 * mean
    determinant = hxx * hyy - hxy * hxy
    if not (hxx > 0 and determinant > 0):
        return best
    vertex = np.array([hxy * gy - hyy * gx, hxy * gx - hxx * gy]) / determinant
    return np.clip(vertex, -1, 1)
