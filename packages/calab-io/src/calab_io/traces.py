"""Traces from `.npy` and `.csv` files, as cells x frames.

The orientation is never guessed: rows are cells and columns are frames. A recording nearly always
has more frames than cells, so a file with more rows than columns gets a warning that says how to
turn it; it is not turned silently.
"""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_csv", "read_npy", "read_traces"]

_NPY_MAGIC = b"\x93NUMPY"
# Spellings of a missing sample in tables written by R, MATLAB, pandas and spreadsheets.
_MISSING = {"", "na", "nan", "n/a", "null", "none"}


def read_traces(
    path: str | Path, *, transpose: bool = False, skip_rows: int = 0
) -> NDArray[np.floating[Any]]:
    """Read traces from a file, chosen by its suffix.

    Parameters
    ----------
    path : str or Path
        A `.npy`, `.csv` or `.tsv` file.
    transpose : bool, optional
        True if the rows of the file are frames. Default False: rows are cells.
    skip_rows : int, optional
        Header lines to leave out at the top of a `.csv` or `.tsv` file.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames), float32 or float64
        In the units of the file. Missing samples are NaN.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the suffix is not known or the content is not a table of numbers.
    """
    suffix = Path(path).suffix.lower()
    if suffix in {".csv", ".tsv"}:
        delimiter = "\t" if suffix == ".tsv" else ","
        return read_csv(path, transpose=transpose, skip_rows=skip_rows, delimiter=delimiter)
    if suffix != ".npy":
        raise ValueError(f"{path}: expected a .npy, .csv or .tsv file, got {suffix or 'no suffix'}")
    if skip_rows:
        raise ValueError(f"{path}: skip_rows is for .csv and .tsv files, got {skip_rows}")
    return read_npy(path, transpose=transpose)


def read_npy(path: str | Path, *, transpose: bool = False) -> NDArray[np.floating[Any]]:
    """Read traces from a NumPy `.npy` file.

    Parameters
    ----------
    path : str or Path
        The file. Arrays of Python objects are refused, since reading them could run code.
    transpose : bool, optional
        True if the rows of the file are frames. Default False: rows are cells.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames)
        float32 stays float32; any other real type becomes float64. One-dimensional data are
        one cell.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a complete `.npy` file or does not hold one or two axes of real numbers.
    """
    path = _existing_file(path)
    with path.open("rb") as file:
        if file.read(len(_NPY_MAGIC)) != _NPY_MAGIC:
            raise ValueError(f"{path}: expected a .npy file as written by numpy.save")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, SyntaxError) as err:
        raise ValueError(f"{path}: expected a complete .npy file of numbers: {err}") from err
    return _as_traces(array, path, transpose)


def read_csv(
    path: str | Path, *, transpose: bool = False, skip_rows: int = 0, delimiter: str = ","
) -> NDArray[np.float64]:
    """Read traces from a text table of numbers.

    Parameters
    ----------
    path : str or Path
        The file. Empty fields and `nan`, `NA`, `null` are missing samples.
    transpose : bool, optional
        True if the rows of the file are frames. Default False: rows are cells.
    skip_rows : int, optional
        Header lines to leave out at the top.
    delimiter : str, optional
        What stands between two fields. Default a comma.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames), float64

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a field is not a number or a line has another number of fields than the first one,
        with its line and column.
    """
    path = _existing_file(path)
    if skip_rows < 0:
        raise ValueError(f"expected skip_rows >= 0, got {skip_rows}")
    try:
        table = _read_plain_table(path, skip_rows, delimiter)
    except ValueError:
        # Slower, but takes missing samples and names the line and column of what it refuses.
        table = _read_table(path, skip_rows, delimiter)
    return _as_traces(table, path, transpose).astype(np.float64, copy=False)


def _existing_file(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected a file, got a folder")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return path


def _read_plain_table(path: Path, skip_rows: int, delimiter: str) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        # An empty file is only a warning to numpy; the slow reader has the better message.
        warnings.simplefilter("error")
        try:
            return np.loadtxt(
                path, delimiter=delimiter, skiprows=skip_rows, ndmin=2, encoding="utf-8-sig"
            )
        except UserWarning as err:
            raise ValueError(str(err)) from err


def _read_table(path: Path, skip_rows: int, delimiter: str) -> NDArray[np.float64]:
    rows: list[list[float]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line, fields in enumerate(csv.reader(file, delimiter=delimiter), start=1):
                if line > skip_rows and any(field.strip() for field in fields):
                    rows.append(_numbers(fields, path, line))
                    if len(rows[-1]) != len(rows[0]):
                        raise ValueError(
                            f"{path}, line {line}: expected {len(rows[0])} fields as in the first "
                            f"row, got {len(rows[-1])}"
                        )
    except (UnicodeDecodeError, csv.Error) as err:
        raise ValueError(f"{path}: expected a text table of numbers: {err}") from err
    if not rows:
        raise ValueError(f"{path}: expected a table of numbers, got no rows")
    return np.array(rows, dtype=np.float64)


def _numbers(fields: list[str], path: Path, line: int) -> list[float]:
    numbers = []
    for column, field in enumerate(fields, start=1):
        text = field.strip()
        try:
            numbers.append(np.nan if text.lower() in _MISSING else float(text))
        except ValueError:
            raise ValueError(
                f"{path}, line {line}, column {column}: expected a number, got {text[:40]!r} "
                "(skip_rows leaves out header lines)"
            ) from None
    return numbers


def _as_traces(array: NDArray[Any], path: Path, transpose: bool) -> NDArray[np.floating[Any]]:
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{path}: expected real numbers, got dtype {array.dtype}")
    if array.ndim not in (1, 2):
        raise ValueError(f"{path}: expected cells x frames, got shape {array.shape}")
    # One dimension is one cell, and its own transpose.
    traces = np.atleast_2d(np.ascontiguousarray(array.T) if transpose else array)
    n_cells, n_frames = traces.shape
    if n_cells > n_frames > 0:
        warnings.warn(
            f"{path}: read as {n_cells} cells x {n_frames} frames, more cells than frames; "
            f"if its rows are frames, {'do not transpose' if transpose else 'transpose'} it",
            stacklevel=3,
        )
    dtype = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 4 else np.float64
    # Also brings data of the other byte order into the machine's own.
    return traces.astype(dtype, copy=False)
