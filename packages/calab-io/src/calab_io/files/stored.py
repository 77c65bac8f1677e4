"""An array in a zarr store or an HDF5 file, of which rows are read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError
from ..lazy import LazyTraces
from . import hdf5, zarr_documents, zarr_store
from .missing import marks_of, without

__all__ = ["Rows", "StoredArray", "axes_of", "look_at"]

#: Attributes of numbers that have to be scaled to be what they mean.
PACKING = {"scale_factor", "add_offset"}


@dataclass(frozen=True)
class StoredArray:
    """An array of real numbers that stays where it is.

    Attributes
    ----------
    store : Path
        Folder of a zarr array or group, or an HDF5 file.
    name : str
        Of the array in it, after those of groups and ``/``; empty for the store itself.
    extra : str
        Extra of `calab` that brings the library.
    shape : tuple of int
        As it stands.
    dtype : numpy.dtype
        float32 or float64, which it will be read as.
    chunks : tuple of int or None
        How it is cut, None where it is not.
    together : tuple of int
        Of each axis, how many places cost as much to read as one.
    marks : numpy.ndarray
        Samples that stand for missing ones, which are read as NaN.
    """

    store: Path
    name: str
    extra: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    together: tuple[int, ...]
    marks: NDArray[Any]

    def along(self, axis: int, rows: NDArray[np.intp] | None = None) -> LazyTraces:
        """Return what stands at places of one of two axes, still in its file.

        Parameters
        ----------
        axis : int
            Which axis becomes the first one.
        rows : numpy.ndarray of int, optional
            Places on it, in the order in which they will stand; all of them by default.

        Returns
        -------
        LazyTraces
        """
        chunks = None if self.chunks is None else (self.chunks[axis], self.chunks[1 - axis])
        traces = LazyTraces(
            (self.shape[axis], self.shape[1 - axis]),
            self.dtype,
            Rows(self.store, self.name, axis, self.extra, self.marks),
            slab=self.together[axis],
            chunks=chunks,
        )
        return traces if rows is None else traces.take(rows)


class Rows:
    """Loads rows, or columns as rows; a class, so that it can be sent to other processes.

    Parameters
    ----------
    store : Path
        Folder of a zarr array or group, or an HDF5 file, which is opened anew for each request.
    name : str
        Of the array in it, which has two axes.
    axis : int
        Which axis becomes the first one.
    extra : str
        Extra of `calab` that brings the library.
    marks : numpy.ndarray
        Samples that stand for missing ones.
    """

    def __init__(self, store: Path, name: str, axis: int, extra: str, marks: NDArray[Any]) -> None:
        self.store, self.name, self.axis, self.extra = store, name, axis, extra
        self.marks = marks

    def __call__(self, which: NDArray[np.intp]) -> NDArray[Any]:
        """Load some of them."""
        read = zarr_store.rows_of if self.store.is_dir() else hdf5.rows_of
        with _opened(self.store, self.name, self.extra) as array:
            return without(read(array, which, self.axis), self.marks)


def axes_of(store: Path, name: str, extra: str) -> tuple[str, ...] | None:
    """Name the axes of an array.

    Parameters
    ----------
    store : Path
        Folder of a zarr array or group, or an HDF5 file.
    name : str
        Of the array that may be in it.
    extra : str
        Extra of `calab` that brings the library.

    Returns
    -------
    tuple of str or None
        None if there is no such array; empty if its axes have no names.

    Raises
    ------
    CalabFormatError
        If what is there cannot be read.
    """
    if store.is_dir():
        is_there = zarr_documents.is_array(store, name)
        return (zarr_documents.dimensions(store, name) or ()) if is_there else None
    with hdf5.open_hdf5(store, extra) as file:
        item = hdf5.find(file, name)
        if not hasattr(item, "dtype"):
            return None
        if not item.shape or not all(len(axis) for axis in item.dims):
            return ()
        # NetCDF has a scale for each axis, which is named as that.
        return tuple(str(axis[0].name).rpartition("/")[2] for axis in item.dims)


def look_at(store: Path, name: str, extra: str) -> StoredArray:
    """Look at an array of real numbers without reading it.

    Parameters
    ----------
    store : Path
        Folder of a zarr array or group, or an HDF5 file.
    name : str
        Of the array in it; empty for the store itself.
    extra : str
        Extra of `calab` that brings the library.

    Returns
    -------
    StoredArray

    Raises
    ------
    MissingKeyError
        If it is not there.
    CalabFormatError
        If it holds no plain numbers, or claims an impossible size.
    ImportError
        If the library is not installed.
    """
    with _opened(store, name, extra) as array:
        shape, dtype, chunks = tuple(array.shape), array.dtype, array.chunks
        shards = getattr(array, "shards", None)
        packing = PACKING.intersection(array.attrs)
        declared = zarr_store.marks(array) if store.is_dir() else hdf5.marks(array)
    if packing:
        problem = f"expected plain numbers, got {' and '.join(sorted(packing))}"
        remedy = "save it again from xarray without packing"
        raise CalabFormatError(store, problem, remedy, key=name or None)
    single = dtype.kind == "f" and dtype.itemsize == 4
    read_as = np.dtype(np.float32 if single else np.float64)
    together = (
        shards
        or chunks
        or tuple(hdf5.cells_in_a_page(shape, axis, dtype.itemsize) for axis in range(len(shape)))
    )
    marks = marks_of(declared, dtype)
    return StoredArray(store, name, extra, shape, read_as, chunks, together, marks)


@contextmanager
def _opened(store: Path, name: str, extra: str) -> Iterator[Any]:
    if store.is_dir():
        yield zarr_store.open_array(store, name, extra)
        return
    with hdf5.open_hdf5(store, extra) as file:
        yield hdf5.dataset(file, name)
