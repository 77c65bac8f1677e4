"""Traces that Inscopix Data Processing exports as a text table."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError, unreadable
from ..files.columns import counts_rows, rate_of_frames
from ..files.tables import read_rows, read_table
from ..recording import Contents, Request

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS: frozenset[str] = frozenset()
#: How the second line begins, which has the status of each cell.
STATUS_LINE = re.compile(r'\s*"?time ?\(s\) ?/ ?cell status', re.IGNORECASE)
#: What may stand above the times in the first line, if anything does.
TIME = re.compile(r"time ?\(s\)", re.IGNORECASE)
#: How the first line of exports without status begins, whose files are known by name too.
NAMES_LINE = re.compile(rf'\s*"?(?:{TIME.pattern})?"?\s*,\s*"?C\d+\b', re.IGNORECASE)
SUFFIX = "_traces.csv"
#: What the status of a cell can be.
STATUSES = ("accepted", "rejected", "undecided")
#: Bytes that the first line has at most, and those at the beginning of a line that tell what it is.
MOST_NAMES, BEGINNING = 1 << 20, 100
REMEDY = "export the traces of the cell set again"


def recognises(path: Path) -> bool:
    """Tell whether a file has the layout: the names of cells, and below them their status."""
    if path.suffix.lower() != ".csv" or path.is_dir():
        return False
    with path.open("rb") as file:
        first, second = (file.readline(MOST_NAMES)[:BEGINNING] for _ in range(2))
    if STATUS_LINE.match(second.decode("utf-8", "replace")):
        return True
    named = path.name.lower().endswith(SUFFIX)
    return named and NAMES_LINE.match(first.decode("utf-8-sig", "replace")) is not None


def read(path: Path, request: Request) -> Contents:
    """Read the traces of the accepted cells.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Which cells, and the kind of trace that was exported.

    Returns
    -------
    Contents
        With what was exported, which is not for the file to say, as raw traces.

    Raises
    ------
    CalabFormatError
        If the file is not such a table.
    """
    with unreadable(path):
        names, status, lines = _heading(path)
        table = read_table(path, skip_rows=lines)
    if table.shape[1] != len(names) + 1:
        problem = f"expected a time and a sample of each of {len(names)} cells"
        raise CalabFormatError(path, f"{problem}, got {table.shape[1]} fields", REMEDY)
    times, fs, gaps = _clock(table[:, 0], status is not None, path, request.fs)
    rows, notes = _choose(status, names.size, request.cells, path)
    return Contents(
        traces=np.ascontiguousarray(table.T[rows + 1]),
        trace="raw" if request.trace == "auto" else request.trace,
        why="the traces as exported; the file does not say whether in dF, dF/F or dF over noise",
        fs=fs,
        cell_ids=names[rows],
        timestamps=times,
        cells={} if status is None else {"status": status[rows]},
        provenance={"software": "Inscopix Data Processing", "components": names.size},
        notes=(*gaps, *notes),
    )


def _heading(path: Path) -> tuple[NDArray[np.str_], NDArray[np.str_] | None, int]:
    """Read the names of the cells, their status where it was exported, and where numbers begin."""
    rows = read_rows(path, ",")
    lines, fields = next(rows, (1, [""]))
    corner, *names = (field.strip(' "') for field in fields)
    if len(names) == 0 or (corner and TIME.match(corner) is None):
        problem = f"expected an empty field and the names of cells, got {corner[:40]!r}"
        raise CalabFormatError(path, problem, REMEDY, key="line 1")
    below, fields = next(rows, (0, [""]))
    if STATUS_LINE.match(fields[0]) is None:
        return np.array(names), None, lines
    status = [field.strip(' "').lower() for field in fields[1:]]
    wrong = [word for word in status if word not in STATUSES]
    if wrong or len(status) != len(names):
        problem = f"expected {' or '.join(STATUSES)} for each of {len(names)} cells"
        came = repr(wrong[0][:40]) if wrong else f"{len(status)} of them"
        raise CalabFormatError(path, f"{problem}, got {came}", REMEDY, key=f"line {below}")
    return np.array(names), np.array(status), below


def _clock(
    times: NDArray[np.float64], has_status: bool, path: Path, given: float | None
) -> tuple[NDArray[np.float64] | None, float | None, tuple[str, ...]]:
    """Find the rate; without status, the table may be another whose first column counts rows."""
    if not has_status and counts_rows(times):
        if given is None:
            problem = "expected times in seconds, got a count of the rows"
            raise CalabFormatError(path, problem, "give fs in Hz", key="column 1")
        return None, None, ()
    return rate_of_frames(times, path, "column 1", given)


def _choose(
    status: NDArray[np.str_] | None, n_cells: int, cells: str, path: Path
) -> tuple[NDArray[np.intp], list[str]]:
    """Choose the cells that were asked for; whoever has not looked at them means all."""
    everything = np.arange(n_cells)
    if cells == "all":
        return everything, []
    if status is None:
        return everything, [f"{path}: exported without the status of its cells: all are read"]
    if not np.any(status == "accepted"):
        note = f"{path}: no cell was accepted: those that are undecided are read"
        return everything[status == "undecided"], [note]
    return everything[status == "accepted"], []
