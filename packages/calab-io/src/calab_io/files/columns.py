"""Tables of frames whose columns have names: which of them are cells, and which say when."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError
from ..names import SAME_RATE
from ..timestamps import rate_of

__all__ = ["UNITS", "Columns", "check_count", "counts_rows", "rate_of_frames", "sort_columns"]

#: Names of a column of times, with their unit, and what no other column has in its name.
TIME = re.compile(
    r"(?:elapsed[ _])?(?:time[ _]?stamps?|times?|t)"
    r"(?:[ _]*[\[(/] *(\S+?) *[\])]?|[ _]([a-zµ]+))?|seconds"
)
TIME_WORD = re.compile(r"(?<![a-z])time(?:s|[ _]?stamps?)?(?![a-z])")
#: Names of a column that numbers the frames.
FRAME = re.compile(r"frames?(?:[ _]*(?:no|nr|number|index|id))?|index")
#: What pandas makes of a column without a name.
UNNAMED = re.compile(r"(?:unnamed: \d+|__index_level_\d+__)?")
#: Names of a column that tells, for each row, which cell it is of.
CELL = re.compile(r"(?:cell|neuron|roi|unit|component)s?(?:[ _]?(?:id|no|nr|number|index|name))?")
#: Seconds in a unit of time.
UNITS = {
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "microsecond": 1e-6,
    "microseconds": 1e-6,
    "ns": 1e-9,
    "nanosecond": 1e-9,
    "nanoseconds": 1e-9,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "day": 86400.0,
    "days": 86400.0,
}
#: Rates in hertz that are likely in imaging. Seconds taken for milliseconds mean another.
LIKELY = (0.5, 1000.0)


class Columns(NamedTuple):
    """What the columns of a table are, by their place.

    Attributes
    ----------
    cells : list of int
        Traces.
    times : int or None
        When each frame was taken.
    unit : float
        Seconds in the unit of these times.
    unnamed : list of int
        Those without a name, which must count the rows.
    has_unit : bool
        Whether the name of the times says their unit.
    """

    cells: list[int]
    times: int | None
    unit: float
    unnamed: list[int]
    has_unit: bool


def sort_columns(names: Sequence[str], path: Path) -> Columns:
    """Tell by their names what the columns of a table of frames are.

    Parameters
    ----------
    names : sequence of str
        One for each column.
    path : Path
        Where they come from.

    Returns
    -------
    Columns
        Columns that number the frames are in none of its fields.

    Raises
    ------
    CalabFormatError
        If several are times, their unit is not known, or a column says which cell a row is of.
    """
    plain = [name.strip().lower() for name in names]
    times = [at for at, name in enumerate(plain) if TIME.fullmatch(name) or TIME_WORD.search(name)]
    unnamed = [at for at, name in enumerate(plain) if UNNAMED.fullmatch(name)]
    frames = [at for at, name in enumerate(plain) if FRAME.fullmatch(name)]
    if len(times) > 1:
        listed = ", ".join(names[at].strip() for at in times)[:80]
        raise CalabFormatError(path, f"expected one column of times, got {listed}", "take one out")
    cells = sorted(set(range(len(plain))) - {*times, *unnamed, *frames})
    if not cells:
        problem = f"expected a column per cell, got {', '.join(names)[:80] or 'none'}"
        raise CalabFormatError(path, problem, "choose another file")
    owners = [at for at in cells if CELL.fullmatch(plain[at])]
    if owners and len(cells) > 1:
        problem = f"expected a column per cell, got a row per cell and frame ({names[owners[0]]!r})"
        raise CalabFormatError(path, problem, "pivot the table: a row per frame, a column per cell")
    at = times[0] if times else None
    unit = None if at is None else _unit(plain[at], path)
    return Columns(cells, at, unit or 1.0, unnamed, unit is not None)


def _unit(name: str, path: Path) -> float | None:
    """Return the seconds in the unit of a column of times, None where its name has none."""
    found = TIME.fullmatch(name)
    if found is not None and not (found[1] or found[2] or name == "seconds"):
        return None
    unit = "" if found is None else found[1] or found[2] or "s"
    if unit not in UNITS:
        problem = "expected times in s or ms, and a name such as 'Time (s)'"
        raise CalabFormatError(path, f"{problem}, got {name[:40]!r}", "give them in seconds")
    return UNITS[unit]


def counts_rows(values: NDArray[Any]) -> bool:
    """Tell whether a column does nothing but count the rows, from 0 or 1."""
    return any(np.array_equal(values, np.arange(values.size) + first) for first in (0, 1))


def check_count(values: NDArray[Any], path: Path, key: str) -> None:
    """Refuse a column without a name that does more than count the rows, from 0 or 1.

    Parameters
    ----------
    values : numpy.ndarray, shape (n_rows,)
        What is in it.
    path : Path
        Where it comes from.
    key : str
        Where in it.

    Raises
    ------
    CalabFormatError
        If it may be times or a trace.
    """
    if not counts_rows(values):
        problem = "expected a column without a name to count the rows, got other numbers"
        raise CalabFormatError(path, problem, "name it time if it is in seconds", key=key)


def rate_of_frames(
    times: NDArray[Any], path: Path, key: str, fs: float | None, *, has_unit: bool = True
) -> tuple[NDArray[np.float64] | None, float | None, tuple[str, ...]]:
    """Find the rate as `rate_of` does; with the user's rate, times may be of no use.

    Parameters
    ----------
    times : numpy.ndarray, shape (n_frames,)
        In seconds.
    path : Path
        Where they come from.
    key : str
        Where in it.
    fs : float or None
        Sampling rate in hertz that is known otherwise.
    has_unit : bool, optional
        Whether it was said that these are seconds. If not, numbers that only count the frames are
        no times, nor are those that mean another rate than `fs`.

    Returns
    -------
    times : numpy.ndarray, shape (n_frames,), float64, or None
        None where they are of no use.
    fs : float or None
        One over the median step.
    notes : tuple of str
        Sentences on gaps, on times that are of no use, and on a rate that seconds hardly mean.

    Raises
    ------
    CalabFormatError
        If they are of no use, and no rate is known.
    """
    if not has_unit and counts_rows(np.asarray(times)):
        if fs is None:
            problem = "expected times in seconds, got numbers that only count the frames"
            raise CalabFormatError(path, problem, "give fs in Hz", key=key)
        return None, None, ()
    try:
        seconds, rate, notes = rate_of(times, path, key)
    except CalabFormatError:
        if fs is None:
            raise
        note = f"{path}, {key}: the times do not increase from frame to frame, and are left out"
        return None, None, (note,)
    if fs is not None and not has_unit and not math.isclose(rate, fs, rel_tol=SAME_RATE):
        note = (
            f"{path}, {key}: the times have no unit and would mean {rate:g} Hz instead of {fs:g} "
            "Hz: they are left out"
        )
        return None, None, (note,)
    if fs is None and not has_unit and not LIKELY[0] <= rate <= LIKELY[1]:
        taken = f"the times have no unit and are taken for seconds, which means {rate:g} Hz"
        notes = (*notes, f"{path}, {key}: {taken}; give fs in Hz if that is not the frame rate")
    return seconds, rate, notes
