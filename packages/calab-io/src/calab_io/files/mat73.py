"""MATLAB's files of version 7.3, which are HDF5: arrays are turned, structs are groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .hdf5 import dataset, find
from .mat5 import NUMBERS, Element

__all__ = ["EXTRA", "Hdf5Mat", "key_of"]

EXTRA = "mat"
#: Axes that an array may have; more are damage.
MOST_AXES = 32


class Hdf5Mat:
    """An open file of version 7.3.

    Parameters
    ----------
    file : h5py.File
        The file. Methods raise errors of any type where it is damaged.
    """

    version = "7.3"

    def __init__(self, file: Any) -> None:
        self.path = Path(file.filename)
        self._file = file

    def names(self) -> list[str]:
        """List the variables; what begins with # is MATLAB's own."""
        return [name for name in self._file if not name.startswith("#")]

    def find(self, key: str) -> Element | None:
        """Return what is at a key, or None."""
        names = key.split(".")
        item = find(self._file, "/".join(names)) if all(names) else None
        if item is None:
            return None
        kind = _class_of(item)
        if hasattr(item, "keys"):
            return _group(key, kind or "struct", item)
        if item.attrs.get("MATLAB_empty"):
            return _empty(key, kind or "double", item)
        shape = tuple(reversed(item.shape or ()))
        return Element(key, _kind(kind, item), shape, place=item)

    def values(self, element: Element) -> NDArray[Any]:
        """Read real numbers, as MATLAB shows them and in the type of their class."""
        if element.size == 0:
            return np.empty(element.shape)
        item = dataset(self._file, key_of(element))
        return np.asarray(item[()]).T.astype(NUMBERS[element.kind], copy=False)

    def text(self, element: Element) -> str:
        """Read text."""
        codes = dataset(self._file, key_of(element))[()]
        return np.asarray(codes).astype("<u2").tobytes().decode("utf-16-le")


def key_of(element: Element) -> str:
    """Return where in the HDF5 file an element is."""
    return element.key.replace(".", "/")


def _class_of(item: Any) -> str | None:
    name = item.attrs.get("MATLAB_class")
    if isinstance(name, bytes):
        name = name.decode("ascii", "replace")
    return name if isinstance(name, str) else None


def _kind(kind: str | None, item: Any) -> str:
    """Name the class of a data set, or what makes it no array of real numbers."""
    if item.dtype.names:
        return "complex"
    if item.dtype.kind not in "fiu":
        # References, of which cells and arrays of structs consist, or what MATLAB does not write.
        return "cell"
    return kind or (item.dtype.name if item.dtype.name in NUMBERS else "double")


def _group(key: str, kind: str, item: Any) -> Element:
    if "MATLAB_sparse" not in item.attrs:
        return Element(key, kind, (1, 1), tuple(item))
    n_columns = item["jc"].size - 1
    return Element(key, "sparse", (int(item.attrs["MATLAB_sparse"]), n_columns))


def _empty(key: str, kind: str, item: Any) -> Element:
    """Describe an empty array, in whose place is its shape."""
    shape = tuple(int(length) for length in np.ravel(item[:MOST_AXES]))
    if 0 not in shape:
        raise ValueError(f"{key} is empty, but its shape is {shape}")
    return Element(key, kind, shape)
