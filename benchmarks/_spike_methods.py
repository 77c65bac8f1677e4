"""Methods that infer spikes: calab 0.3.0, simple rules on our L1 solution, and ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import calab
import numpy as np
from _events import Events, crude, events, oracle
from _peers import run_peer
from _rate_methods import Inferred, Method, options_of
from _recordings import (
    Array,
    Population,
    Segment,
    neurons,
    populations,
    split_rate,
    split_times,
    together,
)
from _spikes import times_of_counts

#: Rate in hertz to which the predecessor's application upsamples.
PREDECESSOR_RATE = 300.0

Kernel = Literal["shared", "per_cell"]


def predecessor(python: str | None) -> Method:
    """Run calab 0.3.0 as its application does, at our time constants, on each segment."""

    def infer(segments: Sequence[Segment]) -> Inferred | None:
        fixed = {"noise_constrained": True, "hp_enabled": True, "lp_enabled": True}
        options = [
            options_of(segment)
            | fixed
            | {"upsample_factor": calab.compute_upsample_factor(segment.fs, PREDECESSOR_RATE)}
            for segment in segments
        ]
        traces = [segment.trace for segment in segments]
        outcomes = run_peer(python, "calab_spikes", traces, options)
        if outcomes is None:
            return None
        counts = [outcome.values["activity"].astype(np.float64) for outcome in outcomes]
        spikes = [times_of_counts(c, s.fs) for c, s in zip(counts, segments, strict=True)]
        return Inferred(sum(outcome.seconds for outcome in outcomes), counts, spikes)

    return infer


def amplitude_noise(segment: Segment) -> float:
    """Return the standard deviation of one spike's amplitude, were its time known."""
    kernel = calab.build_kernel(*segment.time_constants, segment.fs)
    return float(calab.noise_level(segment.trace, segment.fs) / np.linalg.norm(kernel))


def l1_events(segments: Sequence[Segment]) -> list[Events]:
    """Gather the events of our L1 solution, automatic weight and centred baseline."""
    found = []
    for segment in segments:
        arguments = (segment.trace, segment.fs, *segment.time_constants)
        activity = calab.run_deconvolution(
            *arguments, "auto", baseline_mode="centered", n_threads=1
        )
        found.append(events(activity, segment.fs))
    return found


def crude_rule(segments: Sequence[Segment]) -> Inferred:
    """Count the large events of our L1 solution in units of their median."""

    def spikes(mine: Sequence[int], found: Sequence[Events]) -> list[Array]:
        sigma = float(np.median([amplitude_noise(segments[i]) for i in mine]))
        return crude([found[i] for i in mine], sigma)

    return _by_rule(segments, spikes)


def oracle_rule(segments: Sequence[Segment]) -> Inferred:
    """Count the events of our L1 solution with each neuron's best threshold and unit."""

    def spikes(mine: Sequence[int], found: Sequence[Events]) -> list[Array]:
        return oracle([found[i] for i in mine], [segments[i].spike_times for i in mine])

    return _by_rule(segments, spikes)


def _by_rule(
    segments: Sequence[Segment],
    rule: Callable[[Sequence[int], Sequence[Events]], list[Array]],
) -> Inferred:
    start = time.perf_counter()
    found = l1_events(segments)
    spikes: list[Array] = [np.empty(0) for _ in segments]
    for mine in neurons(segments):
        for i, times in zip(mine, rule(mine, found), strict=True):
            spikes[i] = times
    return Inferred(time.perf_counter() - start, spikes=spikes)


def alone(segments: Sequence[Segment]) -> list[Population]:
    """Make every neuron a recording of its own."""
    return [together(segments, [mine]) for mine in neurons(segments)]


def cadecon(kernel: Kernel, grouped: bool) -> Method:
    """Run our pipeline on every neuron alone, or on those of one rate and data set together.

    No time constant, no weight and no indicator is given to it.
    """
    return partial(_cadecon, kernel, populations if grouped else alone)


def _cadecon(
    kernel: Kernel,
    arrange: Callable[[Sequence[Segment]], list[Population]],
    segments: Sequence[Segment],
) -> Inferred:
    start = time.perf_counter()
    activity: list[Array] = [np.empty(0) for _ in segments]
    spikes, unknown = list(activity), 0
    for population in arrange(segments):
        result = calab.run_cadecon(
            population.traces, population.fs, kernel=kernel, segments=population.starts
        )
        unknown += int(np.sum(~np.asarray(result.details.scale_known, dtype=bool)))
        for cell, mine in enumerate(population.members):
            sizes = [segments[i].trace.size for i in mine]
            rates = split_rate(population, np.asarray(result.details.rate[cell]), sizes)
            times = split_times(population, result.details.spike_times[cell], sizes)
            for i, rate, frames in zip(mine, rates, times, strict=True):
                activity[i], spikes[i] = rate, frames / segments[i].fs
    return Inferred(time.perf_counter() - start, activity, spikes, unknown)
