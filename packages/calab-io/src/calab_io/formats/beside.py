"""What is beside an array of traces under names: its rate, the times of its frames, its cells.

One rule for every format that holds several arrays and has no layout of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MOST_LISTED, CalabFormatError, MissingKeyError
from ..files.columns import UNITS, rate_of_frames
from ..files.tree import Array
from ..recording import Contents, Request, Traces

__all__ = ["Beside", "listed", "only_one", "shown", "with_beside"]

#: Names of a number that is the sampling rate in hertz.
RATES = ("fs", "sampling_rate", "sampling_rate_hz", "frame_rate")
#: Names of an array with the time of each frame, in seconds unless it says otherwise.
TIMES = ("timestamps", "time")
#: Name of an array with the id of each cell.
IDS = "cell_ids"
#: Shapes of a single number.
SINGLE = ((), (1,), (1, 1))
#: Share by which two rates in one file may differ.
SAME_RATE = 0.01
#: Characters of a list of arrays, and of a key in it.
LONGEST, LONGEST_KEY = 400, 80

#: Returns what has a name, or None.
Place = Callable[[str], Array | None]


@dataclass(frozen=True)
class Beside:
    """Where something is looked for that belongs to traces.

    Attributes
    ----------
    path : Path
        The file or store.
    array : callable
        Returns the array of a name beside the traces, or None.
    numbers : tuple of callable
        The same for a single number, of each place where one may be; the nearest first, which wins.
    """

    path: Path
    array: Place
    numbers: tuple[Place, ...]


def only_one(arrays: Iterable[Array], path: Path) -> str:
    """Find the only array that can be traces: one of real numbers with two axes.

    Parameters
    ----------
    arrays : iterable of Array
        All that there are.
    path : Path
        Where they are.

    Returns
    -------
    str
        Its key.

    Raises
    ------
    MissingKeyError
        If there is none.
    CalabFormatError
        If there are several; it lists them.
    """
    every = list(arrays)
    others = {*RATES, *TIMES, IDS}
    found = [one for one in every if one.is_real and len(one.shape) == 2 and one.name not in others]
    if not found:
        remedy = "name a file that has one" + ", or another array as key" * bool(every)
        names = [_described(one) for one in every]
        raise MissingKeyError(path, "an array of cells x frames", names, remedy)
    if len(found) > 1:
        problem = f"expected one array of cells x frames, got {len(found)}"
        remedy = f"name one as key, as in key={shown(found[0].key)!r}"
        raise CalabFormatError(path, f"{problem} (there is {listed(found)})", remedy)
    return found[0].key


def listed(arrays: list[Array]) -> str:
    """List arrays and their shapes, as far as a line has room."""
    names = [_described(one) for one in arrays[:MOST_LISTED]]
    return ", ".join(names)[:LONGEST] + ", ..." * (len(arrays) > MOST_LISTED)


def with_beside(
    traces: Traces,
    key: str,
    beside: Beside,
    request: Request,
    doubt: str | None,
) -> Contents:
    """Put traces and what belongs to them together.

    Parameters
    ----------
    traces : numpy.ndarray or LazyTraces, shape (n_cells, n_frames)
        The traces.
    key : str
        Where in the file they are; empty where it is nothing but this array.
    beside : Beside
        Where the rest is looked for.
    request : Request
        Kind of trace, whether a key was given, and the user's rate.
    doubt : str or None
        What is to be said of their orientation.

    Returns
    -------
    Contents

    Raises
    ------
    CalabFormatError
        If an array beside them says that they are turned the other way, or rates or ids are none.
    """
    n_cells, n_frames = traces.shape
    _check_orientation(beside, key, n_cells, n_frames)
    times, fs, notes = _clock(beside, n_frames, request.fs)
    choice = "as asked" if request.key else "the only one with two axes"
    return Contents(
        traces=traces,
        trace="raw" if request.trace == "auto" else request.trace,
        why=f"the array {key}, {choice}" if key else "the only array",
        fs=fs,
        fs_remedy=f"give fs in Hz, or save it beside the traces as {RATES[0]}",
        cell_ids=_ids(beside, n_cells),
        timestamps=times,
        provenance={"keys": [key] if key else []},
        notes=notes if doubt is None else (doubt, *notes),
    )


def shown(key: str) -> str:
    """Return a key as it can stand in a line, whatever a damaged file has made of it."""
    return (key if key.isprintable() else ascii(key))[-LONGEST_KEY:]


def _described(array: Array) -> str:
    return f"{shown(array.key)} {array.shape}"


def _check_orientation(beside: Beside, key: str, n_cells: int, n_frames: int) -> None:
    """Refuse traces which the arrays beside them say are turned the other way."""
    if n_cells == n_frames:
        return
    for name, wrong, of_each in ((IDS, n_frames, "cell"), *((t, n_cells, "frame") for t in TIMES)):
        # One of anything is no sign.
        if wrong > 1 and _has(beside.array(name), (wrong,)):
            problem = f"read as {n_cells} cells x {n_frames} frames, but {name} has {wrong}"
            remedy = f"transpose has to be the other way round for one per {of_each}"
            raise CalabFormatError(beside.path, problem, remedy, key=key or None)


def _has(array: Array | None, *shapes: tuple[int, ...]) -> bool:
    return array is not None and array.shape in shapes


def _clock(
    beside: Beside, n_frames: int, given: float | None
) -> tuple[NDArray[np.float64] | None, float | None, tuple[str, ...]]:
    """Find the times of the frames, and the rate."""
    path, rate = beside.path, _rate(beside)
    found = (array for name in TIMES if _has(array := beside.array(name), (n_frames,)))
    array = next(found, None)
    if array is None or not array.is_real:
        return None, rate, ()
    # NetCDF has such as "seconds since 2020-01-01".
    unit = (array.units or "s").partition(" ")[0].lower()
    if unit not in UNITS:
        note = f"{path}, {array.key}: the times are in {unit[:40]!r}, and are left out"
        return None, rate, (note,)
    known = rate if given is None else given
    times, meant, notes = rate_of_frames(array.load() * UNITS[unit], path, array.key, known)
    if rate is None or meant is None:
        return times, meant if rate is None else rate, notes
    if not math.isclose(meant, rate, rel_tol=SAME_RATE):
        said = f"{array.key} means {meant:g} Hz, but a rate of {rate:g} Hz is saved and used"
        notes = (*notes, f"{path}: {said}")
    return times, rate, notes


def _rate(beside: Beside) -> float | None:
    """Find the rate that is saved as a number, in the nearest place that has one."""
    for place in beside.numbers:
        arrays = [array for name in RATES if (array := place(name)) is not None]
        rates = {
            one.name: float(one.load().ravel()[0])
            for one in arrays
            if one.is_real and one.shape in SINGLE
        }
        values = list(rates.values())
        if any(not math.isclose(rate, values[0], rel_tol=SAME_RATE) for rate in values[1:]):
            several = ", ".join(f"{name} {rate:g}" for name, rate in rates.items())
            raise CalabFormatError(beside.path, f"expected one sampling rate, got {several}")
        if values:
            return values[0]
    return None


def _ids(beside: Beside, n_cells: int) -> NDArray[Any] | None:
    """Read the ids of the cells; an array of another length names something else."""
    array = beside.array(IDS)
    if array is None or array.shape != (n_cells,):
        return None
    if array.dtype.kind not in "iuU":
        problem = f"expected whole numbers or text, got {array.dtype}"
        raise CalabFormatError(beside.path, problem, "save ids as integers", key=array.key)
    ids = array.load()
    return ids if ids.dtype.kind == "U" else ids.astype(np.int64)
