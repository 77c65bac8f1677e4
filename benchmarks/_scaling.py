"""How the cost of our deconvolution grows, and what of it is not the solver's."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from functools import partial

import numpy as np
from _problem import Array, Problem
from _timing import Figure, copy_bandwidth, first_use, repeated, threads
from calab import run_deconvolution, run_deconvolution_full
from calab_solver import rolling_baseline

#: What the solver keeps of a frame and cell between its passes: ten values in f64.
BYTES_PER_FRAME = 80
#: Passes over these in an iteration.
PASSES = 4
#: Read once and written once, whatever the iterations: trace and activity.
BYTES_IN_AND_OUT = 16


def over_cells(base: Array, counts: Sequence[int], problem: Problem, lam: float) -> Figure:
    """Compare the cost of a cell in larger and larger batches of the same cells."""
    costs, cpu = {}, {}
    for count in counts:
        batch = np.resize(base, (count, base.shape[1]))
        work = partial(run_deconvolution, batch, *problem.kernel_arguments, lam)
        times = repeated(work, 1.0)
        costs[count], cpu[count] = 1e3 * times.least / count, 1e3 * times.least_cpu / count
    low, high = min(costs.values()), max(costs.values())
    note = ", ".join(f"{count:,}: {costs[count]:.2f} ({cpu[count]:.2f})" for count in counts)
    what = f"cost over cells, {base.shape[1]:,} frames: highest beside lowest"
    return Figure(what, high, low, high / low, 1.2, False, "ms/cell", f"cells: wall (CPU): {note}")


def over_frames(base: Array, counts: Sequence[int], problem: Problem, lam: float) -> Figure:
    """Compare the cost of a frame in longer and longer traces, with the memory they move."""
    costs, notes = {}, []
    for count in counts:
        traces = np.ascontiguousarray(base[:, :count])
        arguments = (traces, *problem.kernel_arguments, lam)
        times = repeated(partial(run_deconvolution, *arguments, baseline_mode="none"), 1.0)
        result = run_deconvolution_full(*arguments, baseline_mode="none")
        iterations = float(np.mean(result.iterations))
        costs[count] = 1e6 * times.least / traces.size
        rate = traces.size / times.least
        notes.append(
            f"{count:,}: {costs[count]:.3f} us (CPU {1e6 * times.least_cpu / traces.size:.3f}), "
            f"{iterations:.0f} iterations, "
            f"{iterations * PASSES * BYTES_PER_FRAME * rate / 1e9:.1f} GB/s in passes, "
            f"{BYTES_IN_AND_OUT * rate / 1e9:.2f} GB/s in and out"
        )
    low, high = min(costs.values()), max(costs.values())
    note = f"{'; '.join(notes)}; copy {copy_bandwidth(threads()) / 1e9:.1f} GB/s"
    what = f"cost over frames, {len(base)} cells, no baseline: highest beside lowest"
    return Figure(what, high, low, high / low, 4.0, False, "us/frame", note)


def baseline(traces: Array, problem: Problem) -> Figure:
    """Time the sliding quantile alone."""
    fs, _, tau_decay = problem.kernel_arguments
    quantile = partial(rolling_baseline, traces, fs, tau_decay)
    causal = 1e3 * repeated(quantile, 1.0).least / len(traces)
    centred = 1e3 * repeated(partial(quantile, mode="centered"), 1.0).least / len(traces)
    note = f"one thread; centred, with the noise level, {centred:.2f} ms; beside: the bound"
    return Figure("rolling baseline", causal, 1.0, causal, 1.0, False, "ms/cell", note)


def importing(peers: str | None, rounds: int) -> Figure:
    """Import and first use in fresh processes, beyond numpy's own import."""
    mine, theirs = [], []
    for _ in range(rounds):
        mine.append(first_use(sys.executable))
        if peers:
            theirs.append(first_use(peers))
    seconds = statistics.median(mine)
    beside = statistics.median(theirs) if theirs else None
    what, note = (
        "import calab and first use",
        "the bound is the ratio to 0.15 s; beside: calab 0.3.0",
    )
    return Figure(what, seconds, beside, seconds / 0.15, 1.0, False, "s", note)
