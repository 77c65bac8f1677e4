"""HDF5 files, read with errors that name the file, the key and the remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError, MissingKeyError, needs, not_there, unreadable
from .hdf5_heap import refuse_endless_heap
from .hdf5_links import ELSEWHERE, follow, is_elsewhere
from .missing import MARKS

__all__ = [
    "MAGIC",
    "cells_in_a_page",
    "dataset",
    "find",
    "holds_nothing",
    "is_hdf5",
    "is_missing",
    "is_text",
    "marks",
    "numbers",
    "open_hdf5",
    "rows_of",
    "scalar",
    "text",
]

MAGIC = b"\x89HDF\r\n\x1a\n"
#: A data set larger than this many times its file is not believed: compression (deflate) reaches
#: 1032, and a damaged size would be asked of the memory.
MOST_INFLATED = 1100
#: What CaImAn writes for None.
PLACEHOLDERS = {b"NoneType", "NoneType", b"None", "None"}
#: How NetCDF begins to name the scale of an axis without coordinates.
NO_COORDINATES = "This is a netCDF dimension but not a netCDF variable"
#: Bytes that a disk reads at once, and that are read in the time of another request.
PAGE, SKIPPED = 4096, 1 << 18
#: Numbers that an attribute may declare to stand for missing samples.
MOST_MARKS = 100


def is_hdf5(path: Path) -> bool:
    """Tell whether a file begins as HDF5 files do; MATLAB's have 512 bytes before that."""
    try:
        with path.open("rb") as file:
            if file.read(8) == MAGIC:
                return True
            file.seek(512)
            return file.read(8) == MAGIC
    except OSError:
        return False


@contextmanager
def open_hdf5(path: Path, extra: str) -> Iterator[Any]:
    """Open a file for reading.

    Parameters
    ----------
    path : Path
        The file.
    extra : str
        Extra of `calab` that brings h5py.

    Yields
    ------
    h5py.File

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CalabFormatError
        If it is not HDF5, or what happens within the block says that it is damaged.
    ImportError
        If h5py is not installed.
    """
    h5py = needs("h5py", extra, "reading HDF5")
    if path.is_dir():
        raise CalabFormatError(path, "expected a file, got a folder")
    if not path.is_file():
        raise not_there(path, "file")
    if not is_hdf5(path):
        raise CalabFormatError(path, "expected an HDF5 file", "name the file that was saved")
    refuse_endless_heap(path)
    with unreadable(path), h5py.File(path, "r") as file:
        yield file


def find(file: Any, key: str) -> Any:
    """Return what is at a key, or None; what a link to another file names is refused."""
    found = follow(file, key)
    return found[1] if found is not None and found[0] else None


def is_missing(item: Any) -> bool:
    """Tell whether something is not there, or is a placeholder for None."""
    if item is None:
        return True
    if not hasattr(item, "dtype"):
        return False
    if item.shape == () and is_text(item.dtype):
        return item[()] in PLACEHOLDERS
    return item.shape is None


def holds_nothing(item: Any) -> bool:
    """Tell whether a data set only gives an axis of NetCDF its name."""
    return (text(item, "NAME") or "").startswith(NO_COORDINATES)


def dataset(file: Any, key: str, *, remedy: str | None = None, kinds: str = "fiub") -> Any:
    """Return a data set of real numbers.

    Parameters
    ----------
    file : h5py.File
        The file.
    key : str
        Path of the data set.
    remedy : str, optional
        What to do if it is missing.
    kinds : str, optional
        Kinds of NumPy's types that it may have.

    Returns
    -------
    h5py.Dataset

    Raises
    ------
    MissingKeyError
        If it is not there, or a placeholder.
    CalabFormatError
        If it is a group, holds no numbers, claims an impossible size or stands in another file.
    """
    item, path = find(file, key), Path(file.filename)
    if is_missing(item):
        raise MissingKeyError(path, key, _names_near(file, key), remedy)
    if not hasattr(item, "dtype"):
        raise CalabFormatError(path, "expected numbers, got a group", remedy, key=key)
    if item.dtype.kind not in kinds:
        raise CalabFormatError(path, f"expected numbers, got {item.dtype}", remedy, key=key)
    if is_elsewhere(item):
        problem = "its data are in another file, which is not read"
        raise CalabFormatError(path, problem, ELSEWHERE, key=key)
    if item.size * item.dtype.itemsize > MOST_INFLATED * path.stat().st_size:
        problem = f"expected data that fit the file, got shape {item.shape}"
        raise CalabFormatError(path, problem, "the file may be damaged", key=key)
    return item


