"""Methods that infer an activity in arbitrary units, with fixed time constants."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from _peers import run_peer
from _recordings import Array, Segment
from _scores import smoothed
from calab import build_kernel, noise_level, run_deconvolution

#: Width of the Gaussian whose derivative is the simplest of all methods, in seconds.
DERIVATIVE_SIGMA = 0.05


@dataclass(frozen=True, eq=False)
class Inferred:
    """What a method says of every segment.

    Attributes
    ----------
    seconds : float
        Time of all segments together.
    activity : list of numpy.ndarray, or None
        One value per frame in any unit; None for a method that gives spikes only.
    spikes : list of numpy.ndarray, or None
        Spike times in seconds from the segment's first frame; None without a unit.
    unknown : int
        Neurons whose amplitude of one spike the method itself calls unknown.
    """

    seconds: float
    activity: list[Array] | None = None
    spikes: list[Array] | None = None
    unknown: int = 0


Baseline = Literal["causal", "centered", "constant", "none"]
Method = Callable[[Sequence[Segment]], Inferred | None]


def ours(lam: float | Literal["auto"], baseline: Baseline) -> Method:
    """Deconvolve each segment alone, on one thread."""

    def infer(segments: Sequence[Segment]) -> Inferred:
        found, start = [], time.perf_counter()
        for segment in segments:
            rates = (segment.fs, *segment.time_constants)
            trace = segment.trace
            activity = run_deconvolution(trace, *rates, lam, baseline_mode=baseline, n_threads=1)
            found.append(activity)
        return Inferred(time.perf_counter() - start, found)

    return infer


def peer(python: str | None, method: str, **extra: float) -> Method:
    """Run a peer on each segment, with our time constants."""

    def infer(segments: Sequence[Segment]) -> Inferred | None:
        options = [options_of(segment) | extra for segment in segments]
        outcomes = run_peer(python, method, [segment.trace for segment in segments], options)
        if outcomes is None:
            return None
        activity = [outcome.values["activity"] for outcome in outcomes]
        return Inferred(sum(outcome.seconds for outcome in outcomes), activity)

    return infer


def options_of(segment: Segment) -> dict[str, float]:
    """Return rate and time constants, as the peers' functions take them."""
    rise, decay = segment.time_constants
    decay_per_frame = float(np.exp(-1 / (decay * segment.fs)))
    return {"fs": segment.fs, "tau_rise": rise, "tau_decay": decay, "g": decay_per_frame}


def derivative(segments: Sequence[Segment]) -> Inferred:
    """Take the slope of the smoothed trace where it rises."""
    start = time.perf_counter()
    slopes = [np.gradient(smoothed(s.trace, DERIVATIVE_SIGMA, s.fs)) for s in segments]
    found = [np.maximum(slope, 0) for slope in slopes]
    return Inferred(time.perf_counter() - start, found)


def varied(
    share: float = 0.1, *, baseline: Baseline = "centered", rise: float = 1.0, decay: float = 1.0
) -> Method:
    """Deconvolve with a share of the universal weight and multiples of the time constants."""

    def infer(segments: Sequence[Segment]) -> Inferred:
        found, start = [], time.perf_counter()
        for segment in segments:
            tau_rise, tau_decay = segment.time_constants
            tau_rise, tau_decay = rise * tau_rise, decay * tau_decay
            kernel = build_kernel(tau_rise, tau_decay, segment.fs)
            noise = float(noise_level(segment.trace, segment.fs))
            level = noise * np.linalg.norm(kernel) * np.sqrt(2 * np.log(segment.trace.size))
            lam = share * float(level / kernel.sum())
            rates = (segment.fs, tau_rise, tau_decay)
            trace = segment.trace
            activity = run_deconvolution(trace, *rates, lam, baseline_mode=baseline, n_threads=1)
            found.append(activity)
        return Inferred(time.perf_counter() - start, found)

    return infer
