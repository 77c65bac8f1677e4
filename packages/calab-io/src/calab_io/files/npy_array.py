"""Cells x frames in a `.npy` file, of which rows are read and written; the rest stays there."""

from __future__ import annotations

import errno
import math
import os
import shutil
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import DTypeLike, NDArray

from ..errors import unreadable
from ..lazy import LazyTraces
from .npy import Header, read_header

__all__ = ["NpyArray", "WrittenNpy", "create_npy", "open_npy"]


class NpyArray(LazyTraces):
    """An array in a file; each request maps it anew, so that no more than that is in memory.

    Parameters
    ----------
    path : Path
        The file, complete.
    shape : tuple of int
        Cells and frames.
    dtype : dtype
        Type that is read; the file's may be another.

    Notes
    -----
    It can be sent to other processes.
    """

    def __init__(self, path: Path, shape: tuple[int, int], dtype: DTypeLike) -> None:
        super().__init__(shape, dtype, _Rows(path, shape))
        self.path = path


class WrittenNpy(NpyArray):
    """An array in a file of one's own, whose rows can also be written."""

    def __setitem__(self, rows: slice, values: Any) -> None:
        """Write some cells."""
        first, last, _ = rows.indices(self.shape[0])
        stored = np.ascontiguousarray(values, dtype=self.dtype)
        if stored.shape != (max(0, last - first), self.shape[1]):
            raise ValueError(f"{self.path}: expected rows {first} to {last}, got {stored.shape}")
        row_bytes = self.shape[1] * self.dtype.itemsize
        # Not through a map: on a full disk that would end the process.
        with self.path.open("r+b") as file:
            file.seek(-(self.shape[0] - first) * row_bytes, os.SEEK_END)
            file.write(stored.data)


class _Rows:
    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path, self.shape = path, shape

    def __call__(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        with unreadable(self.path):
            # Again, since a map of a file that has become shorter would end the process.
            header = _complete(self.path)
            if header is None or header.shape != self.shape:
                raise ValueError(f"it no longer holds an array of shape {self.shape}")
            array = np.load(self.path, mmap_mode="r", allow_pickle=False)
            first, last = int(rows.min()), int(rows.max()) + 1
            if rows.size == last - first and np.all(np.diff(rows) == 1):
                return np.array(array[first:last])
            return np.asarray(array[rows])


def open_npy(path: Path) -> NpyArray | None:
    """Look at an array without reading it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    NpyArray or None
        None for what is no complete array of real numbers with two axes, is empty, or keeps no
        rows together.
    """
    try:
        header = _complete(path)
    except Exception:  # damaged headers raise nearly anything
        return None
    if header is None or not header.is_real or len(header.shape) != 2 or header.fortran_order:
        return None
    n_cells, n_frames = header.shape
    if n_cells == 0 or n_frames == 0:
        return None
    single = header.dtype.kind == "f" and header.dtype.itemsize == 4
    return NpyArray(path, (n_cells, n_frames), np.float32 if single else np.float64)


def create_npy(path: Path, shape: tuple[int, int], dtype: DTypeLike) -> WrittenNpy:
    """Make a file of zeros, as `numpy.save` would, to be written row by row.

    Parameters
    ----------
    path : Path
        The file, which is replaced if it is there.
    shape : tuple of int
        Cells and frames.
    dtype : dtype
        Type of the numbers.

    Returns
    -------
    WrittenNpy

    Raises
    ------
    OSError
        If there is not enough room, before anything is written.
    """
    kind = np.dtype(dtype)
    needed, free = shape[0] * shape[1] * kind.itemsize, shutil.disk_usage(path.parent).free
    described = {
        "descr": npy_format.dtype_to_descr(kind),
        "fortran_order": False,
        "shape": shape,
    }
    try:
        if needed > free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with path.open("wb") as file:
            npy_format.write_array_header_1_0(file, described)
            _reserve(file, needed)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        path.unlink(missing_ok=True)
        said = f"expected {needed / 1e9:.1f} GB of free disk, got {free / 1e9:.1f} GB"
        raise OSError(f"{path.parent}: {said}; write elsewhere") from error
    return WrittenNpy(path, shape, kind)


def _reserve(file: BufferedWriter, needed: int) -> None:
    """Make a file longer by zeros, with their place on the disk where the system can do so."""
    start = file.tell()
    if needed and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), start, needed)
        except OSError as error:
            # A file system that cannot.
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    file.truncate(start + needed)


def _complete(path: Path) -> Header | None:
    """Return the header of a file that is as long as this says."""
    with path.open("rb") as file:
        header = read_header(file)
    size = math.prod(header.shape) * header.dtype.itemsize
    is_there = size <= path.stat().st_size - header.offset
    return header if is_there and not header.dtype.hasobject else None
