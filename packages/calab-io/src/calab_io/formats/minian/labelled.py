"""Arrays whose axes have names, as xarray saves them: in a zarr store or a NetCDF file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalabFormatError
from ...files import hdf5, zarr_documents, zarr_store
from ...files.stored import StoredArray, axes_of, look_at
from ...lazy import LazyTraces

__all__ = ["EXTRA", "Labelled", "names_in", "open_labelled"]

EXTRA = "minian"


@dataclass(frozen=True)
class Labelled(StoredArray):
    """An array with an axis of cells and one of frames.

    Attributes
    ----------
    store, name, extra, shape, dtype, chunks, together
        As of any `StoredArray`.
    axes : tuple of str
        Names of its axes, as they stand.
    """

    axes: tuple[str, ...]

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
        return self.along(self.axes.index(axis), rows)


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
        return zarr_documents.names_in(store)
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
    array = look_at(store, name, EXTRA)
    found = axes_of(store, name, EXTRA) or ()
    if sorted(found) != sorted(axes) or len(array.shape) != len(axes):
        names = ", ".join(found) or "no names"
        problem = f"expected the axes {' and '.join(axes)}, got {names} for shape {array.shape}"
        remedy = "name another store" if found else "save it from xarray, which names them"
        raise CalabFormatError(store, problem, remedy, key=name)
    return Labelled(**vars(array), axes=found)


def _coordinates(store: Path, axis: str) -> NDArray[Any] | None:
    if store.is_dir():
        if not zarr_documents.is_array(store, axis):
            return None
        return zarr_store.values_of(zarr_store.open_array(store, axis, EXTRA))
    with hdf5.open_hdf5(store, EXTRA) as file:
        item = hdf5.find(file, axis)
        if hdf5.is_missing(item) or hdf5.holds_nothing(item):
            return None
        return hdf5.numbers(file, axis, 1)
