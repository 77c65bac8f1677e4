"""Time the automatic pipeline and single traces beside calab 0.3.0, and measure its memory.

Run as ``python benchmarks/cadecon.py --peers PYTHON``; ``docs/benchmarks.md`` says how the
predecessor's time is scaled from few cells and iterations to the whole.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import calab
import numpy as np
from _memory import peak_memory
from _peers import Outcome, run_peer
from _simulated import SpikeModel, record
from _timing import Figure, machine, repeated, table, threads, timed
from calab import SolveTraceResult
from calab_sim import SimulationResult, simulate
from calab_solver import deconvolve
from numpy.typing import NDArray

FS, TAU_RISE, TAU_DECAY, UPSAMPLING = 30.0, 0.1, 0.6, 10
#: Frames that the predecessor fits: two decays at either end are left out.
INNER = slice(round(2 * TAU_DECAY * FS), -round(2 * TAU_DECAY * FS))
#: Subsets together hold a quarter of the cells and there are four: fewer cells would not divide.
THEIR_CELLS, THEIR_ITERATIONS = 8, 3
#: Where the application stops.
MOST_ITERATIONS = 20
SIZES: Mapping[bool, Mapping[str, int]] = {
    False: {"cells": 100, "frames": 27_000, "many": 1_000, "traces": 4, "converge_frames": 9_000},
    True: {"cells": 8, "frames": 1_500, "many": 8, "traces": 1, "converge_frames": 1_500},
}


@dataclass(frozen=True)
class Scaling:
    """The predecessor's pipeline on few cells and iterations, brought to the whole.

    Attributes
    ----------
    seed, iteration, final : float
        Seconds that were measured.
    cells : float
        Cells of the whole over cells that were measured: every phase solves each cell of its
        subsets or of the recording alone, and subsets hold a fixed share of the cells.
    iterations : int
        Iterations of the whole.
    """

    seed: float
    iteration: float
    final: float
    cells: float
    iterations: int

    @property
    def seconds(self) -> float:
        """Return the time of the whole."""
        return self.cells * (self.seed + self.iterations * self.iteration + self.final)


def pipeline(size: Mapping[str, int], peers: str | None) -> list[Figure]:
    """Compare ``run_cadecon`` with the assembled predecessor, by wall and by processor time."""
    recording = simulate(num_cells=size["cells"], num_timepoints=size["frames"], fs_hz=FS)
    traces = np.asarray(recording.traces, dtype=np.float64)
    mine = timed(lambda: calab.run_cadecon(traces, FS))
    ratios = [60.0, None]
    found = predecessor(traces, size, peers)
    figures = []
    for kind, (name, ours) in enumerate((("wall", mine.least), ("CPU", mine.least_cpu))):
        what = f"run_cadecon, {size['cells']} x {size['frames']:,}, {name}"
        if found is None:
            figures.append(Figure(what, ours, None, None, ratios[kind], True, "s"))
            continue
        scaled, note = scale(size["cells"], *found, kind)
        ratio = scaled.seconds / ours
        figures.append(Figure(what, ours, scaled.seconds, ratio, ratios[kind], True, "s", note))
    seconds = mine.least
    bound = "run_cadecon: seconds, wall"
    return [Figure(bound, seconds, 60.0, seconds, 60.0, False, "s", "beside: the bound"), *figures]


def predecessor(
    traces: NDArray[Any], size: Mapping[str, int], peers: str | None
) -> tuple[Outcome, Outcome] | None:
    """Run three iterations and finalization on few cells; alone, look for the iterations needed.

    The second run has as many cells and shorter traces, no finalization, and goes on until the
    kernel came to rest by the application's own rule or twenty iterations were made.
    """
    few = traces[:THEIR_CELLS]
    short = few[:, : size["converge_frames"]]
    # The first array warms the process up.
    arrays = [few[:2, :600], few, short]
    options = [
        {"fs": FS, "iterations": 1, "finalize": False},
        {"fs": FS, "iterations": THEIR_ITERATIONS, "finalize": True},
        {"fs": FS, "iterations": MOST_ITERATIONS, "finalize": False},
    ]
    outcomes = run_peer(peers, "calab_cadecon", arrays, options)
    return None if outcomes is None else (outcomes[1], outcomes[2])


def scale(cells: int, measured: Outcome, converging: Outcome, kind: int) -> tuple[Scaling, str]:
    """Scale wall (``kind`` 0) or processor time (1), and say how."""
    seed, iteration, final = (float(value) for value in measured.values["phases"][:, kind])
    needed = int(converging.values["iterations"])
    scaled = Scaling(seed, iteration, final, cells / THEIR_CELLS, needed)
    end = "converged" if converging.values["converged"] else "stopped"
    note = (
        f"theirs on {THEIR_CELLS} cells, {THEIR_ITERATIONS} iterations and {threads()} threads: "
        f"seed {seed:.1f} s, iteration {iteration:.1f} s, final {final:.1f} s; scaled by "
        f"{scaled.cells:g} for the cells and to {needed} iterations, after which a run on the "
        f"first part of these cells {end}"
    )
    return scaled, note


def single_traces(size: Mapping[str, int], peers: str | None) -> list[Figure]:
    """Compare ``solve_trace`` at the true time constants, and both counts with the truth.

    In the default simulation one spike is far below the noise; so the same is done where one spike
    is eight times as large as the noise: in the same bursts, and at random at two rates.
    """
    recording = simulate(num_cells=size["traces"], num_timepoints=size["frames"], fs_hz=FS)
    traces = np.asarray(recording.traces, dtype=np.float64)
    spikes = np.array([cell.spikes for cell in recording.ground_truth])
    cases = [("", traces, float(spikes.sum()))]
    kinds: list[tuple[str, SpikeModel, float]] = [
        (", clear bursts", "markov", 0.0),
        (", clear 1 Hz", "poisson", 1.0),
        (", clear 0.3 Hz", "poisson", 0.3),
    ]
    shape = {"cells": size["traces"], "frames": size["frames"]}
    for label, model, rate in kinds:
        clear = record("gcamp6f", model, 8.0, seed=1, drift=False, rate_hz=rate, **shape)
        if (clear.tau_rise, clear.tau_decay, clear.fs) != (TAU_RISE, TAU_DECAY, FS):
            raise ValueError("gcamp6f no longer has the kernel of the default simulation")
        cases.append((label, clear.traces, float(clear.counts.sum())))
    figures = [
        one
        for label, mine, true in cases
        for constrained in (False, True)
        for one in compare(mine, true, constrained, peers, label)
    ]
    return figures + bounds(recording, traces)


def bounds(recording: SimulationResult, traces: NDArray[np.float64]) -> list[Figure]:
    """Return what the true calcium explains of our working traces, and the most anything does.

    The most is the certified optimum of the relaxed problem without sparsity, on the fine grid
    with the samples between the recorded ones masked: no spikes, whole or not, explain more.
    """
    true, most = [], []
    for trace, cell in zip(traces, recording.ground_truth, strict=True):
        found = calab.solve_trace(trace, TAU_RISE, TAU_DECAY, FS, upsample_factor=UPSAMPLING)
        working = trace - found.details.removed_baseline
        true.append(explained(working[INNER], cell.clean_calcium[INNER]))
        fine = np.full(trace.size * UPSAMPLING, np.nan)
        fine[::UPSAMPLING] = working
        best = deconvolve(
            fine[None], FS * UPSAMPLING, TAU_RISE, TAU_DECAY, 0.0, baseline_mode="none", full=True
        )
        assert best.reconvolution is not None
        most.append(explained(working[INNER], best.reconvolution[0, ::UPSAMPLING][INNER]))
    what, note = "PVE of the true calcium", "beside: of the best activity of any kind"
    ours, beside = float(np.mean(true)), float(np.mean(most))
    return [Figure(what, ours, beside, ours - beside, None, True, "1", note)]


def explained(working: NDArray[np.float64], calcium: NDArray[Any]) -> float:
    """Return the share of the variance that the best multiple of some calcium explains."""
    columns = np.stack([calcium, np.ones(working.size)], axis=1)
    fit = columns @ np.linalg.lstsq(columns, working, rcond=None)[0]
    return 1 - float(np.mean((working - fit) ** 2) / np.var(working))


def compare(
    traces: NDArray[np.float64], true: float, constrained: bool, peers: str | None, label: str
) -> list[Figure]:
    """Return the rows of time and of variance explained for one setting."""
    rates = (TAU_RISE, TAU_DECAY, FS)

    def work() -> list[SolveTraceResult]:
        settings: dict[str, Any] = {"noise_constrained": constrained}
        return [
            calab.solve_trace(trace, *rates, upsample_factor=UPSAMPLING, **settings)
            for trace in traces
        ]

    mine, found = repeated(work, 0.3), work()
    ours = 1e3 * mine.least / len(traces)
    counts = sum(float(np.sum(one.s_counts)) for one in found)
    name = "noise-constrained" if constrained else "default"
    what = f"solve_trace x {UPSAMPLING}, {traces.shape[1]:,} frames, {name}{label}"
    note = f"spikes: true {true:.0f}, ours {counts:.0f}"
    option = {"tau_rise": rates[0], "tau_decay": rates[1], "fs": rates[2]}
    option |= {"upsample_factor": UPSAMPLING, "noise_constrained": constrained}
    outcomes = run_peer(peers, "calab_spikes", list(traces), [option] * len(traces))
    fits = run_peer(peers, "calab_fit", list(traces), [option] * len(traces))
    if outcomes is None or fits is None:
        unmeasured = Figure(f"{what}: PVE", variance(traces, found), None, None, -0.02, True, "1")
        return [Figure(what, ours, None, None, 100, True, "ms/cell", note), unmeasured]
    beside = 1e3 * float(np.mean([outcome.seconds for outcome in outcomes]))
    theirs = sum(float(outcome.values["activity"].sum()) for outcome in outcomes)
    note += f", theirs {theirs:.0f}"
    pves = variance(traces, found), variance(traces, found, [one.values["fit"] for one in fits])
    return [
        Figure(what, ours, beside, beside / ours, 100, True, "ms/cell", note),
        Figure(f"{what}: PVE", *pves, pves[0] - pves[1], -0.02, True, "1", remade(outcomes, fits)),
    ]


def variance(
    traces: NDArray[np.float64],
    found: Sequence[SolveTraceResult],
    fits: Sequence[NDArray[Any]] | None = None,
) -> float:
    """Return the PVE over recorded samples of our working traces; of our own fits by default.

    Everyone's calcium gets the amplitude and the offset that suit these traces best, where the
    predecessor fits its own: two decays at either end are left out. What stands below the activity
    is taken off as we find it.
    """
    shares = []
    for index, (trace, one) in enumerate(zip(traces, found, strict=True)):
        working = trace - one.details.removed_baseline
        ours = one.details.reconvolution - one.details.removed_baseline
        calcium = ours if fits is None else fits[index]
        shares.append(explained(working[INNER], calcium[INNER]))
    return float(np.mean(shares))


def remade(outcomes: Sequence[Outcome], fits: Sequence[Outcome]) -> str:
    """Say how near the fits that were made again are to what the predecessor returns."""
    pve, made = (np.mean([one.values["pve"] for one in side]) for side in (outcomes, fits))
    spikes = sum(float(one.values["activity"].sum()) for one in fits)
    return (
        f"ratio: ours minus theirs, made again from its solver with {spikes:.0f} spikes and a PVE "
        f"over interpolated samples of {made:.3f} (its own: {pve:.3f})"
    )


def memory(size: Mapping[str, int]) -> Figure:
    """Measure the peak memory of a large recording, of cells that repeat a hundred."""
    base = simulate(num_cells=min(size["many"], 100), num_timepoints=size["frames"], fs_hz=FS)
    traces = np.resize(_traces(base), (size["many"], size["frames"]))
    before, after = (value / 1e9 for value in peak_memory(traces, FS))
    note = f"of it {before:.2f} GB once the traces (float32) were read; ratio: to the bound of 1 GB"
    what = f"peak memory, {size['many']:,} x {size['frames']:,}"
    return Figure(what, after, 1.0, after, 1.0, False, "GB", note)


def _traces(recording: SimulationResult) -> NDArray[np.float32]:
    return np.asarray(recording.traces, dtype=np.float32)


def main() -> None:
    """Measure every row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with calab 0.3.0")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only-traces", action="store_true", help="solve_trace alone")
    args = parser.parse_args()
    size = SIZES[args.quick]
    print(machine())
    figures = single_traces(size, args.peers)
    if not args.only_traces:
        figures = [*pipeline(size, args.peers), *figures, memory(size)]
    print(table(figures))
    print(machine())
    if args.json:
        rows = [asdict(figure) | {"verdict": figure.verdict} for figure in figures]
        args.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
