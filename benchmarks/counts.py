"""Judge kernels and spike counts on simulated recordings, where all of it is known.

Run as ``python benchmarks/counts.py``, with ``--cells``, ``--frames`` and ``--seeds`` for less.
``run_cadecon`` gets the traces and the rate alone; ``solve_trace`` gets the true time constants,
so that what it misses is not the kernel's fault. ``docs/benchmarks.md`` says how it is scored.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import calab
import numpy as np
from _simulated import Recording, SpikeModel, count_error, peak_time, record, time_error
from _tables import Row, markdown

PRESETS = ("gcamp6f", "gcamp6s", "jgcamp8f")
#: One spike's peak in standard deviations of the noise (None: the preset's own noise), and whether
#: the baseline drifts.
NOISES: Mapping[str, tuple[float | None, bool]] = {
    "own": (None, True),
    "8": (8.0, False),
    "3": (3.0, False),
    "8, drift": (8.0, True),
}
UPSAMPLING = (1, 2, 5, 10, 20)
#: Relative error of an amplitude from which a claim is wrong.
WRONG = 0.15


def pipeline(recording: Recording) -> dict[str, float]:
    """Run ``run_cadecon`` with its default settings and compare with what is true."""
    start = time.perf_counter()
    result = calab.run_cadecon(recording.traces, recording.fs)
    seconds = time.perf_counter() - start
    details = result.details
    rise, decay = (float(np.nanmedian(values)) for values in (details.tau_rise, details.tau_decay))
    peak = peak_time(recording.tau_rise, recording.tau_decay)
    return {
        "tau_decay_error": decay / recording.tau_decay - 1,
        "peak_error_frames": (peak_time(rise, decay) - peak) * recording.fs,
        "count_error": count_error(np.asarray(result.activity), recording.counts),
        "alpha_error": _alpha_error(np.asarray(result.alphas), recording.alphas),
        "time_error_frames": time_error(details.spike_times, recording.counts, recording.fs),
        "scale_unknown": 1 - float(np.mean(details.scale_known)),
        "wrong_claims": _wrong_claims(details.scale_known, result.alphas, recording.alphas),
        "seconds": seconds,
        "sampled": float(result.metadata["kernel_method"] == "sampled"),
    }


def single_traces(recording: Recording, factor: int, cells: int) -> dict[str, float]:
    """Run ``solve_trace`` with the true time constants on the first cells."""
    start = time.perf_counter()
    rates = (recording.tau_rise, recording.tau_decay, recording.fs)
    found = [
        calab.solve_trace(trace, *rates, upsample_factor=factor)
        for trace in recording.traces[:cells]
    ]
    seconds = time.perf_counter() - start
    counts = np.array([one.s_counts for one in found], dtype=np.float64)
    truth = recording.counts[:cells]
    times = [one.details.spike_times for one in found]
    alphas = np.array([one.alpha for one in found])
    known = np.array([one.details.scale_known for one in found])
    return {
        "count_error": count_error(counts, truth),
        "alpha_error": _alpha_error(alphas, recording.alphas),
        "time_error_frames": time_error(times, truth, recording.fs),
        "scale_unknown": 1 - float(np.mean(known)),
        "wrong_claims": _wrong_claims(known, alphas, recording.alphas),
        "seconds": seconds / len(found),
    }


def _alpha_error(found: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> float:
    return float(np.nanmedian(np.abs(found / true[: found.size] - 1)))


def _wrong_claims(known: Any, found: Any, true: Any) -> float:
    """Share of all cells whose amplitude is claimed and off by more than 15 %."""
    off = np.abs(np.asarray(found) / true[: len(found)] - 1) > WRONG
    return float(np.mean(known & off))


def measure(args: argparse.Namespace) -> list[Row]:
    """Judge every recording; one row per method, recording and seed."""
    rows: list[Row] = []
    for preset in args.presets:
        for spikes in args.spikes:
            for noise in args.noises:
                snr, drift = NOISES[noise]
                for seed in args.seed or range(1, args.seeds + 1):
                    size = {"cells": args.cells, "frames": args.frames, "seed": seed}
                    recording = record(preset, spikes, snr, **size, drift=drift)
                    about = {
                        "preset": preset,
                        "spikes": spikes,
                        "noise": noise,
                        "spike_snr": recording.spike_snr,
                        "seed": seed,
                    }
                    mine = judge(recording, args.solve_cells, args.pipeline)
                    rows += [about | row for row in mine]
                    print(*(f"{k} {_short(v)}" for k, v in rows[-len(mine)].items()), flush=True)
    return rows


def judge(recording: Recording, solve_cells: int, whole: bool) -> list[dict[str, Any]]:
    """Run the pipeline, if asked, and so many single traces at every upsampling factor."""
    rows: list[dict[str, Any]] = []
    if whole:
        rows.append({"method": "run_cadecon"} | pipeline(recording))
    for factor in UPSAMPLING if solve_cells else ():
        found = single_traces(recording, factor, solve_cells)
        rows.append({"method": f"solve_trace x {factor}"} | found)
    return rows


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


#: Column, its heading, and the factor that brings it to the heading's unit.
COLUMNS: Mapping[str, tuple[str, float]] = {
    "tau_decay_error": ("decay, %", 100),
    "peak_error_frames": ("peak, frames", 1),
    "count_error": ("count, %", 100),
    "alpha_error": ("alpha, %", 100),
    "time_error_frames": ("time, frames", 1),
    "scale_unknown": ("unknown, %", 100),
    "wrong_claims": ("wrongly claimed, %", 100),
    "sampled": ("kernel sampled, %", 100),
    "seconds": ("s", 1),
}
_RECORDING = ("preset", "spikes", "noise")


def table(rows: Sequence[Row], method: str) -> str:
    """Summarise the seeds: their median, and in brackets the value farthest from 0."""
    mine = [row for row in rows if row["method"] == method]
    columns = [name for name in COLUMNS if name in mine[0]]
    lines = [["preset", "spikes", "noise", "spike / noise", *(COLUMNS[c][0] for c in columns)]]
    for about in dict.fromkeys(tuple(row[key] for key in _RECORDING) for row in mine):
        group = [row for row in mine if tuple(row[key] for key in _RECORDING) == about]
        snr = float(np.median([row["spike_snr"] for row in group]))
        cells = [_seeds([row[name] * COLUMNS[name][1] for row in group]) for name in columns]
        lines.append([*about, f"{snr:.2g}", *cells])
    return markdown(lines)


def _seeds(values: Sequence[float]) -> str:
    known = [value for value in values if np.isfinite(value)]
    return f"{np.median(known):.3g} ({max(known, key=abs):.3g})" if known else "none"


def main() -> None:
    """Measure every recording and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--frames", type=int, default=27_000)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 1 on")
    parser.add_argument("--seed", type=int, nargs="+", help="these alone, whatever --seeds says")
    parser.add_argument(
        "--solve-cells", type=int, default=20, help="cells for solve_trace; 0 for none"
    )
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=PRESETS)
    models = get_args(SpikeModel)
    parser.add_argument("--spikes", nargs="+", choices=models, default=models)
    parser.add_argument("--noises", nargs="+", choices=list(NOISES), default=list(NOISES))
    parser.add_argument("--no-pipeline", dest="pipeline", action="store_false")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    args = parser.parse_args()
    if args.quick:
        args.cells, args.frames, args.seeds, args.solve_cells = 4, 1_500, 1, 1
        args.presets = PRESETS[:1]
    rows = measure(args)
    for method in dict.fromkeys(row["method"] for row in rows):
        print(f"\n{method}\n\n{table(rows, method)}")
    if args.json:
        args.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
