"""Saved results as HDF5 files with the scales of NetCDF, so that xarray opens them.

What is read back has a checksum: arrays by a filter, and attributes since the file is laid out as
HDF5 1.10 does it. Text has a fixed length, for what has not stands in a heap without a checksum, in
which the library searches without end when it is damaged; so do the scales, which are not read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...atomic import atomic_path
from ...errors import needs
from ...files import hdf5
from . import slabs
from .layout import TYPE, Content, Head, Variable, chunk_shape

__all__ = ["opened", "write"]

EXTRA = "hdf5"
#: Oldest layout in which all that describes the data has a checksum.
LAYOUT = ("v110", "v110")
#: deflate's fastest level, of which the next ones save little, and a checksum.
FILTERS = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
#: Attribute of an array: the names of its axes, with blanks between them.
AXES = "axes"
#: How NetCDF names the scale of an axis without coordinates, with the length.
NO_COORDINATES = "This is a netCDF dimension but not a netCDF variable. {:9d}"


def write(content: Content, path: Path) -> None:
    """Write a file, which appears when it is complete.

    Parameters
    ----------
    content : Content
        What is to be in it.
    path : Path
        The file.

    Raises
    ------
    ImportError
        If h5py is not installed.
    """
    h5py = needs("h5py", EXTRA, "saving to HDF5")
    with atomic_path(path) as draft, h5py.File(draft, "w", libver=LAYOUT) as file:
        _describe(h5py, file, {**content.attributes, "coordinates": "time"})
        for name, one in content.variables.items():
            _write_array(h5py, file, name, one)
        _attach_scales(file, content)


def _write_array(h5py: Any, file: Any, name: str, one: Variable) -> None:
    values: Any = one.values
    attributes: dict[str, Any] = {**one.attributes, AXES: " ".join(one.axes)}
    if values.dtype.kind == "U":
        values = np.char.encode(values, "utf-8")
        attributes["_Encoding"] = "utf-8"
    elif values.dtype.kind == "b":
        # NetCDF has no booleans; xarray writes them in this way.
        values, attributes["dtype"] = values.astype(np.int8), "bool"
    options: dict[str, Any] = {"shape": values.shape, "dtype": values.dtype}
    if math.prod(values.shape):
        options |= {"chunks": chunk_shape(values.shape, values.dtype.itemsize), **FILTERS}
    if isinstance(values, np.ndarray):
        item = file.create_dataset(name, data=values, **options)
    else:
        item = file.create_dataset(name, **options)
        slabs.copy(values, item, item.chunks[0])
    _describe(h5py, item, attributes)


def _describe(h5py: Any, item: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        if isinstance(value, str):
            text = value.encode("utf-8")
            dtype = h5py.string_dtype("utf-8", max(1, len(text)))
            item.attrs.create(name, text, dtype=dtype)
        else:
            item.attrs[name] = value


def _attach_scales(file: Any, content: Content) -> None:
    """Name the axes of the arrays, as NetCDF does it."""
    for axis, size in content.sizes.items():
        if axis in content.variables:
            file[axis].make_scale(axis)
        else:
            # Takes no space, for nothing is written to it.
            scale = file.create_dataset(axis, shape=(size,), dtype=np.float32)
            scale.make_scale(NO_COORDINATES.format(size))
    for name, one in content.variables.items():
        for place, axis in enumerate(one.axes):
            if axis != name:
                file[name].dims[place].attach_scale(file[axis])


@contextmanager
def opened(path: Path) -> Iterator[_File]:
    """Open a file for reading.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    Stored

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CalabFormatError
        If it is not HDF5, or damaged.
    ImportError
        If h5py is not installed.
    """
    with hdf5.open_hdf5(path, EXTRA) as file:
        yield _File(path, file)


class _File:
    def __init__(self, path: Path, file: Any) -> None:
        self.path, self.file = path, file
        self.attributes: Mapping[str, Any] = {name: _plain(file.attrs[name]) for name in file.attrs}

    def names(self) -> list[str]:
        return list(self.file)

    def head(self, name: str) -> Head:
        item = self.file[name]
        axes = _plain(item.attrs[AXES]).split(" ")
        return Head(tuple(axes), item.shape, _plain(item.attrs[TYPE]))

    def values(self, name: str) -> NDArray[Any]:
        item = self.file[name]
        if item.dtype.kind == "S":
            return np.char.decode(item[...], "utf-8")
        return np.asarray(hdf5.dataset(self.file, name)[...])


def _plain(value: Any) -> Any:
    return value.decode("utf-8") if isinstance(value, bytes) else value
