"""Text tables of numbers, and the line that may name their columns."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError

__all__ = ["Heading", "is_number", "read_heading", "read_rows", "read_table"]

#: Spellings of a missing sample in tables written by R, MATLAB, pandas and spreadsheets.
MISSING = ("", "na", "nan", "n/a", "null", "none")


class Heading(NamedTuple):
    """What is at the top of a table, before its numbers.

    Attributes
    ----------
    names : list of str or None
        Of its columns.
    lines : int
        How many to leave out.
    is_comment : bool
        Whether the names are in a comment.
    skipped : list of str
        Fields of the last line that was left out as asked.
    """

    names: list[str] | None
    lines: int
    is_comment: bool
    skipped: list[str]


def read_table(path: Path, *, skip_rows: int = 0, delimiter: str = ",") -> NDArray[np.float64]:
    """Read a text table of numbers as it stands.

    Parameters
    ----------
    path : Path
        The file. Lines without anything in them, and those that begin with `#`, are left out.
    skip_rows : int, optional
        Lines to leave out at the top.
    delimiter : str, optional
        What stands between two fields.

    Returns
    -------
    numpy.ndarray, shape (n_lines, n_fields), float64
        NaN where a sample is missing.

    Raises
    ------
    CalabFormatError
        If it is not such a table.
    """
    for missing in (False, True):
        try:
            return _read_plain_table(path, skip_rows, delimiter, missing)
        except ValueError:
            # Not all are numbers.
            continue
    # Slower, but takes quotes and names the line and column of what it refuses.
    return _read_quoted_table(path, skip_rows, delimiter)


def is_number(field: str) -> bool:
    """Tell whether a field of a text table is a number or a missing sample."""
    try:
        float(field)
    except ValueError:
        return field.strip().lower() in MISSING
    return True


def read_heading(path: Path, skip_rows: int | None, delimiter: str) -> Heading:
    """Find the line that names the columns, if there is one.

    Parameters
    ----------
    path : Path
        The file.
    skip_rows : int or None
        Lines to leave out at the top. Only with None, a line that counts its columns, as pandas
        writes it, is a line of names.
    delimiter : str
        What stands between two fields.

    Returns
    -------
    Heading

    Raises
    ------
    CalabFormatError
        If the file is not text.
    """
    lines, skipped, comment = skip_rows or 0, [], None
    for line, fields in read_rows(path, delimiter):
        if line <= (skip_rows or 0):
            skipped = fields
        elif fields[0].startswith("#"):
            lines, comment = line, [fields[0][1:], *fields[1:]]
        elif _are_names(fields, counted=skip_rows is None):
            return Heading(fields, line, False, skipped)
        elif comment is not None and len(comment) == len(fields):
            return Heading(comment, lines, True, skipped)
        else:
            break
    return Heading(None, lines, False, skipped)


def _are_names(fields: list[str], counted: bool) -> bool:
    """Tell names from numbers; numbers after one name are a row that has a name itself."""
    first, *others = fields
    if any(not is_number(field) for field in others or fields):
        return True
    if not counted or not others:
        return False
    count = [str(number) for number in range(len(fields))]
    has_corner = not first.strip() or not is_number(first)
    return fields == count or (has_corner and others == count[:-1])


def read_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Go through the rows that have something in them.

    Parameters
    ----------
    path : Path
        The file.
    delimiter : str
        What stands between two fields.

    Yields
    ------
    line : int
        Where the row ends, from 1.
    fields : list of str
        Its fields, without quotes.

    Raises
    ------
    CalabFormatError
        If the file is not text.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, delimiter=delimiter)
            for fields in rows:
                if any(field.strip() for field in fields):
                    yield rows.line_num, fields
    except (UnicodeDecodeError, csv.Error) as err:
        raise CalabFormatError(path, f"expected a text table of numbers: {err}") from err


def _read_plain_table(
    path: Path, skip_rows: int, delimiter: str, missing: bool
) -> NDArray[np.float64]:
    """Read a table without quotes; names of missing samples take twice as long."""
    with warnings.catch_warnings(), path.open(encoding="utf-8-sig") as file:
        # An empty file is only a warning to numpy; the slow reader has the better message.
        warnings.simplefilter("error")
        # NumPy reads a file that it opens itself at several times the speed.
        source = _filled(islice(file, skip_rows, None), delimiter) if missing else path
        skipped = 0 if missing else skip_rows
        try:
            return np.loadtxt(
                source, delimiter=delimiter, skiprows=skipped, ndmin=2, encoding="utf-8-sig"
            )
        except Warning as err:
            raise ValueError(str(err)) from err


def _filled(lines: Iterable[str], delimiter: str) -> Iterator[str]:
    """Write NaN where a sample is missing."""
    for line in lines:
        text = delimiter + line.strip(" \r\n").lower() + delimiter
        if " " in text:
            text = text.replace(f" {delimiter}", delimiter).replace(f"{delimiter} ", delimiter)
        if not text.strip(delimiter):
            continue
        for word in MISSING:
            if word in text:
                field = f"{delimiter}{word}{delimiter}"
                filled = f"{delimiter}nan{delimiter}"
                # Twice, since neighbours share a delimiter.
                text = text.replace(field, filled).replace(field, filled)
        yield text[1:-1]


def _read_quoted_table(path: Path, skip_rows: int, delimiter: str) -> NDArray[np.float64]:
    rows: list[list[float]] = []
    for line, fields in read_rows(path, delimiter):
        if line <= skip_rows or fields[0].startswith("#"):
            continue
        rows.append(_numbers(fields, path, line))
        if len(rows[-1]) != len(rows[0]):
            problem = f"expected {len(rows[0])} fields as in the first row, got {len(rows[-1])}"
            raise CalabFormatError(path, problem, key=f"line {line}")
    if not rows:
        raise CalabFormatError(path, "expected a table of numbers, got no rows")
    return np.array(rows, dtype=np.float64)


def _numbers(fields: list[str], path: Path, line: int) -> list[float]:
    numbers = []
    for column, field in enumerate(fields, start=1):
        text = field.strip()
        try:
            numbers.append(np.nan if text.lower() in MISSING else float(text))
        except ValueError:
            problem = f"expected a number, got {text[:40]!r} (skip_rows leaves out header lines)"
            raise CalabFormatError(path, problem, key=f"line {line}, column {column}") from None
    return numbers
