"""Text tables of numbers, separated by commas or tabs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError, unreadable
from ..files.columns import check_count, rate_of_frames, sort_columns
from ..files.tables import Heading, is_number, read_heading, read_table
from ..recording import Contents, Request
from ..traces import doubtful_orientation, oriented

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS = frozenset({"transpose", "skip_rows"})


def recognises(path: Path) -> bool:
    """Tell whether a file is named as a text table."""
    return path.suffix.lower() in {".csv", ".tsv"} and not path.is_dir()


def read(path: Path, request: Request) -> Contents:
    """Read a table whose rows are cells, or frames if it is to be transposed.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Kind of trace, which says what the numbers are, orientation and header lines.

    Returns
    -------
    Contents
        With ids, and times if there is a column of them, where a first line names the columns.

    Raises
    ------
    CalabFormatError
        If it is not a table of numbers, or columns have names and it is not to be transposed.
    """
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with unreadable(path):
        heading = read_heading(path, request.skip_rows, delimiter)
        if not request.transpose:
            _refuse_names(heading, path)
        table = read_table(path, skip_rows=heading.lines, delimiter=delimiter)
    if request.transpose and heading.names is not None:
        return _named_columns(table, heading.names, path, request)
    ids = None
    if _has_labels(table, heading):
        labels, table = table[:, 0], table[:, 1:]
        if request.transpose:
            check_count(labels, path, "column 1")
        else:
            ids = _as_ids(labels, path)
    return _contents(table, path, request, cell_ids=ids)


def _refuse_names(heading: Heading, path: Path) -> None:
    """Refuse a line of names: whether it names cells or frames is not for us to guess."""
    if heading.names is None or heading.is_comment:
        return
    listed = ", ".join(" ".join(name.split()) for name in heading.names[:4])
    listed = listed[:80] + ", ..." * (len(heading.names) > 4 or len(listed) > 80)
    remedy = f"transpose=True if columns are cells, skip_rows={heading.lines} if rows are"
    if all(is_number(name) for name in heading.names):
        remedy += ", skip_rows=0 if these are samples"
    problem = f"expected the numbers of a cell, got names of columns ({listed})"
    raise CalabFormatError(path, problem, remedy, key=f"line {heading.lines}")


def _has_labels(table: NDArray[np.float64], heading: Heading) -> bool:
    """Tell whether the first column names the rows: the line that was left out says so."""
    above = heading.skipped
    return len(above) == table.shape[1] and not above[0].strip()


def _as_ids(labels: NDArray[np.float64], path: Path) -> NDArray[np.int64]:
    # Larger numbers are not exact as float64.
    if not (np.abs(labels) < 2**53).all() or (labels % 1).any():
        problem = "expected whole numbers, the ids of cells, under an empty field"
        raise CalabFormatError(path, problem, "take that column out", key="column 1")
    return labels.astype(np.int64)


def _named_columns(
    table: NDArray[np.float64], names: list[str], path: Path, request: Request
) -> Contents:
    """Read a table of frames, whose columns are times and cells."""
    if len(names) != table.shape[1]:
        problem = f"expected a name for each of {table.shape[1]} columns, got {len(names)}"
        raise CalabFormatError(path, problem, "skip_rows leaves out header lines")
    columns = sort_columns(names, path)
    for at in columns.unnamed:
        check_count(table[:, at], path, f"column {at + 1}")
    known: dict[str, Any] = {"cell_ids": np.array([names[at].strip() for at in columns.cells])}
    if columns.times is not None:
        seconds, name = table[:, columns.times] * columns.unit, names[columns.times].strip()
        clock = rate_of_frames(seconds, path, name, request.fs, has_unit=columns.has_unit)
        known["timestamps"], known["fs"], known["notes"] = clock
    if all(is_number(name) for name in names) and not columns.unnamed:
        note = f"{path}: its first line counts the columns, and is read as names, not as samples"
        known["notes"] = (note,)
    return _contents(table[:, columns.cells], path, request, **known)


def _contents(table: NDArray[np.float64], path: Path, request: Request, **known: Any) -> Contents:
    turn = bool(request.transpose)
    traces = oriented(table, path, turn)
    doubt = doubtful_orientation(traces.shape, path, turn)
    notes = (*known.pop("notes", ()), *((doubt,) if doubt else ()))
    return Contents(
        traces=traces,
        trace="raw" if request.trace == "auto" else request.trace,
        why=f"the numbers in the file, whose {'columns' if turn else 'rows'} are cells",
        fs_remedy="give fs in Hz" + ", or name a column 'time', in seconds" * turn,
        notes=notes,
        **known,
    )
