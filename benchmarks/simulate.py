"""Time the simulation of 100 cells x 27,000 frames, beside calab 0.3.0 if it is there.

Run as ``python benchmarks/simulate.py --peers PYTHON`` with an interpreter that has
``calab==0.3.0``; without it the peer's row says 'not run'. Both sides use default settings and
alternate, each time in a fresh process that has warmed up.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

WORKER = """
import json, sys, time
from {module} import simulate

def timed():
    start = time.perf_counter()
    result = simulate(num_cells={cells}, num_timepoints={frames})
    elapsed = time.perf_counter() - start
    assert result.traces.shape == ({cells}, {frames})
    return elapsed

timed()
print(json.dumps([timed() for _ in range({repeats})]))
"""


def timings(python: str, module: str, args: argparse.Namespace) -> list[float]:
    """Return the seconds of ``args.repeats`` simulations in a fresh process."""
    code = WORKER.format(module=module, cells=args.cells, frames=args.frames, repeats=args.repeats)
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    seconds: list[float] = json.loads(done.stdout)
    return seconds


def report(name: str, seconds: list[float]) -> None:
    """Print one row of the table."""
    if seconds:
        low, middle = min(seconds) * 1e3, statistics.median(seconds) * 1e3
        print(f"{name:<14}{low:>10.1f} ms{middle:>10.1f} ms")
    else:
        print(f"{name:<14}{'not run':>13}{'not run':>13}")


def main() -> None:
    """Time both sides in turns and print the ratio of their times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with calab==0.3.0")
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--frames", type=int, default=27_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="simulations per round")
    args = parser.parse_args()
    ours: list[float] = []
    peer: list[float] = []
    for _ in range(args.rounds):
        ours += timings(sys.executable, "calab_sim", args)
        if args.peers:
            peer += timings(args.peers, "calab", args)
    print(f"{args.cells} cells x {args.frames} frames{'minimum':>9}{'median':>13}")
    report("calab-sim", ours)
    report("calab 0.3.0", peer)
    if peer:
        low = min(peer) / min(ours)
        middle = statistics.median(peer) / statistics.median(ours)
        print(f"{'ratio':<14}{low:>11.1f} x{middle:>11.1f} x")


if __name__ == "__main__":
    main()