def numbers(file: Any, key: str, ndim: int) -> NDArray[Any] | None:
    """Read a small array of numbers with so many axes, or None where it is missing."""
    if is_missing(find(file, key)):
        return None
    item = dataset(file, key)
    if item.ndim != ndim:
        problem = f"expected {ndim} axes, got shape {item.shape}"
        raise CalabFormatError(file.filename, problem, key=key)
    return np.asarray(item[()])


def scalar(file: Any, key: str) -> float | None:
    """Read one number, also one in an array of size 1, or None where it is missing."""
    if is_missing(find(file, key)):
        return None
    item = dataset(file, key)
    if item.size != 1:
        raise CalabFormatError(
            file.filename, f"expected one number, got shape {item.shape}", key=key
        )
    return float(np.ravel(item[()])[0])


def marks(item: Any) -> list[Any]:
    """List what the attributes of a data set say that stands for missing samples."""
    known = [(name, item.attrs.get_id(name)) for name in MARKS if name in item.attrs]
    # Of another type, as a damaged one is, reading it may end the interpreter.
    return [
        item.attrs[name]
        for name, one in known
        if one.dtype.kind in "fiu" and one.shape is not None and math.prod(one.shape) <= MOST_MARKS
    ]


def text(group: Any, name: str) -> str | None:
    """Read a string that is an attribute, or a data set as older versions wrote it."""
    value = None
    if name in group.attrs:
        # Of another type, as a damaged one is, reading it may end the interpreter.
        value = group.attrs[name] if is_text(group.attrs.get_id(name).dtype) else None
    else:
        item = find(group.file, f"{group.name}/{name}")
        if item is not None and getattr(item, "shape", None) == () and is_text(item.dtype):
            value = item[()]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) and value not in PLACEHOLDERS else None


def rows_of(
    item: Any, rows: NDArray[np.intp], axis: int = 0, others: slice = slice(None)
) -> NDArray[Any]:
    """Read some rows of a data set, or columns as rows, from the first to the last in one go.

    HDF5 reads a stretch many times faster than a list of rows.

    Parameters
    ----------
    item : h5py.Dataset
        With two axes where `axis` is 1.
    rows : numpy.ndarray of int
        Places on the axis, in the order in which they will stand.
    axis : int, optional
        Which axis becomes the first one.
    others : slice, optional
        Places on the other axis, where there are two.

    Returns
    -------
    numpy.ndarray, shape (n_rows, ...), as it lies in the file: turned, if `axis` is 1
    """
    runs = _runs(item, rows, axis)
    if len(runs) > 1:
        parts = [rows_of(item, rows[run], axis, others) for run in runs]
        found = np.empty((rows.size, *parts[0].shape[1:]), parts[0].dtype)
        for run, part in zip(runs, parts, strict=True):
            found[run] = part
        return found
    first, last = int(rows.min()), int(rows.max()) + 1
    if axis == 0:
        stretch = item[(slice(first, last), others)[: item.ndim]]
    else:
        stretch = item[others, first:last].T
    whole = rows.size == last - first and np.all(np.diff(rows) == 1)
    return np.asarray(stretch if whole else stretch[rows - first])


def _runs(item: Any, rows: NDArray[np.intp], axis: int) -> list[NDArray[np.intp]]:
    """Group places that lie so near each other that reading what is between them costs less."""
    if axis and item.chunks is None:
        # Frames x cells without chunks: a disk reads the others, too.
        return [np.arange(rows.size)]
    row_bytes = max(1, item.size * item.dtype.itemsize // max(1, item.shape[axis]))
    gap = SKIPPED // row_bytes + (item.chunks[axis] if item.chunks else 1)
    order = np.argsort(rows, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(rows[order]) > gap) + 1)


def cells_in_a_page(shape: tuple[int, ...], axis: int, itemsize: int) -> int:
    """Return how many places of an axis a disk reads at once, of data that are not in chunks."""
    if axis < len(shape) - 1:
        return 1
    return max(1, min(PAGE // itemsize, shape[axis]))


def is_text(dtype: np.dtype[Any]) -> bool:
    """Tell text from sequences, which h5py also reads as objects."""
    metadata: Mapping[str, Any] = dtype.metadata or {}
    variable = metadata.get("vlen")
    return dtype.kind in "SU" or (dtype.kind == "O" and variable in (str, bytes))


def _names_near(file: Any, key: str) -> list[str]:
    """List what stands beside a missing key, with the path of its group."""
    *parents, _ = key.split("/")
    while parents:
        group = find(file, "/".join(parents))
        if hasattr(group, "keys"):
            return [f"{'/'.join(parents)}/{name}" for name in group]
        parents.pop()
    return list(file)
