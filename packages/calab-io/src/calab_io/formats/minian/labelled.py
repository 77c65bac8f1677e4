"""Arrays whose axes have names, as xarray saves them: in a zarr store or a NetCDF file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalabFormatError
from ...files import hdf5, zarr_store
from ...lazy import LazyTraces

__all__ = ["Labelled", "axes_of", "names_in", "open_labelled"]

EXTRA = "minian"
#: How NetCDF begins to name the scale of an axis without coordinates.
NO_COORDINATES = b"This is a netCDF dimension but not a netCDF variable"
#: Attributes of numbers that have to be scaled to be what they mean.
PACKING = {"scale_factor", "add_offset"}


@dataclass(frozen=True)
class Labelled:
    """An array with an axis of cells and one of frames.

    Attributes
    ----------
    store : Path
        Folder of a zarr group, or a NetCDF file.
    name : str
        Of the array in it.
    axes : tuple of str
        Names of its axes, as they stand.
    shape : tuple of int
        As it stands.
    dtype : numpy.dtype
        float32 or float64, which it will be read as.
    chunks : tuple of int
        How much of it is kept together.
    """

    store: Path
    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]

    def size(self, axis: str) -> int:
        """Return the length of an axis.

        Parameters
        ----------
        axis : str
            Its name.

        Returns
        -------
        int
        """
        return self.shape[self.axes.index(axis)]

    def coordinates(self, axis: str) -> NDArray[Any] | None:
        """Read the numbers along an axis.

        Parameters
        ----------
        axis : str
            Its name.

        Returns
        -------
        numpy.ndarray, shape (length of the axis,), or None where it has none

        Raises
        ------
        CalabFormatError
            If they are no numbers, or not as many as the axis is long.
        """
        values = _coordinates(self.store, axis)
        if values is not None and values.shape != (self.size(axis),):
            problem = f"expected {self.size(axis)} numbers as {self.name} has, got {values.shape}"
            raise CalabFormatError(self.store, problem, "save it again from xarray", key=axis)
        return values

    def traces(self, axis: str, rows: NDArray[np.intp]) -> LazyTraces:
        """Return what stands at some places of an axis, still in its file.

        Parameters
        ----------
        axis : str
            Which axis becomes the first one.
        rows : numpy.ndarray of int
            Places on it, in the order in which they will stand.

        Returns
        -------
        LazyTraces
        """
        first = self.axes.index(axis)
        load = _Rows(self.store, self.name, first, rows)
        shape = (rows.size, self.shape[1 - first])
        return LazyTraces(shape, self.dtype, load, slab=self.chunks[first])


def axes_of(store: Path, name: str) -> tuple[str, ...] | None:
    """Name the axes of an array.

    Parameters
    ----------
    store : Path
        Folder of a zarr group, or a NetCDF file.
    name : str
        Of the array that may be in it.

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
        is_there = zarr_store.is_array(store, name)
        return (zarr_store.dimensions(store, name) or ()) if is_there else None
    with hdf5.open_hdf5(store, EXTRA) as file:
        item = hdf5.find(file, name)
        if not hasattr(item, "dtype"):
            return None
        if not item.shape or not all(len(axis) for axis in item.dims):
            return ()
        # NetCDF has a scale for each axis, which is named as that.
        return tuple(str(axis[0].name).rpartition("/")[2] for axis in item.dims)


def names_in(store: Path) -> list[str]:
    """List what is in a store.

    Parameters
    ----------
    store : Path
        Folder of a zarr group, or a NetCDF file.

    Returns
    -------
    list of str
    """
    if store.is_dir():
        return zarr_store.names_in(store)
    with hdf5.open_hdf5(store, EXTRA) as file:
        return list(file)


def open_labelled(store: Path, name: str, axes: tuple[str, str]) -> Labelled:
    """Look at an array with two axes of these names, in any order.

    Parameters
    ----------
    store : Path
        Folder of a zarr group, or a NetCDF file.
    name : str
        Of the array in it.
    axes : tuple of str
        Names that its axes must have.

    Returns
    -------
    Labelled

    Raises
    ------
    MissingKeyError
        If it is not there.
    CalabFormatError
        If it holds no plain numbers, or has other axes.
    """
    with _opened(store, name) as array:
        shape, dtype, chunks = tuple(array.shape), array.dtype, array.chunks
        packing = PACKING.intersection(array.attrs)
    found = axes_of(store, name) or ()
    if sorted(found) != sorted(axes) or len(shape) != len(axes):
        names = ", ".join(found) or "no names"
        problem = f"expected the axes {' and '.join(axes)}, got {names} for shape {shape}"
        remedy = "name another store" if found else "save it from xarray, which names them"
        raise CalabFormatError(store, problem, remedy, key=name)
    if packing:
        problem = f"expected plain numbers, got {' and '.join(sorted(packing))}"
        remedy = "save it again from xarray without packing"
        raise CalabFormatError(store, problem, remedy, key=name)
    single = dtype.kind == "f" and dtype.itemsize == 4
    read_as = np.dtype(np.float32 if single else np.float64)
    return Labelled(store, name, found, shape, read_as, chunks or (1, 1))


@contextmanager
def _opened(store: Path, name: str) -> Iterator[Any]:
    if store.is_dir():
        yield zarr_store.open_array(store, name, EXTRA)
        return
    with hdf5.open_hdf5(store, EXTRA) as file:
        yield hdf5.dataset(file, name)


def _coordinates(store: Path, axis: str) -> NDArray[Any] | None:
    if store.is_dir():
        if not zarr_store.is_array(store, axis):
            return None
        return zarr_store.values_of(zarr_store.open_array(store, axis, EXTRA))
    with hdf5.open_hdf5(store, EXTRA) as file:
        item = hdf5.find(file, axis)
        if hdf5.is_missing(item) or item.attrs.get("NAME", b"").startswith(NO_COORDINATES):
            return None
        return hdf5.numbers(file, axis, 1)


class _Rows:
    """Some rows, or columns as rows, of an array."""

    def __init__(self, store: Path, name: str, axis: int, rows: NDArray[np.intp]) -> None:
        self.store, self.name, self.axis, self.rows = store, name, axis, rows

    def __call__(self, which: NDArray[np.intp]) -> NDArray[Any]:
        rows = self.rows[which]
        with _opened(self.store, self.name) as array:
            if self.store.is_dir():
                return zarr_store.rows_of(array, rows, self.axis)
            if self.axis == 0:
                return hdf5.rows_of(array, rows)
            first = int(rows.min())
            return np.asarray(array[:, first : int(rows.max()) + 1][:, rows - first].T)
