"""Show what limits the counts of recorded neurons: amplitude, kernel, baseline, noise or the rest.

Run as ``python benchmarks/limits.py --data FILE``. Each neuron is a recording of its own, with a
kernel of its own. Then spikes are placed anew, with one thing after the other taken from the true
spike times instead: what is still wrong with all of them is none of these. Last, the neuron is
simulated: its true spikes under its true kernel in white noise of its size, with and without the
exponent that says how its calcium departs from a sum.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import calab
import numpy as np
from _recordings import Array, Population, Segment, read, split_times
from _spike_methods import alone
from _spikes import Detection, detect
from _tables import markdown
from _truth import Spikes, exponent, fit, true_baseline, true_kernel
from calab_core.cadecon.kernel import Kernel
from calab_solver import bandpass_filter
from calab_solver.amplitudes import Kernels, measure_amplitudes
from calab_solver.inference import infer_spikes
from numpy.typing import ArrayLike

#: Draws of the bootstrap.
DRAWS = 2000


@dataclass(frozen=True)
class Neuron:
    """What was found of one neuron.

    Attributes
    ----------
    data_set : str
    tau_decay, true_decay : float
        Seconds, as found and as the true spike times give it.
    log_true : float
        Logarithm of the amplitude that the true spike times give under the kernel found.
    log_ratio : float
        Logarithm of the amplitude found over that of the true spike times under the same kernel.
    log_sd : float
        Standard error of the amplitude, as a share of it.
    known : bool
        Whether the scale is claimed.
    drift : str
        What is said of its drift; empty where there is none.
    flags : list of str
    spike_snr : float
        True amplitude of one spike over the noise.
    exponent : float
        Power of the summed calcium that explains the trace best.
    f1, count_error : mapping of str to float
        By what was taken from the truth, see `Judge.go_through`; the count error signed.
    """

    data_set: str
    tau_decay: float
    true_decay: float
    log_true: float
    log_ratio: float
    log_sd: float
    known: bool
    drift: str
    flags: list[str]
    spike_snr: float
    exponent: float
    f1: Mapping[str, float]
    count_error: Mapping[str, float]


class Judge:
    """One neuron, and how well its spikes are placed from this and that trace."""

    def __init__(self, population: Population, segments: Sequence[Segment]) -> None:
        self.population = population
        mine = [segments[i] for i in population.members[0]]
        self.data_set = mine[0].data_set
        sizes = [segment.trace.size for segment in mine]
        self.spikes = Spikes([segment.spike_times for segment in mine], sizes, population.fs)
        self.rates = [segment.fs for segment in mine]
        self.result = calab.run_cadecon(
            population.traces, population.fs, kernel="per_cell", segments=population.starts
        )
        self.noise = float(self.result.details.noise[0])
        self.scores: dict[str, Detection] = {}

    def detected(self, name: str, seconds: Array) -> None:
        """Match spikes with the true ones and note the outcome under a name."""
        frames = split_times(self.population, seconds, self.spikes.sizes)
        inferred = [one / fs for one, fs in zip(frames, self.rates, strict=True)]
        self.scores[name] = detect(inferred, self.spikes.times)

    def placed(self, name: str, trace: Array, kernel: Kernel) -> float:
        """Place spikes in a trace without baseline, from the true amplitude on; return that."""
        times = (kernel.tau_rise, kernel.tau_decay, self.population.fs)
        starts = self.population.starts
        working = bandpass_filter(trace[None], *times, segments=starts, high_pass=False)
        kernels = Kernels(
            self.population.fs,
            np.array([kernel.tau_rise]),
            np.array([kernel.tau_decay]),
            self.result.metadata["upsample_factor"],
            starts,
        )
        alpha = fit(working[0], self.spikes.calcium(kernel)).alpha
        amplitudes = measure_amplitudes(working, kernels, np.array([self.noise]))
        bins = infer_spikes(working, kernels, amplitudes, np.log([alpha])).placed.bins[0]
        self.detected(name, bins / (self.population.fs * kernels.upsample_factor))
        return alpha

    def go_through(self) -> Neuron:
        """Take one thing after the other from the true spikes."""
        result, details, spikes = self.result, self.result.details, self.spikes
        trace = self.population.traces[0]
        above = trace - details.removed_baseline[0]
        found = Kernel(float(details.tau_rise[0]), float(details.tau_decay[0]))
        self.detected("as found", details.spike_times[0])
        true_alpha = self.placed("amplitude", above, found)
        kernel = true_kernel(above, spikes)
        self.placed("and kernel", above, kernel)
        calcium = spikes.calcium(kernel)
        above = trace - true_baseline(trace, calcium, spikes.sizes, spikes.fs)
        best = fit(above, calcium)
        self.placed("and baseline", above - best.constant, kernel)
        power = exponent(above, calcium)
        # As `details.noise`, which the white part alone makes: a fixed seed for a fixed answer.
        white = self.noise * np.random.default_rng(0).standard_normal(trace.size)
        curve = fit(above, calcium**power).alpha * calcium**power
        self.placed("noise, exponent", curve + white, kernel)
        self.placed("noise", best.alpha * calcium + white, kernel)
        alpha = float(result.alphas[0])
        return Neuron(
            self.data_set,
            found.tau_decay,
            kernel.tau_decay,
            float(np.log(true_alpha)),
            float(np.log(alpha / true_alpha)),
            float(details.alpha_sd[0]) / alpha,
            bool(details.scale_known[0]),
            details.drift.get(0, ""),
            list(calab.quality(result, self.population.traces).flags[0]),
            best.alpha / self.noise,
            power,
            {name: score.f1 for name, score in self.scores.items()},
            {name: _count_error(score) for name, score in self.scores.items()},
        )


def _count_error(found: Detection) -> float:
    return (found.inferred - found.true) / max(found.true, 1)


def _groups(neurons: Sequence[Neuron]) -> dict[str, list[Neuron]]:
    names = [*dict.fromkeys(one.data_set for one in neurons), "overall"]
    return {name: [n for n in neurons if name in (n.data_set, "overall")] for name in names}


def by_data_set(neurons: Sequence[Neuron]) -> str:
    """Lay out medians and ranges of every data set, and of all."""
    head = ["data set", "neurons", "decay, s", "true decay, s", "alpha / true", "spike / noise"]
    lines = [[*head, "exponent"]]
    for data_set, mine in _groups(neurons).items():
        columns: list[ArrayLike] = [
            [n.tau_decay for n in mine],
            [n.true_decay for n in mine],
            np.exp([n.log_ratio for n in mine]),
            [n.spike_snr for n in mine],
            [n.exponent for n in mine],
        ]
        spans = [
            np.quantile(np.asarray(values, dtype=np.float64), [0.5, 0, 1]) for values in columns
        ]
        cells = ["{:.2g} ({:.2g} to {:.2g})".format(*span) for span in spans]
        lines.append([data_set, str(len(mine)), *cells])
    return markdown(lines)


def ladder(neurons: Sequence[Neuron]) -> str:
    """Lay out F1 and, in brackets, the count error by what was taken from the truth."""
    steps = list(neurons[0].f1)
    lines = [["data set", *steps]]
    for data_set, mine in _groups(neurons).items():
        cells = []
        for step in steps:
            f1 = np.mean([n.f1[step] for n in mine])
            off = np.median(np.abs([n.count_error[step] for n in mine]))
            cells.append(f"{f1:.3f} ({off:.2f})")
        lines.append([data_set, *cells])
    return markdown(lines)


def by_flag(neurons: Sequence[Neuron]) -> str:
    """Lay out neurons with and without every flag."""
    lines = [["flag", "neurons", "F1", "count error"]]
    for flag in dict.fromkeys(flag for one in neurons for flag in one.flags):
        parts = [[one for one in neurons if (flag in one.flags) is has] for has in (True, False)]
        f1s = ", ".join(f"{np.mean(_found(part, 'f1')):.2f}" for part in parts if part)
        off = [np.median(np.abs(_found(part, "count_error"))) for part in parts if part]
        errors = ", ".join(f"{one:.0%}" for one in off)
        lines.append([flag, str(len(parts[0])), f1s, errors])
    return markdown(lines)


def _found(neurons: Sequence[Neuron], column: str) -> Array:
    return np.array([getattr(one, column)["as found"] for one in neurons])


def in_words(neurons: Sequence[Neuron]) -> str:
    """Say how sure the medians are, and whether the standard errors hold."""
    errors = np.abs(_found(neurons, "count_error"))
    drawn = np.random.default_rng(0).choice(errors, (DRAWS, errors.size))
    spread = float(np.std(np.median(drawn, axis=1)))
    off = np.array([one.log_ratio / one.log_sd for one in neurons])
    sets = [[n.log_true for n in group] for group in _groups(neurons).values()]
    within = [float(np.var(one, ddof=1)) for one in sets[:-1] if len(one) > 1]
    between_cells = float(np.sqrt(np.mean(within))) if within else float("nan")
    said = Counter(one.drift or "none" for one in neurons)
    drift = "; ".join(f"{reason}: {count}" for reason, count in said.most_common())
    return (
        f"median count error {np.median(errors):.3f}, sampling deviation {spread:.3f} (bootstrap)\n"
        f"error of log alpha over its deviation: root mean square {np.sqrt(np.mean(off**2)):.2f}\n"
        f"spread of log of the true amplitude within data sets: {between_cells:.2f}\n"
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
    neurons = [Judge(population, segments).go_through() for population in alone(segments)]
    print(f"{by_data_set(neurons)}\n\n{ladder(neurons)}\n\n{by_flag(neurons)}\n")
    print(in_words(neurons))
    if args.json:
        args.json.write_text(json.dumps([asdict(one) for one in neurons]))


if __name__ == "__main__":
    main()
