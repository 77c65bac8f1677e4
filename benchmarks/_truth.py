"""What the known spikes of a neuron say of it: kernel, amplitude, baseline and linearity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from _recordings import Array
from calab_core.cadecon.kernel import Kernel, Step, grid_search, refine, sample

#: Decays after which a spike is over.
REACH = 8.0
#: Steps from the best kernel of the grid.
STEPS = 12
#: Exponents that are compared.
EXPONENTS = np.linspace(0.4, 2.5, 43)
#: Window of the baseline's median in seconds.
BASELINE_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class Spikes:
    """The spikes of one neuron over all its segments.

    Attributes
    ----------
    times : sequence of numpy.ndarray
        Seconds from the first frame of each segment.
    sizes : sequence of int
        Frames of each segment; their traces stand one behind the other.
    fs : float
        Sampling rate in hertz.
    """

    times: Sequence[Array]
    sizes: Sequence[int]
    fs: float

    def calcium(self, kernel: Kernel) -> Array:
        """Return what the spikes make, in units of the peak of one of them."""
        calcium = np.zeros(sum(self.sizes))
        length = int(REACH * kernel.tau_decay * self.fs) + 1
        starts = accumulate(self.sizes, initial=0)
        for start, size, times in zip(starts, self.sizes, self.times, strict=False):
            for first, time in zip(np.ceil(times * self.fs).astype(int), times, strict=True):
                frames = np.arange(max(first, 0), min(first + length, size))
                calcium[start + frames] += sample(kernel, frames / self.fs - time)
        return calcium


@dataclass(frozen=True)
class Fit:
    """A trace as a multiple of some calcium above a constant.

    Attributes
    ----------
    alpha, constant : float
        In the trace's unit.
    left : float
        Mean square of the rest.
    """

    alpha: float
    constant: float
    left: float


def fit(trace: Array, calcium: Array) -> Fit:
    """Fit amplitude and constant by least squares; the amplitude is positive."""
    seen = ~np.isnan(trace)
    y, c = trace[seen], calcium[seen]
    apart = c - c.mean()
    alpha = max(float(apart @ (y - y.mean()) / max(apart @ apart, 1e-12)), 1e-9)
    constant = float(y.mean() - alpha * c.mean())
    return Fit(alpha, constant, float(np.mean((y - constant - alpha * c) ** 2)))


def true_kernel(trace: Array, spikes: Spikes) -> Kernel:
    """Return the time constants that explain a trace best by the spikes that were recorded."""

    def score(logs: Array) -> Array:
        kernels = (Kernel.from_logs(one) for one in logs)
        return np.array([fit(trace, spikes.calcium(kernel)).left for kernel in kernels])

    step: Step = grid_search(score, score)
    for _ in range(STEPS):
        step = refine(step, score)
    return step.kernel


def true_baseline(trace: Array, calcium: Array, sizes: Sequence[int], fs: float) -> Array:
    """Return the sliding median of what the spikes leave of a trace, segment by segment."""
    left = trace - fit(trace, calcium).alpha * calcium
    half = int(BASELINE_SECONDS * fs / 2)
    borders = list(accumulate(sizes))[:-1]
    return np.concatenate([_smoothed(part, half) for part in np.split(left, borders)])


def _smoothed(trace: Array, half: int) -> Array:
    """Take the median over so many frames on either side, ten times per window, and join them."""
    centres = np.arange(0, trace.size, max(1, half // 5))
    medians = [np.nanmedian(trace[max(0, c - half) : c + half + 1]) for c in centres]
    return np.asarray(np.interp(np.arange(trace.size), centres, medians))


def exponent(trace: Array, calcium: Array) -> float:
    """Return the power of the calcium that explains a trace best: 1 where spikes simply add up."""
    left = [fit(trace, calcium**power).left for power in EXPONENTS]
    return float(EXPONENTS[int(np.argmin(left))])
