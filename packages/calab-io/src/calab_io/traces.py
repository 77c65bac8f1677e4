"""Traces from `.npy` and `.csv` files, as cells x frames.

The orientation is never guessed: rows are cells and columns are frames. A recording nearly always
has more frames than cells, so a file with more rows than columns gets a warning that says how to
turn it; it is not turned silently.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CalabFormatError
from .files.npy import MAGIC, load_array
from .files.tables import read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "as_cells_by_frames",
    "doubtful_orientation",
    "oriented",
    "read_csv",
    "read_npy",
    "read_traces",
]


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
    CalabFormatError
        If the suffix is not known or the content is not a table of numbers.
    ValueError
        If lines of an array are to be left out.
    """
    suffix = Path(path).suffix.lower()
    if suffix in {".csv", ".tsv"}:
        delimiter = "\t" if suffix == ".tsv" else ","
        return read_csv(path, transpose=transpose, skip_rows=skip_rows, delimiter=delimiter)
    if suffix != ".npy":
        problem = f"expected a .npy, .csv or .tsv file, got {suffix or 'no suffix'}"
        raise CalabFormatError(path, problem)
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
    CalabFormatError
        If it is not a complete `.npy` file or does not hold one or two axes of real numbers.
    """
    path = _existing_file(path)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise CalabFormatError(path, "expected a .npy file as written by numpy.save")
        file.seek(0)
        try:
            array = load_array(file, path.stat().st_size)
        except Exception as err:  # damaged headers raise nearly anything
            problem = f"expected a complete .npy file of numbers: {' '.join(str(err).split())}"
            raise CalabFormatError(path, problem[:300]) from err
    return as_cells_by_frames(array, path, transpose)


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
    CalabFormatError
        If a field is not a number or a line has another number of fields than the first one,
        with its line and column.
    """
    path = _existing_file(path)
    if skip_rows < 0:
        raise ValueError(f"expected skip_rows >= 0, got {skip_rows}")
    table = read_table(path, skip_rows=skip_rows, delimiter=delimiter)
    return as_cells_by_frames(table, path, transpose).astype(np.float64, copy=False)


def _existing_file(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected a file, got a folder")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return path


def as_cells_by_frames(
    array: NDArray[Any], path: Path, transpose: bool
) -> NDArray[np.floating[Any]]:
    """Turn an array of a file into traces, with a warning if it looks turned the wrong way.

    Parameters
    ----------
    array : numpy.ndarray, one or two axes
        Of real numbers; one axis is one cell.
    path : Path
        Where it comes from.
    transpose : bool
        Whether its rows are frames.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames)
        float32 stays float32; any other type becomes float64.

    Raises
    ------
    CalabFormatError
        If it has other axes or holds something else.
    """
    traces = oriented(array, path, transpose)
    doubt = doubtful_orientation(traces.shape, path, transpose)
    if doubt is not None:
        warnings.warn(doubt, stacklevel=3)
    return traces


def oriented(
    array: NDArray[Any], path: Path, transpose: bool, key: str | None = None
) -> NDArray[np.floating[Any]]:
    """Turn an array of a file into traces as `as_cells_by_frames` does, without a warning."""
    if array.dtype.kind not in "fiu":
        raise CalabFormatError(path, f"expected real numbers, got dtype {array.dtype}", key=key)
    if array.ndim not in (1, 2):
        problem = f"expected cells x frames, got shape {array.shape}"
        raise CalabFormatError(path, problem, key=key)
    # One dimension is one cell, and its own transpose.
    traces = np.atleast_2d(np.ascontiguousarray(array.T) if transpose else array)
    dtype = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize == 4 else np.float64
    # Also brings data of the other byte order into the machine's own.
    return traces.astype(dtype, copy=False)


def doubtful_orientation(shape: tuple[int, ...], path: Path, transpose: bool) -> str | None:
    """Say that an array was read with more cells than frames, or None where it was not."""
    n_cells, n_frames = shape
    if not n_cells > n_frames > 0:
        return None
    return (
        f"{path}: read as {n_cells} cells x {n_frames} frames, more cells than frames; "
        f"if its rows are frames, {'do not transpose' if transpose else 'transpose'} it"
    )
