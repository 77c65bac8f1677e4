"""Where in an NWB file the cells of a result already are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import needs
from ...formats.nwb.catalogue import Series
from ...formats.nwb.cells import NAMES
from ...formats.nwb.tree import EXTRA
from ..labels import Labelled

__all__ = ["Part", "parts_in"]


@dataclass(frozen=True, eq=False)
class Part:
    """Cells of a result that are rows of one table.

    Attributes
    ----------
    table : pynwb.ophys.PlaneSegmentation
    rows : list of int
        Of the table, in the order in which the cells stand.
    cells : list of int, or None
        Rows of the result; None for all of them.
    plane : int or None
        Imaging plane, where the result has several.
    """

    table: Any
    rows: list[int]
    cells: list[int] | None = None
    plane: int | None = None


def parts_in(file: Any, path: Path, labelled: Labelled, *, named: bool) -> tuple[list[Part], Any]:
    """Find the rows of tables that are the cells of a result.

    Parameters
    ----------
    file : pynwb.NWBFile
        The file, read.
    path : Path
        Where it is, for messages.
    labelled : Labelled
        The result.
    named : bool
        Whether the user said how the cells are known, so that ids which only count them, 0, 1,
        2, ..., are meant.

    Returns
    -------
    parts : list of Part
        One for each imaging plane; none where no table has the cells.
    source : pynwb.ophys.RoiResponseSeries or None
        A series of the same cells and frames.

    Raises
    ------
    ValueError
        If the ids fit by chance, or fit several tables, or neither cells nor frames are those of
        the file.
    """
    ophys = needs("pynwb", EXTRA, "writing NWB").ophys
    objects = list(file.objects.values())
    # Those without data, which NWB does not allow, have an empty array in their place.
    series = [
        one
        for one in objects
        if isinstance(one, ophys.RoiResponseSeries) and hasattr(one.data, "name")
    ]
    parts, source = _recorded(file, series, labelled)
    if parts:
        return parts, source
    tables = [one for one in objects if isinstance(one, ophys.PlaneSegmentation)]
    table = _fitting(tables, path, labelled, named)
    if table is None:
        _refuse_unrelated(series, path, labelled)
        return [], None
    beside = [one for one in series if one.rois.table is table]
    source = next((one for one in beside if one.data.shape[0] == labelled.n_frames), None)
    row = {cell: at for at, cell in enumerate(_ids(table))}
    return [Part(table, [row[cell] for cell in labelled.cell_ids.tolist()])], source


def _refuse_unrelated(series: list[Any], path: Path, labelled: Labelled) -> None:
    """Refuse a file with traces of other cells and of other length, as of another session."""
    lengths = {length for one in series for length in one.data.shape}
    if series and labelled.n_frames not in lengths:
        raise ValueError(
            f"{path}: expected the file of this recording, got traces of other cells and of "
            f"{max(lengths)} frames instead of {labelled.n_frames}; name the file that it was read "
            "from, or give append=False and another name"
        )


def _recorded(file: Any, series: list[Any], labelled: Labelled) -> tuple[list[Part], Any]:
    """Find the cells of a recording that was read from this file, or from a copy of it."""
    known = labelled.provenance.get("known", {})
    if labelled.provenance.get("format") != "nwb" or known.get("identifier") != file.identifier:
        return [], None
    by_key = {one.data.name.strip("/"): one for one in series}
    by_plane: dict[int | None, Any] = {}
    for key in known.get("keys", ()):
        if key in by_key:
            plane = Series(key.removesuffix("/data"), "").plane
            by_plane.setdefault(plane, by_key[key])
    if not by_plane:
        return [], None
    if labelled.cell_ids.dtype.kind != "U":
        by_plane = {None: next(iter(by_plane.values()))}
    parts = _split(by_plane, labelled.cell_ids.tolist())
    return parts, next(iter(by_plane.values()))


def _split(by_plane: dict[int | None, Any], ids: list[Any]) -> list[Part]:
    """Sort cells by plane; none if one of them is not there."""
    places = {}
    for plane, one in by_plane.items():
        listed, names = _ids(one.rois.table), _names(one.rois.table)
        for row in np.asarray(one.rois.data[:]).tolist():
            if row < len(listed):
                cell = listed[row]
                places[cell if plane is None else f"plane{plane}_{cell}"] = plane, row
            if row < len(names):
                name = names[row]
                places[name if plane is None else f"plane{plane}_{name}"] = plane, row
    if not all(cell in places for cell in ids):
        return []
    if set(by_plane) == {None}:
        return [Part(by_plane[None].rois.table, [places[cell][1] for cell in ids])]
    parts = []
    for plane, one in by_plane.items():
        cells = [at for at, cell in enumerate(ids) if places[cell][0] == plane]
        rows = [places[ids[at]][1] for at in cells]
        parts.append(Part(one.rois.table, rows, cells, plane))
    return [part for part in parts if part.rows]


def _fitting(tables: list[Any], path: Path, labelled: Labelled, named: bool) -> Any:
    """Find the one table that has the ids of all cells."""
    if labelled.cell_ids.dtype.kind == "U":
        return None
    ids = labelled.cell_ids.tolist()
    listed = [(table, _ids(table)) for table in tables]
    # An id that occurs twice says nothing.
    listed = [(table, there) for table, there in listed if len(set(there)) == len(there)]
    fits = [(table, there) for table, there in listed if set(ids) <= set(there)]
    if not named and ids == list(range(len(ids))):
        # Ids that only count the cells are in nearly every table.
        if fits and not any(len(there) == len(ids) for _, there in fits):
            raise ValueError(
                f"cell_ids: the cells of the result are only counted, 0 to {len(ids) - 1}, and "
                f"{path} has {len(fits[0][1])}; say which they are by cell_ids= or by "
                "recording= as read from it"
            )
        fits = [(table, there) for table, there in fits if len(there) == len(ids)]
    if len(fits) > 1:
        names = ", ".join(sorted(table.name for table, _ in fits))
        raise ValueError(
            f"cell_ids: expected the cells of one table, got ids that fit {names} of {path}; "
            "give recording= as read from it"
        )
    return fits[0][0] if fits else None


def _names(table: Any) -> list[str]:
    """Read the names of cells in a table, none where it lacks them or some are the same."""
    names = list(map(str, table[NAMES][:])) if NAMES in table.colnames else []
    return names if len(set(names)) == len(names) else []


def _ids(table: Any) -> list[int]:
    """Read the ids of a table, none where it lacks them."""
    ids: list[int] = np.asarray(table.id[:]).tolist()
    return ids
