"""Parquet files with a row per frame and a column per cell."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MOST_LISTED, CalabFormatError, MissingKeyError, needs, unreadable
from ..files.columns import UNITS, Columns, check_count, rate_of_frames, sort_columns
from ..files.hdf5 import MOST_INFLATED
from ..lazy import LazyTraces
from ..recording import Contents, Request

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS = frozenset({"key"})
MAGIC = b"PAR1"
#: Types of numbers, as Arrow calls them.
NUMBERS = {"float", "double", "halffloat"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
#: How Arrow's types of points in time begin, which have a unit.
MOMENTS = ("timestamp", "duration")
#: Columns that are read in one go. Fewer at a time take as long, since a file of many columns is
#: opened slowly, and more take more memory.
SLAB = 64


def recognises(path: Path) -> bool:
    """Tell whether a file is named as a Parquet file."""
    return path.suffix.lower() in {".parquet", ".pq"} and not path.is_dir()


def read(path: Path, request: Request) -> Contents:
    """Read columns as cells.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Kind of trace, which says what the numbers are, and as key a pattern of the names of the
        columns that are cells.

    Returns
    -------
    Contents
        With the names of the columns as ids, and times if there is a column of them.

    Raises
    ------
    MissingKeyError
        If no column has such a name.
    CalabFormatError
        If the file is damaged, or has columns that are not numbers, or a row per cell and frame.
    """
    with _open(path) as file:
        schema = file.schema_arrow
        names, types = schema.names, [str(kind) for kind in schema.types]
        n_frames = _n_frames(file, path, len(names))
        columns = sort_columns(names, path)
        times, fs, notes = _clock(file, columns, path, request.fs)
    cells = _choose(names, types, columns.cells, request.key, path)
    single = {types[at] for at in cells} == {"float"}
    dtype = np.dtype(np.float32 if single else np.float64)
    chosen = [names[at] for at in cells]
    return Contents(
        traces=LazyTraces(
            (len(cells), n_frames), dtype, _Columns(path, chosen, n_frames, dtype), slab=SLAB
        ),
        trace="raw" if request.trace == "auto" else request.trace,
        why=f"a column per cell, {f'named {request.key}' if request.key else 'all but times'}",
        fs=fs,
        fs_remedy="give fs in Hz, or name a column 'time', in seconds",
        cell_ids=np.array(chosen),
        timestamps=times,
        notes=notes,
    )


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    parquet = needs("pyarrow.parquet", "parquet", f"reading {path.name}")
    with path.open("rb") as file:
        begins = file.read(len(MAGIC))
        file.seek(max(path.stat().st_size - len(MAGIC), 0))
        if not begins == file.read() == MAGIC:
            problem = f"expected a Parquet file, between two marks {MAGIC.decode()}"
            raise CalabFormatError(path, problem, "the file may be damaged or not complete")
    # Mapped, for otherwise every byte is copied once more.
    with unreadable(path), parquet.ParquetFile(path, memory_map=True) as file:
        yield file


def _n_frames(file: Any, path: Path, n_columns: int) -> int:
    """Return the number of rows, if so many can be in the file."""
    n_rows = int(file.metadata.num_rows)
    if not 0 <= n_rows * n_columns <= MOST_INFLATED * path.stat().st_size:
        problem = f"expected data that fit the file, got {n_rows} rows of {n_columns} columns"
        raise CalabFormatError(path, problem, "the file may be damaged")
    return n_rows


def _choose(
    names: list[str], types: list[str], cells: list[int], key: str | None, path: Path
) -> list[int]:
    """Take the columns that are cells: all but times, or those whose names fit the pattern."""
    if key is not None:
        cells = [at for at in cells if fnmatchcase(names[at], key)]
        if not cells:
            remedy = "key is a pattern of the names of cells, such as 'cell_*'"
            raise MissingKeyError(path, key, names, remedy)
    others = [f"{names[at]} ({types[at]})" for at in cells if types[at] not in NUMBERS]
    if others:
        listed = ", ".join(others[:MOST_LISTED]) + ", ..." * (len(others) > MOST_LISTED)
        remedy = "key='cell_*' takes only the columns with such names"
        raise CalabFormatError(path, f"expected columns of numbers, got {listed[:400]}", remedy)
    return cells


def _clock(
    file: Any, columns: Columns, path: Path, given: float | None
) -> tuple[NDArray[np.float64] | None, float | None, tuple[str, ...]]:
    """Read the times of the frames, and see that columns without a name do not hold them."""
    names, types = file.schema_arrow.names, file.schema_arrow.types
    for at in columns.unnamed:
        check_count(_values(file, names[at], path), path, names[at] or f"column {at + 1}")
    if columns.times is None:
        return None, None, ()
    name, kind = names[columns.times], str(types[columns.times])
    has_unit = columns.has_unit or kind.startswith(MOMENTS)
    seconds = _values(file, name, path, columns.unit)
    return rate_of_frames(seconds, path, name, given, has_unit=has_unit)


def _values(file: Any, name: str, path: Path, unit: float = 1.0) -> NDArray[np.float64]:
    """Read a column of numbers in some unit, or of points in time, which have their own."""
    column = file.read(columns=[name]).column(name)
    kind = str(column.type)
    if kind.startswith(MOMENTS):
        column, unit = column.cast("int64"), UNITS[column.type.unit]
    elif kind not in NUMBERS:
        raise CalabFormatError(path, f"expected numbers or times, got {kind[:80]}", key=name)
    return np.asarray(column.to_numpy(), dtype=np.float64) * unit


class _Columns:
    """Some columns, as rows."""

    def __init__(self, path: Path, names: list[str], n_frames: int, dtype: np.dtype[Any]) -> None:
        self.path, self.names, self.n_frames, self.dtype = path, names, n_frames, dtype

    def __call__(self, which: NDArray[np.intp]) -> NDArray[Any]:
        traces = np.empty((which.size, self.n_frames), self.dtype)
        names = [self.names[at] for at in which]
        parts = [slice(start, start + SLAB) for start in range(0, which.size, SLAB)]
        with _open(self.path) as file, ThreadPoolExecutor(1, "calab-parquet") as reader:
            # The next columns are read while these are copied.
            waiting = [reader.submit(self._table, file, names[part]) for part in parts[:1]]
            for part, following in zip(parts, [*parts[1:], None], strict=True):
                table = waiting.pop().result()
                if following is not None:
                    waiting.append(reader.submit(self._table, file, names[following]))
                self._fill(traces[part], table, names[part])
        return traces

    def _table(self, file: Any, names: list[str]) -> Any:
        table = file.read(columns=list(dict.fromkeys(names)))
        if table.num_rows != self.n_frames:
            problem = f"expected {self.n_frames} rows, got {table.num_rows}"
            raise CalabFormatError(self.path, problem, "the file may be damaged")
        return table

    def _fill(self, traces: NDArray[Any], table: Any, names: list[str]) -> None:
        for trace, name in zip(traces, names, strict=True):
            at = 0
            for chunk in table.column(name).chunks:
                # What is missing becomes NaN.
                trace[at : at + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
                at += len(chunk)
