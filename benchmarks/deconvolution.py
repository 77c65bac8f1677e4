"""Time ``run_deconvolution`` beside other packages, and how its cost grows.

Run as ``python benchmarks/deconvolution.py --peers PYTHON``; ``docs/benchmarks.md`` has the table
and what its rows mean. Repeats of ours and theirs alternate; what counts is the fastest of each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from _peers import Outcome, run_peer
from _problem import Array, Problem
from _scaling import baseline, importing, over_cells, over_frames
from _timing import Figure, Times, machine, repeated, table, threads
from calab import run_deconvolution, run_deconvolution_full
from calab_sim import simulate

LAM = 0.5
FULL_BLOCK = 8
SIZES: Mapping[bool, Mapping[str, Any]] = {
    False: {
        "cells": 100,
        "frames": 27_000,
        "rounds": 4,
        "batches": (64, 256, 1024, 10_000),
        "batch_frames": 5_000,
        "lengths": (1_000, 3_000, 10_000, 27_000, 100_000, 300_000, 1_000_000),
    },
    True: {
        "cells": 16,
        "frames": 2_000,
        "rounds": 1,
        "batches": (64,),
        "batch_frames": 1_000,
        "lengths": (1_000, 4_000),
    },
}


@dataclass(frozen=True, eq=False)
class Bench:
    """What the comparisons share.

    Attributes
    ----------
    problem : Problem
    traces : numpy.ndarray, shape (n_cells, n_frames)
    flat : numpy.ndarray, shape (n_cells, n_frames)
        The traces without their causal baseline, which OASIS does not know.
    peers : str or None
        Interpreter that has the other packages.
    rounds : int
        Turns of ours and theirs.
    """

    problem: Problem
    traces: Array
    flat: Array
    peers: str | None
    rounds: int

    def ours(self, traces: Array, lam: float | Literal["auto"]) -> Callable[[], object]:
        """Return the call that is timed."""
        return lambda: run_deconvolution(traces, *self.problem.kernel_arguments, lam)

    def alternate(
        self,
        work: Callable[[], object],
        method: str,
        traces: Sequence[Array],
        options: Sequence[Mapping[str, Any]],
    ) -> tuple[Times, list[Outcome] | None]:
        """Time ours and a peer in turns; each of the peer's outcomes is the fastest of its kind."""
        mine = Times()
        best: list[Outcome] | None = None
        for _ in range(self.rounds):
            mine += repeated(work, 0.3)
            found = run_peer(self.peers, method, traces, options)
            if found is None:
                continue
            pairs = zip(best or found, found, strict=True)
            best = [min(pair, key=lambda outcome: outcome.seconds) for pair in pairs]
        return mine, best


def faster(
    what: str,
    required: float | None,
    mine: tuple[Times, int],
    theirs: tuple[list[Outcome] | None, int],
    note: str = "",
) -> Figure:
    """Compare milliseconds a cell, of times and the number of cells that they are for."""
    (times, cells), (outcomes, their_cells) = mine, theirs
    ours = 1e3 * times.least / cells
    notes = [f"median {1e3 * times.median / cells:.2f}, CPU {1e3 * times.least_cpu / cells:.2f} ms"]
    if outcomes is None:
        return Figure(what, ours, None, None, required, True, "ms/cell", notes[0])
    beside = 1e3 * sum(outcome.seconds for outcome in outcomes) / their_cells
    cpu = 1e3 * sum(outcome.cpu for outcome in outcomes) / their_cells
    notes += [f"theirs on {their_cells} cells, CPU {cpu:.0f} ms", note]
    joined = "; ".join(filter(None, notes))
    return Figure(what, ours, beside, beside / ours, required, True, "ms/cell", joined)


def predecessor(bench: Bench, cells: int = 6) -> Figure:
    """Compare with the documented function of calab 0.3.0, on fewer cells of the same recording."""
    fs, rise, decay = bench.problem.kernel_arguments
    options = {"fs": fs, "tau_rise": rise, "tau_decay": decay, "lam": LAM}
    work = bench.ours(bench.traces, LAM)
    mine, theirs = bench.alternate(work, "calab_l1", [bench.traces[:cells]], [options])
    result = run_deconvolution_full(bench.traces, *bench.problem.kernel_arguments, LAM)
    gap = np.max(result.details.gap / result.details.objective)
    note = f"certified {np.sum(result.converged)} of {len(bench.traces)}, relative gap <= {gap:.1e}"
    what = f"run_deconvolution, {bench.traces.shape[0]} x {bench.traces.shape[1]:,}: calab 0.3.0"
    return faster(what, 80, (mine, len(bench.traces)), (theirs, cells), note)


