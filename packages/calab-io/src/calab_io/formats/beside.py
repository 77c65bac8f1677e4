"""What is beside an array of traces under names: its rate, the times of its frames, its cells.

One rule for every format that holds several arrays and has no layout of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MOST_LISTED, CalabFormatError, MissingKeyError
from ..files.columns import UNITS, rate_of_frames
from ..files.tree import Array
from ..names import IDS, RATES, SAME_RATE, TIMES, TRACES, Named, told_by_name
from ..recording import Contents, Request, Traces

__all__ = ["Beside", "listed", "only_one", "shown", "with_beside"]

#: Shapes of a single number.
SINGLE = ((), (1,), (1, 1))
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
    labels : str or None
        Name of the axis of the cells, by which xarray and NetCDF have their labels beside them.
    names : mapping of str to Named
        What the name of an array tells of it.
    """

    path: Path
    array: Place
    numbers: tuple[Place, ...]
    labels: str | None = None
    names: Mapping[str, Named] = field(default_factory=lambda: TRACES)


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
    found = [one for one in every if one.is_real and len(one.shape) == 2 and not _is_known(one)]
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
    clock = _clock(beside, key, n_frames, request.fs)
    ids, more = _ids(beside, n_cells)
    kind, cautions = told_by_name(beside.path, key, request.trace, beside.names)
    choice = "as asked" if request.key else "the only one with two axes"
    return Contents(
        traces=traces,
        trace=kind,
        why=f"the array {key}, {choice}" if key else "the only array",
        fs=clock.fs,
        fs_remedy=clock.lacks + f"give fs in Hz, or save it beside the traces as {RATES[0]}",
        cell_ids=ids,
        timestamps=clock.times,
        provenance={"keys": [key] if key else []},
        notes=(*(() if doubt is None else (doubt,)), *cautions, *clock.notes, *more),
    )


def shown(key: str) -> str:
    """Return a key as it can stand in a line, whatever a damaged file has made of it."""
    return (key if key.isprintable() else ascii(key))[-LONGEST_KEY:]


def _is_known(array: Array) -> bool:
    """Tell by its name whether an array is something that belongs to traces."""
    is_rate = array.name in RATES and array.shape in SINGLE
    return is_rate or array.name in (*TIMES, IDS)


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


class _Clock(NamedTuple):
    """When the frames were taken.

    Attributes
    ----------
    times : numpy.ndarray, shape (n_frames,), or None
        In seconds.
    fs : float or None
        In hertz.
    notes : tuple of str
        On times that are left out, or not what they seem.
    lacks : str
        What there is but says no rate; ends such that a remedy can follow.
    """

    times: NDArray[np.float64] | None
    fs: float | None
    notes: tuple[str, ...] = ()
    lacks: str = ""


def _clock(beside: Beside, key: str, n_frames: int, given: float | None) -> _Clock:
    """Find the times of the frames, and the rate."""
    path, (rate, lacks) = beside.path, _rate(beside, given)
    arrays = [array for name in TIMES if (array := beside.array(name)) is not None]
    # Times that are named as the traces are not also when these were taken.
    array = next((one for one in arrays if one.shape == (n_frames,) and one.key != key), None)
    if array is None:
        return _Clock(None, rate, lacks=lacks)
    if not array.is_real:
        return _Clock(None, rate, lacks=f"{array.key} is there, but not as numbers; {lacks}")
    # NetCDF has such as "seconds since 2020-01-01".
    unit = (array.units or "s").partition(" ")[0].lower()
    if unit not in UNITS:
        left = f"{array.key}: the times are in {unit[:40]!r}, and are left out"
        return _Clock(None, rate, (f"{path}, {left}",), f"{left}; {lacks}")
    known, has_unit = rate if given is None else given, bool(array.units)
    seconds = array.load() * UNITS[unit]
    times, meant, notes = rate_of_frames(seconds, path, array.key, known, has_unit=has_unit)
    if rate is None or meant is None:
        return _Clock(times, meant if rate is None else rate, notes)
    if not math.isclose(meant, rate, rel_tol=SAME_RATE):
        said = f"{array.key} means {meant:g} Hz, but a rate of {rate:g} Hz is saved and used"
        notes = (*notes, f"{path}: {said}")
    return _Clock(times, rate, notes)


def _rate(beside: Beside, given: float | None) -> tuple[float | None, str]:
    """Find the rate that is saved as a number, in the nearest place that has one.

    Without one, the text says what there is instead.
    """
    texts: list[str] = []
    for place in beside.numbers:
        arrays = {name: array for name in RATES if (array := place(name)) is not None}
        texts += [name for name, one in arrays.items() if one.dtype.kind == "U"]
        rates = {
            name: float(one.load().ravel()[0])
            for name, one in arrays.items()
            if one.is_real and one.shape in SINGLE
        }
        values = list(rates.values())
        if any(not math.isclose(rate, values[0], rel_tol=SAME_RATE) for rate in values[1:]):
            if given is not None:
                return None, ""
            several = ", ".join(f"{name} {rate:g}" for name, rate in rates.items())
            problem = f"expected one sampling rate, got {several}"
            raise CalabFormatError(beside.path, problem, "give fs in Hz")
        if values:
            return values[0], ""
    return None, f"{texts[0]} is there, but as text and not as a number; " if texts else ""


def _ids(beside: Beside, n_cells: int) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Read the ids of the cells; an array of another length names something else."""
    array = beside.array(IDS)
    if array is None or array.shape != (n_cells,):
        return _labels(beside, n_cells)
    ids = _as_ids(array)
    if ids is None:
        problem = f"expected whole numbers or text, got {array.dtype}"
        raise CalabFormatError(beside.path, problem, "save ids as integers", key=array.key)
    return ids, ()


def _labels(beside: Beside, n_cells: int) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Read the labels of the axis of cells, where they can be ids."""
    array = None if beside.labels is None else beside.array(beside.labels)
    if array is None or array.shape != (n_cells,):
        return None, ()
    if array.dtype.kind == "O":
        said = (
            f"{array.key}: labels that are stored in this way are not read, and cells are counted"
        )
        return None, (f"{beside.path}, {said}",)
    ids = _as_ids(array)
    return (ids, ()) if ids is not None and np.unique(ids).size == n_cells else (None, ())


def _as_ids(array: Array) -> NDArray[Any] | None:
    """Return text or whole numbers, also whole floats; None for what is neither."""
    if array.dtype.kind not in "iufU":
        return None
    values = array.load()
    if values.dtype.kind == "U":
        return values
    # Beyond that, a float is no longer one whole number.
    whole = (np.abs(values) < 2**53) & (values == np.rint(values))
    return values.astype(np.int64) if whole.all() else None
