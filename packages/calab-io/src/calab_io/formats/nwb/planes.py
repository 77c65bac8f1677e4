"""The cells of one series in an NWB file, and those of several planes as one recording."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalabFormatError
from ...lazy import LazyTraces
from ...recording import Request
from .catalogue import Series
from .cells import cells_of
from .series import Sum, Times, samples_of, times_of

__all__ = ["Plane", "joined", "plane_of"]

#: Share by which the rates of planes may differ: one microscope scans them all.
ONE_RATE = 0.001


@dataclass(frozen=True)
class Plane:
    """The cells of a series that were asked for, or those of several planes.

    Attributes
    ----------
    traces : LazyTraces
        Cells x frames.
    cell_ids : numpy.ndarray, shape (n_cells,), int64 or str
        From the table of cells, with the plane before them where there are several.
    known : dict of str to numpy.ndarray, shape (n_cells,)
        What the table says of each cell.
    times : Times
        When they were taken.
    n_cells : int
        With the cells that were not asked for.
    keys : tuple of str
        Paths of the data sets.
    table : str
        Path of the table of cells.
    notes : tuple of str
        What their user should know.
    """

    traces: LazyTraces
    cell_ids: NDArray[Any]
    known: dict[str, NDArray[Any]]
    times: Times
    n_cells: int
    keys: tuple[str, ...]
    table: str
    notes: tuple[str, ...]


def plane_of(file: Any, path: Path, series: Series, kind: str, request: Request) -> Plane:
    """Look at a series, without reading its samples.

    Parameters
    ----------
    file : h5py.File
        The file.
    path : Path
        Its path, to open it again.
    series : Series
        Which.
    kind : str
        Kind of trace.
    request : Request
        Which cells; the rate, if there is one.

    Returns
    -------
    Plane

    Raises
    ------
    CalabFormatError
        If its data sets do not belong together.
    """
    cells = cells_of(file, series.key)
    (_, first), *others = series.parts(kind)
    samples = samples_of(file, first, cells.ids.size)
    parts = [(1.0, samples)]
    parts += [(weight, samples_of(file, key, *samples.shape)) for weight, key in others]
    rows = np.arange(cells.ids.size)
    some = request.cells == "accepted"
    if some and cells.accepted is not None:
        rows = np.flatnonzero(cells.accepted)
    known = cells.known if cells.accepted is None else {**cells.known, "accepted": cells.accepted}
    times = times_of(file, series.key, request.fs)
    return Plane(
        traces=LazyTraces(
            (rows.size, samples.shape[1]),
            np.result_type(*(part.dtype for _, part in parts)),
            Sum(path, tuple(parts), rows),
            slab=samples.slab,
        ),
        cell_ids=cells.ids[rows],
        known={name: values[rows] for name, values in known.items()},
        times=times,
        n_cells=cells.ids.size,
        keys=tuple(part.key for _, part in parts),
        table=cells.table,
        notes=(*times.notes, *(cells.notes if some else ())),
    )


def joined(path: Path, planes: dict[int | None, Plane]) -> Plane:
    """Put the cells of several planes one after the other, by ids that name the plane.

    Parameters
    ----------
    path : Path
        The file.
    planes : dict of int to Plane
        By the number of the plane.

    Returns
    -------
    Plane

    Raises
    ------
    CalabFormatError
        If they differ in frames or rate.
    """
    parts = list(planes.values())
    if len(parts) == 1:
        return parts[0]
    _check_same(path, parts)
    first = parts[0]
    times, more = first.times, []
    if not all(_same(times.stamps, one.times.stamps) for one in parts):
        times = replace(times, stamps=None)
        more = [f"{path}: planes have different time stamps, which are left out; plane reads one"]
    n_cells = sum(one.traces.shape[0] for one in parts)
    common = [name for name in first.known if all(name in one.known for one in parts)]
    return Plane(
        traces=LazyTraces(
            (n_cells, first.traces.shape[1]),
            np.result_type(*(one.traces.dtype for one in parts)),
            _Stacked(tuple(one.traces for one in parts)),
            slab=max(one.traces.slab for one in parts),
        ),
        cell_ids=np.array(
            [f"plane{at}_{cell}" for at, one in planes.items() for cell in one.cell_ids.tolist()],
            dtype=np.str_,
        ),
        known={name: np.concatenate([one.known[name] for one in parts]) for name in common},
        times=times,
        n_cells=sum(one.n_cells for one in parts),
        keys=tuple(key for one in parts for key in one.keys),
        table=first.table,
        notes=(*(note for one in parts for note in one.notes), *more),
    )


def _check_same(path: Path, planes: list[Plane]) -> None:
    """Check that planes can be one recording: traces of a length, with one rate."""
    frames = {one.traces.shape[1] for one in planes}
    rates = [one.times.fs for one in planes if one.times.fs is not None]
    if len(frames) > 1 or (rates and np.ptp(rates) > ONE_RATE * max(rates)):
        each = ", ".join(f"{one.traces.shape[1]} at {one.times.fs} Hz" for one in planes)
        problem = f"expected planes of as many frames and one rate, got {each}"
        raise CalabFormatError(path, problem, "plane chooses one of them")


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


@dataclass(frozen=True)
class _Stacked:
    """Traces of several planes, one plane after the other, read when called with rows."""

    planes: tuple[LazyTraces, ...]

    def __call__(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        counts = np.array([len(plane) for plane in self.planes])
        ends = np.cumsum(counts)
        owner = np.searchsorted(ends, rows, side="right")
        loaded = [
            self.planes[at][rows[owner == at] - (ends[at] - counts[at])] for at in np.unique(owner)
        ]
        return np.concatenate(loaded)[np.argsort(np.argsort(owner, kind="stable"))]
