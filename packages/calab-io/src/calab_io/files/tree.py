"""Arrays under their names in one file or store, of whichever kind this is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_DEPTH", "MOST_OBJECTS", "REAL", "Array", "Tree", "joined"]

#: Kinds of types that are real numbers, among which booleans are not.
REAL = "fiu"
#: Groups and arrays that are looked at in search of traces, and groups within groups.
MOST_OBJECTS, MOST_DEPTH = 1000, 8


@dataclass(frozen=True, eq=False)
class Array:
    """An array, or a number in an attribute, which is read when it is asked for.

    Attributes
    ----------
    key : str
        Its name, after those of the groups around it and ``/``.
    shape : tuple of int
    dtype : numpy.dtype
        As it is stored; `object` where NumPy has no such type.
    load : callable
        Returns its values.
    units : str or None
        What it says that these are in.
    """

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], NDArray[Any]]
    units: str | None = None

    @property
    def name(self) -> str:
        """Its name in its group."""
        return self.key.rpartition("/")[2]

    @property
    def is_real(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype.kind in REAL


class Tree(Protocol):
    """A file or store that is open for reading, whose root has the key ``""``.

    Attributes
    ----------
    path : Path
    extra : str
        Extra of `calab` that brings its library.
    elsewhere : str or None
        Key of a link to another file that `arrays` came across.
    """

    path: Path
    extra: str
    elsewhere: str | None

    def arrays(self) -> Iterator[Array]:
        """Go through all arrays, those of a group before those of the groups in it."""

    def array(self, key: str) -> Array | None:
        """Return the array at a key, or None."""

    def number(self, key: str, name: str) -> Array | None:
        """Return an attribute of what is at a key if it is real numbers or text, or None."""


def joined(group: str, name: str) -> str:
    """Return the key of something in a group."""
    return f"{group}/{name}" if group else name
