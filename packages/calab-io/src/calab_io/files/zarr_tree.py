"""The arrays of a zarr store, versions 2 and 3: one array, or a group with arrays and groups."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError, unreadable
from . import zarr_documents, zarr_store
from .tree import MOST_DEPTH, MOST_OBJECTS, Array, joined

__all__ = ["ZarrTree"]


class ZarrTree:
    """What is in a store; see `calab_io.files.tree.Tree`.

    Parameters
    ----------
    path : Path
        Folder of an array or group.
    """

    extra = "zarr"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.elsewhere: str | None = None

    def arrays(self) -> Iterator[Array]:
        """Go through all arrays; links between folders are not followed, but may be named."""
        todo, seen = deque([""]), 0
        while todo:
            key = todo.popleft()
            seen += 1
            if seen > MOST_OBJECTS:
                problem = f"more than {MOST_OBJECTS} groups and arrays"
                raise CalabFormatError(self.path, problem, "name the traces as key")
            if (array := self.array(key)) is not None:
                yield array
            elif zarr_documents.is_group(self.path, key) and key.count("/") < MOST_DEPTH:
                # Beyond what is looked at, so that there being more is noticed.
                names = sorted(zarr_documents.names_in(self.path / key, 2 * MOST_OBJECTS))
                inside = [joined(key, name) for name in names]
                todo.extend(one for one in inside if not (self.path / one).is_symlink())

    def array(self, key: str) -> Array | None:
        """Return the array at a key, or None."""
        if not _is_inside(key) or not zarr_documents.is_array(self.path, key):
            return None
        shape, dtype = zarr_documents.head(self.path, key)
        if zarr_store.is_text(self.path, key):
            dtype = np.dtype(np.str_)
        units = zarr_documents.attributes(self.path, key).get("units")
        return Array(
            key, shape, dtype, lambda: self._load(key), units if isinstance(units, str) else None
        )

    def number(self, key: str, name: str) -> Array | None:
        """Return an attribute of what is at a key if it is a real number or text, or None."""
        value: Any = zarr_documents.attributes(self.path, key).get(name)
        if isinstance(value, str):
            return Array(name, (), np.dtype(np.str_), lambda: np.array(value))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        with unreadable(self.path):
            number = np.asarray(float(value))
        return Array(name, (), number.dtype, lambda: number)

    def _load(self, key: str) -> NDArray[Any]:
        if zarr_store.is_text(self.path, key):
            return zarr_store.text_of(self.path, key, self.extra)
        with warnings.catch_warnings():
            # Text of a fixed length, as xarray writes it, has no specification in version 3 yet.
            warnings.filterwarnings("ignore", "The data type")
            array = zarr_store.open_array(self.path, key, self.extra, kinds="fiubU")
            return zarr_store.values_of(array)


def _is_inside(key: str) -> bool:
    """Tell whether a key names the root or what is below it, and no other folder."""
    parts = key.split("/") if key else []
    return all(part not in ("", ".", "..") and Path(part).name == part for part in parts)
