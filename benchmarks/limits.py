"""Show what limits the counts of recorded neurons: the amplitude of one spike, or all the rest.

Run as ``python benchmarks/limits.py --data FILE``. Each neuron is a recording of its own, with a
kernel of its own. Spikes are placed a second time with the amplitude that the true spike times
give by least squares, kernel and baseline as found; what is still wrong then is not the amplitude.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import calab
import numpy as np
from _recordings import Array, Population, Segment, read, split_times
from _spike_methods import alone
from _spikes import Detection, detect
from _tables import markdown
from calab_solver import bandpass_filter, build_kernel
from calab_solver.amplitudes import Kernels, measure_amplitudes
from calab_solver.inference import infer_spikes

#: Bins per frame on which the true spikes are laid out, and draws of the bootstrap.
FINE, DRAWS = 20, 2000


@dataclass(frozen=True)
class Neuron:
    """What was found of one neuron.

    Attributes
    ----------
    data_set : str
    tau_decay : float
        Seconds.
    log_ratio : float
        Logarithm of the amplitude found over that of the true spike times.
    log_sd : float
        Standard error of the amplitude, as a share of it.
    known : bool
        Whether the scale is claimed.
    drift : str
        What is said of its drift; empty where there is none.
    flags : list of str
    f1, count_error : float
        With the amplitude that was found.
    true_f1, true_count_error : float
        With that of the true spike times.
    """

    data_set: str
    tau_decay: float
    log_ratio: float
    log_sd: float
    known: bool
    drift: str
    flags: list[str]
    f1: float
    count_error: float
    true_f1: float
    true_count_error: float


def judge(population: Population, segments: Sequence[Segment]) -> Neuron:
    """Run the pipeline on one neuron, and place its spikes again with the true amplitude."""
    mine = population.members[0]
    result = calab.run_cadecon(
        population.traces, population.fs, kernel="per_cell", segments=population.starts
    )
    details = result.details
    kernels = Kernels(
        population.fs,
        details.tau_rise,
        details.tau_decay,
        result.metadata["upsample_factor"],
        population.starts,
    )
    times = (details.tau_rise[0], details.tau_decay[0], population.fs)
    working = population.traces - details.removed_baseline
    working = bandpass_filter(working, *times, segments=population.starts, high_pass=False)
    true_alpha = _true_alpha(population, [segments[i] for i in mine], working[0], times)
    amplitudes = measure_amplitudes(working, kernels, details.noise)
    placed = infer_spikes(working, kernels, amplitudes, np.log([true_alpha])).placed.bins[0]
    fine = population.fs * kernels.upsample_factor
    found, ideal = (
        _detected(population, segments, spikes)
        for spikes in (details.spike_times[0], placed / fine)
    )
    alpha = float(result.alphas[0])
    return Neuron(
        segments[mine[0]].data_set,
        float(details.tau_decay[0]),
        float(np.log(alpha / true_alpha)),
        float(details.alpha_sd[0]) / alpha,
        bool(details.scale_known[0]),
        details.drift.get(0, ""),
        list(calab.quality(result, population.traces).flags[0]),
        found.f1,
        _count_error(found),
        ideal.f1,
        _count_error(ideal),
    )


def _true_alpha(
    population: Population, mine: Sequence[Segment], working: Array, times: tuple[float, ...]
) -> float:
    """Amplitude of one spike by least squares on the true spike times, with an offset."""
    rise, decay, fs = times
    kernel = build_kernel(rise, decay, fs * FINE)
    calcium = np.zeros(working.size)
    for start, segment in zip(population.starts, mine, strict=False):
        size = segment.trace.size
        bins = np.rint(segment.spike_times * segment.fs * FINE).astype(np.int64)
        train = np.bincount(bins[(bins >= 0) & (bins < size * FINE)], minlength=size * FINE)
        # The k-th sample holds what spikes up to its own time have left.
        for lag in range(FINE):
            held = np.convolve(train[(-lag) % FINE :: FINE], kernel[lag::FINE])
            first = 0 if lag == 0 else 1
            calcium[start + first : start + size] += held[: size - first]
    seen = ~np.isnan(working)
    columns = np.stack([calcium / kernel.max(), np.ones(working.size)], axis=1)[seen]
    return float(max(np.linalg.lstsq(columns, working[seen], rcond=None)[0][0], 1e-9))


def _detected(population: Population, segments: Sequence[Segment], spikes: Array) -> Detection:
    mine = population.members[0]
    frames = split_times(population, spikes, [segments[i].trace.size for i in mine])
    inferred = [one / segments[i].fs for one, i in zip(frames, mine, strict=True)]
    return detect(inferred, [segments[i].spike_times for i in mine])


def _count_error(found: Detection) -> float:
    return (found.inferred - found.true) / max(found.true, 1)


def by_data_set(neurons: Sequence[Neuron]) -> str:
    """Lay out the medians of every data set, and of all."""
    head = ["data set", "neurons", "decay, s", "alpha / true", "F1", "count error"]
    lines = [[*head, "F1, true alpha", "count error, true alpha"]]
    for data_set in [*dict.fromkeys(one.data_set for one in neurons), "overall"]:
        mine = [one for one in neurons if data_set in (one.data_set, "overall")]
        decays, ratios = (
            np.quantile(values, [0, 0.5, 1])
            for values in ([n.tau_decay for n in mine], np.exp([n.log_ratio for n in mine]))
        )
        errors = [np.median(np.abs([n.count_error for n in mine]))]
        errors += [np.median(np.abs([n.true_count_error for n in mine]))]
        f1s = [np.mean([n.f1 for n in mine]), np.mean([n.true_f1 for n in mine])]
        spans = [f"{span[1]:.2g} ({span[0]:.2g} to {span[2]:.2g})" for span in (decays, ratios)]
        scores = [f"{f1s[0]:.3f}", f"{errors[0]:.2f}", f"{f1s[1]:.3f}", f"{errors[1]:.2f}"]
        lines.append([data_set, str(len(mine)), *spans, *scores])
    return markdown(lines)


def by_flag(neurons: Sequence[Neuron]) -> str:
    """Lay out neurons with and without every flag."""
    lines = [["flag", "neurons", "F1", "count error"]]
    for flag in dict.fromkeys(flag for one in neurons for flag in one.flags):
        parts = [[one for one in neurons if (flag in one.flags) is has] for has in (True, False)]
        f1s = ", ".join(f"{np.mean([n.f1 for n in part]):.2f}" for part in parts if part)
        errors = ", ".join(
            f"{np.median(np.abs([n.count_error for n in part])):.0%}" for part in parts if part
        )
        lines.append([flag, str(len(parts[0])), f1s, errors])
    return markdown(lines)


def in_words(neurons: Sequence[Neuron]) -> str:
    """Say how sure the medians are, and whether the standard errors hold."""
    errors = np.abs([one.count_error for one in neurons])
    drawn = np.random.default_rng(0).choice(errors, (DRAWS, errors.size))
    spread = float(np.std(np.median(drawn, axis=1)))
    off = np.array([one.log_ratio / one.log_sd for one in neurons])
    said = Counter(one.drift or "none" for one in neurons)
    drift = "; ".join(f"{reason}: {count}" for reason, count in said.most_common())
    return (
        f"median count error {np.median(errors):.3f}, sampling deviation {spread:.3f} (bootstrap)\n"
        f"error of log alpha over its deviation: root mean square {np.sqrt(np.mean(off**2)):.2f}\n"
        f"scale known: {sum(one.known for one in neurons)} of {len(neurons)}\n"
        f"drift: {drift}"
    )


def main() -> None:
    """Judge every neuron and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="recordings with spike times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the neurons here")
    parser.add_argument("--quick", action="store_true", help="half a minute of a neuron each")
    args = parser.parse_args()
    segments = list(read(args.data, args.quick))
    neurons = [judge(population, segments) for population in alone(segments)]
    print(f"{by_data_set(neurons)}\n\n{by_flag(neurons)}\n\n{in_words(neurons)}")
    if args.json:
        args.json.write_text(json.dumps([asdict(one) for one in neurons]))


if __name__ == "__main__":
    main()