def oasis(bench: Bench, method: str, required: float | None, cells: int) -> Figure:
    """Compare with OASIS on the same problem without baseline; ours also takes the baseline off."""
    problem, traces = bench.problem, bench.flat[:cells]
    options: list[dict[str, Any]] = [{"g": problem.g, "lam": problem.oasis_lam(LAM)}] * cells
    if method == "oasis_constrained":
        options = [{"g": problem.g, "sn": residual(problem, trace)} for trace in traces]
    work = bench.ours(bench.traces, LAM)
    # The first frame is left out for them: no source of ours reaches it.
    mine, theirs = bench.alternate(work, method, [trace[1:] for trace in traces], options)
    note = objectives(problem, traces, theirs) if theirs else ""
    what = f"the same: {method}"
    return faster(what, required, (mine, len(bench.traces)), (theirs, cells), note)


def residual(problem: Problem, trace: Array) -> float:
    """Return the standard deviation of the residual of our solution, for a constraint to match."""
    arguments = (trace, *problem.kernel_arguments, LAM)
    fit = run_deconvolution_full(*arguments, baseline_mode="none").reconvolution
    return float(np.sqrt(np.mean((trace[1:] - fit[1:]) ** 2)))


def objectives(problem: Problem, traces: Array, theirs: Sequence[Outcome]) -> str:
    """Judge both at the weight that the peer used, by the objective of ``Problem``."""
    excess = []
    for trace, outcome in zip(traces, theirs, strict=True):
        lam = LAM
        if "lam" in outcome.values:
            lam = max(float(outcome.values["lam"]), 0.0) / problem.oasis_lam(1.0)
        arguments = (trace, *problem.kernel_arguments, lam)
        mine = run_deconvolution(*arguments, baseline_mode="none")
        other = problem.from_oasis(outcome.values["activity"])
        reference = problem.objective(trace, mine, lam)
        excess.append(problem.objective(trace, other, lam) / reference - 1)
    lower = sum(value > 0 for value in excess)
    return (
        f"our objective is lower in {lower} of {len(excess)} cells; theirs is above ours by "
        f"{min(excess):.1e} to {max(excess):.1e} of it"
    )


def automatic(bench: Bench, cells: int = 4) -> Figure:
    """Compare the automatic weight with OASIS's automatic AR(2), baseline and noise included."""
    fs, rise, decay = bench.problem.kernel_arguments
    options = [{"fs": fs, "tau_rise": rise, "tau_decay": decay}] * cells
    work = bench.ours(bench.traces, "auto")
    mine, theirs = bench.alternate(work, "oasis_automatic", list(bench.traces[:cells]), options)
    what = "lam='auto': OASIS deconvolve, AR(2)"
    return faster(what, 10, (mine, len(bench.traces)), (theirs, cells))


def single(bench: Bench) -> Figure:
    """Time one cell alone, where neither lanes nor threads have company."""
    option = {"g": bench.problem.g, "lam": bench.problem.oasis_lam(LAM)}
    work = bench.ours(bench.traces[0], LAM)
    mine, theirs = bench.alternate(work, "oasis_ar2", [bench.flat[0, 1:]], [option])
    return faster("one cell alone: oasis_ar2", None, (mine, 1), (theirs, 1))


def prepare(size: Mapping[str, Any], peers: str | None) -> Bench:
    """Simulate the recording with the default settings, which have the same time constants."""
    recording = simulate(num_cells=size["cells"], num_timepoints=size["frames"], fs_hz=30.0)
    traces = np.asarray(recording.traces, dtype=np.float64)
    problem = Problem(30.0, 0.1, 0.6, size["frames"])
    result = run_deconvolution_full(traces, *problem.kernel_arguments, LAM)
    flat = traces - result.details.removed_baseline
    return Bench(problem, traces, flat, peers, size["rounds"])


def measure(size: Mapping[str, Any], peers: str | None) -> list[Figure]:
    """Measure every row."""
    bench = prepare(size, peers)
    block = FULL_BLOCK * threads()
    batch = bench.traces[:block, : size["batch_frames"]]
    longest = max(size["lengths"])
    long = simulate(num_cells=block, num_timepoints=longest, fs_hz=30.0).traces.astype(np.float64)
    return [
        predecessor(bench),
        oasis(bench, "oasis_onnls", None, 4),
        oasis(bench, "oasis_constrained", 25, 4),
        oasis(bench, "oasis_ar2", 8, 8),
        automatic(bench),
        single(bench),
        over_cells(batch, (block, *size["batches"]), bench.problem, LAM),
        over_frames(long, size["lengths"], bench.problem, LAM),
        baseline(bench.traces, bench.problem),
        importing(peers, size["rounds"]),
    ]


def main() -> None:
    """Measure every row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with the other packages")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    args = parser.parse_args()
    print(machine())
    figures = measure(SIZES[args.quick], args.peers)
    print(table(figures))
    print(machine())
    if args.json:
        rows = [asdict(figure) | {"verdict": figure.verdict} for figure in figures]
        args.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
