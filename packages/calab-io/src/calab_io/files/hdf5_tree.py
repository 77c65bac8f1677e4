"""The arrays of an HDF5 file, found without leaving the file and without walking in circles."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError, needs
from .hdf5 import dataset, find, holds_nothing, is_text, text
from .hdf5_links import children
from .tree import MOST_DEPTH, MOST_OBJECTS, REAL, Array, joined

__all__ = ["Hdf5Tree"]


class Hdf5Tree:
    """What is in a file; see `calab_io.files.tree.Tree`.

    Parameters
    ----------
    file : h5py.File
        From `calab_io.files.hdf5.open_hdf5`, whose block turns what h5py raises over damage into
        `CalabFormatError`.
    """

    extra = "hdf5"

    def __init__(self, file: Any) -> None:
        self.path, self._file = Path(file.filename), file
        self.elsewhere: str | None = None

    def arrays(self) -> Iterator[Array]:
        """Go through all arrays, each once whatever links lead to it."""
        h5o = needs("h5py", self.extra, "reading HDF5").h5o
        todo, seen = deque([""]), set()
        while todo:
            key = todo.popleft()
            item = self._file[key or "/"]
            address = h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > MOST_OBJECTS:
                problem = f"more than {MOST_OBJECTS} groups and data sets"
                raise CalabFormatError(self.path, problem, "name the traces as key")
            if hasattr(item, "keys"):
                if key.count("/") < MOST_DEPTH:
                    todo.extend(self._inside(key, item))
            elif (array := self._array(key, item)) is not None:
                yield array

    def array(self, key: str) -> Array | None:
        """Return the array at a key, or None; one in another file is refused."""
        item = find(self._file, key)
        return None if item is None or hasattr(item, "keys") else self._array(key, item)

    def number(self, key: str, name: str) -> Array | None:
        """Return an attribute of what is at a key if it is real numbers or text, or None."""
        attributes = self._file[key or "/"].attrs
        if name not in attributes:
            return None
        known = attributes.get_id(name)
        if is_text(known.dtype):
            said = np.dtype(np.str_)
            return Array(name, (), said, lambda: np.array(text(self._file[key or "/"], name)))
        if known.dtype.kind not in REAL:
            return None
        return Array(name, known.shape, known.dtype, lambda: np.asarray(attributes[name]))

    def _inside(self, key: str, group: Any) -> list[str]:
        inside, outside = children(group)
        if outside and self.elsewhere is None:
            self.elsewhere = joined(key, outside[0])
        return [joined(key, name) for name in inside]

    def _array(self, key: str, item: Any) -> Array | None:
        # A type that has a name has no shape, and what is empty has none either.
        if getattr(item, "shape", None) is None or holds_nothing(item):
            return None
        try:
            dtype = item.dtype
        except TypeError:
            # HDF5 has types that NumPy has not, which are no reason to refuse what is beside.
            dtype = np.dtype(np.object_)
        if is_text(dtype):
            dtype = np.dtype(np.str_)
        return Array(key, item.shape, dtype, lambda: self._load(key, item), text(item, "units"))

    def _load(self, key: str, item: Any) -> NDArray[Any]:
        if is_text(item.dtype):
            stored = dataset(self._file, key, kinds="SO")
            return np.array(stored.asstr("utf-8", errors="replace")[()].tolist(), dtype=np.str_)
        return np.asarray(dataset(self._file, key)[()])
