"""Compare inferred activity and spikes with electrophysiology, beside other packages.

Run as ``python benchmarks/ground_truth.py --data FILE.h5 --peers PYTHON``; ``docs/benchmarks.md``
says what the file holds, how it is scored, and what came out. ``--sweep`` scores our own settings
instead of the methods.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from _rate_methods import Inferred, Method, derivative, ours, peer, varied
from _recordings import Array, Segment, neurons, read
from _scores import Score, lag_profile, overall, score_data_set
from _spike_methods import cadecon, crude_rule, oracle_rule, predecessor
from _spikes import Detection, DetectionScore, detect, summarise
from _tables import Row, by_data_set, by_method, spikes_by_data_set, spikes_by_method

SIGMAS = (0.2, 0.05)
#: What the predecessor's own tuning page starts from; it has no automatic weight.
PREDECESSOR_LAM = 0.01


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
        "calab 0.3.0 solve_trace": predecessor(python),
        "crude rule on L1 events": crude_rule,
        "oracle on L1 events": oracle_rule,
        "run_cadecon, neuron alone": cadecon("per_cell", grouped=False),
        "run_cadecon, shared": cadecon("shared", grouped=True),
        "run_cadecon, per cell": cadecon("per_cell", grouped=True),
    }


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


def detection(segments: Sequence[Segment], spikes: Sequence[Array]) -> dict[str, DetectionScore]:
    """Summarise each data set, and all neurons together under ``"overall"``."""
    found: dict[str, list[Detection]] = defaultdict(list)
    for mine in neurons(segments):
        truth = [segments[i].spike_times for i in mine]
        found[segments[mine[0]].data_set].append(detect([spikes[i] for i in mine], truth))
    everyone = [neuron for group in found.values() for neuron in group]
    scores = {name: summarise(group) for name, group in found.items()}
    return scores | {"overall": summarise(everyone)}


def report(name: str, segments: Sequence[Segment], method: Method) -> list[Row]:
    """Run a method, print its part of the table and return it as rows."""
    inferred = method(segments)
    if inferred is None:
        print(f"{name:<27}not run", flush=True)
        return [{"method": name, "data_set": "overall", "run": False}]
    cost = 1e6 * inferred.seconds / sum(segment.trace.size for segment in segments)
    rows: list[Row] = [
        row | {"method": name, "run": True, "microseconds_per_frame": cost}
        for row in (*rate_rows(segments, inferred), *spike_rows(segments, inferred))
    ]
    for row in rows:
        numbers = " ".join(f"{k} {v:.3f}" for k, v in row.items() if isinstance(v, float))
        print(f"{name:<27}{row['data_set']:<38}{numbers}", flush=True)
    return rows


def rate_rows(segments: Sequence[Segment], inferred: Inferred) -> list[dict[str, object]]:
    """Return a row of correlations per width and data set."""
    if inferred.activity is None:
        return []
    return [
        {"data_set": data_set, "kind": "rate", "sigma": sigma} | asdict(result)
        for sigma in SIGMAS
        for data_set, result in score(segments, inferred.activity, sigma).items()
    ]


def spike_rows(segments: Sequence[Segment], inferred: Inferred) -> list[dict[str, object]]:
    """Return a row of detection scores per data set."""
    if inferred.spikes is None:
        return []
    return [
        {"data_set": data_set, "kind": "spikes", "unknown": inferred.unknown} | asdict(result)
        for data_set, result in detection(segments, inferred.spikes).items()
    ]


def main() -> None:
    """Score every method and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="recordings with spike times")
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with the other packages")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--quick", action="store_true", help="half a minute of a neuron each")
    parser.add_argument("--sweep", action="store_true", help="vary our settings instead")
    parser.add_argument("--only", metavar="TEXT", default="", help="methods with this in the name")
    args = parser.parse_args()
    segments = list(read(args.data, args.quick))
    rows: list[Row] = []
    compared = variants() if args.sweep else methods(args.peers)
    for name, method in compared.items():
        if args.only in name:
            rows += report(name, segments, method)
    print(f"\n{by_method(rows, SIGMAS)}")
    for sigma in () if args.sweep else SIGMAS:
        print(f"\nsigma {sigma:g} s\n\n{by_data_set(rows, sigma)}")
    if not args.sweep:
        print(f"\nspikes\n\n{spikes_by_method(rows)}\n\n{spikes_by_data_set(rows)}")
    if args.json:
        args.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
