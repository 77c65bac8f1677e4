"""Correlate inferred activity with spikes recorded by electrophysiology, beside other packages.

Run as ``python benchmarks/ground_truth.py --data FILE.h5 --peers PYTHON``; ``docs/benchmarks.md``
says what the file holds, how it is scored, and what came out. ``--sweep`` scores our own settings
instead of the methods.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from _peers import run_peer
from _scores import Array, Score, lag_profile, overall, score_data_set, smoothed
from _tables import by_data_set, by_method
from calab import build_kernel, noise_level, run_deconvolution

SIGMAS = (0.2, 0.05)
#: Rise and decay in seconds, the same for every method; not fitted to this data.
TIME_CONSTANTS = {
    "GCaMP6f": (0.05, 0.5),
    "GCaMP6s": (0.15, 1.3),
    "GCaMP7f": (0.04, 0.5),
    "GCaMP8f": (0.02, 0.2),
    "GCaMP8m": (0.02, 0.3),
    "GCaMP8s": (0.03, 0.6),
}
#: What the predecessor's own tuning page starts from; it has no automatic weight.
PREDECESSOR_LAM = 0.01
#: Width of the Gaussian whose derivative is the simplest of all methods, in seconds.
DERIVATIVE_SIGMA = 0.05


@dataclass(frozen=True, eq=False)
class Segment:
    """One uninterrupted recording of a neuron: dF/F per frame, and spike times in seconds."""

    data_set: str
    neuron: str
    trace: Array
    spike_times: Array
    fs: float
    indicator: str

    @property
    def time_constants(self) -> tuple[float, float]:
        """Rise and decay in seconds."""
        return TIME_CONSTANTS[self.indicator]


Baseline = Literal["causal", "centered", "constant", "none"]
Inferred = tuple[list[Array], float]
Method = Callable[[Sequence[Segment]], Inferred | None]


def read(path: Path, quick: bool) -> Iterator[Segment]:
    """Yield every segment of the file; if ``quick``, half a minute of one neuron per data set."""
    with h5py.File(path) as file:
        for data_set, neurons in file.items():
            for neuron in list(neurons)[: 1 if quick else None]:
                for segment in neurons[neuron].values():
                    fs = float(segment.attrs["fs"])
                    end = int(30 * fs) if quick else None
                    yield Segment(
                        data_set=data_set,
                        neuron=neuron,
                        trace=segment["trace"][:end].astype(np.float64),
                        spike_times=segment["spike_times"][:],
                        fs=fs,
                        indicator=str(segment.attrs["indicator"]),
                    )


def ours(lam: float | Literal["auto"], baseline: Baseline) -> Method:
    """Deconvolve each segment alone, on one thread."""

    def infer(segments: Sequence[Segment]) -> Inferred:
        found, start = [], time.perf_counter()
        for segment in segments:
            rates = (segment.fs, *segment.time_constants)
            trace = segment.trace
            activity = run_deconvolution(trace, *rates, lam, baseline_mode=baseline, n_threads=1)
            found.append(activity)
        return found, time.perf_counter() - start

    return infer


def peer(python: str | None, method: str, **extra: float) -> Method:
    """Run a peer on each segment, with our time constants."""

    def infer(segments: Sequence[Segment]) -> Inferred | None:
        options = [_options(segment) | extra for segment in segments]
        outcomes = run_peer(python, method, [segment.trace for segment in segments], options)
        if outcomes is None:
            return None
        activity = [outcome.values["activity"] for outcome in outcomes]
        return activity, sum(outcome.seconds for outcome in outcomes)

    return infer


def _options(segment: Segment) -> dict[str, float]:
    rise, decay = segment.time_constants
    decay_per_frame = float(np.exp(-1 / (decay * segment.fs)))
    return {"fs": segment.fs, "tau_rise": rise, "tau_decay": decay, "g": decay_per_frame}


def derivative(segments: Sequence[Segment]) -> Inferred:
    """Take the slope of the smoothed trace where it rises."""
    start = time.perf_counter()
    slopes = [np.gradient(smoothed(s.trace, DERIVATIVE_SIGMA, s.fs)) for s in segments]
    return [np.maximum(slope, 0) for slope in slopes], time.perf_counter() - start


def methods(python: str | None) -> dict[str, Method]:
    """Return every row of the table by its name."""
    return {
        "calab auto, centred": ours("auto", "centered"),
        "calab lam 0, centred": ours(0.0, "centered"),
        "calab auto, causal": ours("auto", "causal"),
        "calab lam 0, causal": ours(0.0, "causal"),
        "calab 0.3.0, lam 0.01": peer(python, "calab_l1", lam=PREDECESSOR_LAM),
        "calab 0.3.0, lam 0": peer(python, "calab_l1", lam=0.0),
        "oasisAR1, lam 0": peer(python, "oasis_ar1"),
        "OASIS automatic AR(1)": peer(python, "oasis_automatic", tau_rise=0.0),
        "OASIS automatic AR(2)": peer(python, "oasis_automatic"),
        "smoothed derivative": derivative,
    }


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
        return found, time.perf_counter() - start

    return infer


def variants() -> dict[str, Method]:
    """Return every row of the sweep by its name."""
    shares = {f"lam {share:g} lambda_u": varied(share) for share in (0, 0.05, 0.1, 0.3, 1, 2)}
    return shares | {
        "lam auto": ours("auto", "centered"),
        "baseline causal": varied(baseline="causal"),
        "baseline constant": varied(baseline="constant"),
        "baseline none": varied(baseline="none"),
        "rise x 0.5": varied(rise=0.5),
        "rise x 2": varied(rise=2.0),
        "decay x 0.6": varied(decay=0.6),
        "decay x 1.5": varied(decay=1.5),
    }


def score(segments: Sequence[Segment], activity: Sequence[Array], sigma: float) -> dict[str, Score]:
    """Score each data set, and all of them together under ``"overall"``."""
    profiles: dict[str, dict[str, list[Array]]] = defaultdict(lambda: defaultdict(list))
    for segment, inferred in zip(segments, activity, strict=True):
        profile = lag_profile(inferred, segment.spike_times, segment.fs, sigma)
        profiles[segment.data_set][segment.neuron].append(profile)
    scores = {name: score_data_set(neurons) for name, neurons in profiles.items()}
    return scores | {"overall": overall(list(scores.values()))}


def report(name: str, segments: Sequence[Segment], method: Method) -> list[dict[str, object]]:
    """Run a method, print its part of the table and return it as rows."""
    inferred = method(segments)
    if inferred is None:
        print(f"{name:<24}not run", flush=True)
        return [{"method": name, "data_set": "overall", "run": False}]
    activity, seconds = inferred
    cost = 1e6 * seconds / sum(segment.trace.size for segment in segments)
    rows: list[dict[str, object]] = []
    for sigma in SIGMAS:
        for data_set, result in score(segments, activity, sigma).items():
            row = {"method": name, "data_set": data_set, "run": True, "sigma": sigma}
            rows.append(row | asdict(result) | {"microseconds_per_frame": cost})
            print(
                f"{name:<24}{data_set:<38}{result.neurons:>3}{sigma:>7}"
                f"{result.as_is:>8.3f}{result.best:>8.3f}{result.lag:>+7.2f}{cost:>9.3f}",
                flush=True,
            )
    return rows


def main() -> None:
    """Score every method and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="recordings with spike times")
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with the other packages")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--quick", action="store_true", help="half a minute of a neuron each")
    parser.add_argument("--sweep", action="store_true", help="vary our settings instead")
    args = parser.parse_args()
    segments = list(read(args.data, args.quick))
    print(
        f"{'method':<24}{'data set':<38}{'n':>3}{'sigma':>7}{'as is':>8}{'at lag':>8}{'lag/s':>7}"
        f"{'us/frame':>9}"
    )
    rows: list[dict[str, object]] = []
    compared = variants() if args.sweep else methods(args.peers)
    for name, method in compared.items():
        rows += report(name, segments, method)
    print(f"\n{by_method(rows, SIGMAS)}")
    for sigma in () if args.sweep else SIGMAS:
        print(f"\nsigma {sigma:g} s\n\n{by_data_set(rows, sigma)}")
    if args.json:
        args.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
