"""Time things on a machine that does other things, and tell how fast it is."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from _tables import markdown


@dataclass(frozen=True)
class Times:
    """Wall and processor time of several repeats, in seconds.

    On a busy machine short calls may run undisturbed and long ones never do: then the processor
    time, of all threads together, is the one to compare.
    """

    wall: tuple[float, ...] = ()
    cpu: tuple[float, ...] = ()

    def __add__(self, other: Times) -> Times:
        """Put the repeats of both together."""
        return Times(self.wall + other.wall, self.cpu + other.cpu)

    @property
    def least(self) -> float:
        """Return the wall time of the fastest repeat."""
        return min(self.wall)

    @property
    def median(self) -> float:
        """Return the wall time of the middle repeat."""
        return statistics.median(self.wall)

    @property
    def least_cpu(self) -> float:
        """Return the least processor time."""
        return min(self.cpu)


def timed(work: Callable[[], object]) -> Times:
    """Time one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Times((time.perf_counter() - wall,), (time.process_time() - cpu,))


def repeated(work: Callable[[], object], least_seconds: float, least_repeats: int = 3) -> Times:
    """Call after a warm-up, until both the time and the number of repeats are reached."""
    work()
    times = Times()
    while len(times.wall) < least_repeats or sum(times.wall) < least_seconds:
        times += timed(work)
    return times


def copy_bandwidth(n_threads: int, megabytes: int = 256) -> float:
    """Measure the memory's bandwidth as STREAM's copy does, in bytes a second read and written.

    References
    ----------
    McCalpin JD (1995). Memory bandwidth and machine balance in current high performance computers.
    IEEE TCCA Newsletter 19-25.
    """
    source = np.ones((n_threads, megabytes * 2**20 // (8 * n_threads)))
    target = np.empty_like(source)
    target[:] = 0
    with ThreadPoolExecutor(n_threads) as pool:

        def copy() -> None:
            list(pool.map(np.copyto, target, source))

        return 2 * source.nbytes / repeated(copy, 0.5).least


FIRST_USE = """
import time
import numpy
trace = numpy.random.default_rng(0).normal(size=1000)
start = time.perf_counter()
from calab import run_deconvolution
run_deconvolution(trace, 30.0, 0.1, 0.6, 0.5)
print(time.perf_counter() - start)
"""


def first_use(python: str) -> float:
    """Import calab in a fresh process that has numpy, deconvolve 1,000 frames; seconds of it."""
    command = [python, "-I", "-c", FIRST_USE]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def machine() -> str:
    """Describe the machine and how busy it is."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{platform.processor() or platform.machine()}, {threads()} threads, load {load}"


def threads() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes
    ----------
    what : str
    ours, theirs : float or None
        What is compared, in the unit of ``unit``; None where it was not run.
    ratio : float or None
        What the requirement is about.
    required : float or None
        Bound of ``ratio``; None for a row that is only shown.
    at_least : bool
        Whether the bound is a lower one.
    unit, note : str
    """

    what: str
    ours: float | None
    theirs: float | None
    ratio: float | None
    required: float | None
    at_least: bool
    unit: str
    note: str = ""

    @property
    def verdict(self) -> str:
        """Say whether the requirement is met."""
        if self.ratio is None:
            return "not run"
        if self.required is None:
            return "shown"
        met = self.ratio >= self.required if self.at_least else self.ratio <= self.required
        return "met" if met else "MISSED"


def table(figures: Sequence[Figure]) -> str:
    """Lay the figures out as a Markdown table."""
    head = ["what", "ours", "beside", "unit", "ratio", "required", "verdict", "note"]
    lines = [head]
    for figure in figures:
        sign = ">=" if figure.at_least else "<="
        bound = "" if figure.required is None else f"{sign} {figure.required:g}"
        numbers = [_short(figure.ours), _short(figure.theirs), figure.unit, _short(figure.ratio)]
        lines.append([figure.what, *numbers, bound, figure.verdict, figure.note])
    return markdown(lines)


def _short(value: float | None) -> str:
    return "not run" if value is None else f"{value:.3g}"
