"""MATLAB's `.mat` files of every version since 5, behind one interface.

Keys are paths with dots, such as `neuron.C_raw`. Arrays are as MATLAB shows them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError, MissingKeyError, unreadable
from ..names import RATES
from ..recording import Traces
from .hdf5 import is_hdf5, open_hdf5
from .mat5 import NUMBERS, Element, Level5, is_level5
from .mat73 import EXTRA, Hdf5Mat, key_of
from .stored import look_at

__all__ = ["Element", "MatFile", "open_mat"]

#: Elements that are looked at in search of arrays.
MOST_ELEMENTS = 1000
#: Structs within structs that are looked into; a damaged file may hold itself.
MOST_DEPTH = 8
#: Characters of a text that is read.
LONGEST_TEXT = 1000


class _Source(Protocol):
    """What reads one kind of file."""

    path: Path
    version: str

    def names(self) -> list[str]: ...

    def find(self, key: str) -> Element | None: ...

    def values(self, element: Element) -> NDArray[Any]: ...

    def text(self, element: Element) -> str: ...


class MatFile:
    """An open `.mat` file.

    Attributes
    ----------
    path : Path
        The file.
    version : str
        ``"5"`` for versions 5 to 7, ``"7.3"`` for HDF5.
    """

    def __init__(self, source: _Source) -> None:
        self.path, self.version = source.path, source.version
        self._source = source

    def names(self, key: str = "") -> list[str]:
        """List the variables, or the fields of the struct at a key."""
        if not key:
            return self._source.names()
        element = self.find(key)
        return [] if element is None else list(element.names)

    def find(self, key: str) -> Element | None:
        """Return what is at a key, or None."""
        return self._source.find(key)

    def is_foreign(self, element: Element) -> bool:
        """Tell whether an array is not MATLAB's own, which may not be turned as those are."""
        stored = element.place if self.version == "7.3" else None
        return stored is not None and "MATLAB_class" not in stored.attrs

    def walk(self) -> Iterator[Element]:
        """Go through variables and fields, structs before their fields."""
        waiting, seen = deque(self.names()), 0
        while waiting:
            element = self.find(waiting.popleft())
            if element is None:
                continue
            seen += 1
            if seen > MOST_ELEMENTS:
                problem = f"more than {MOST_ELEMENTS} variables and fields"
                raise CalabFormatError(self.path, problem, "name the traces as key")
            if element.key.count(".") < MOST_DEPTH:
                waiting.extend(f"{element.key}.{name}" for name in element.names)
            yield element

    def matrix(self, key: str, remedy: str) -> Element:
        """Return a full matrix of real numbers.

        Parameters
        ----------
        key : str
            Where it is.
        remedy : str
            What to do if it is missing or something else.

        Returns
        -------
        Element

        Raises
        ------
        MissingKeyError
            If nothing is there.
        CalabFormatError
            If it has other classes, is sparse or has more than two axes.
        """
        element = self.find(key)
        if element is None:
            parent = key.rpartition(".")[0]
            beside = [f"{parent}.{name}" for name in self.names(parent)] if parent else []
            raise MissingKeyError(self.path, key, beside or self.names(), remedy)
        if element.kind == "sparse":
            remedy = f"save it as full({key})"
        if element.kind not in NUMBERS:
            problem = f"expected a matrix of real numbers, got {element.kind}"
            raise CalabFormatError(self.path, problem, remedy, key=key)
        if len(element.shape) != 2:
            problem = f"expected a matrix, got shape {element.shape}"
            raise CalabFormatError(self.path, problem, remedy, key=key)
        return element

    def numbers(self, key: str) -> NDArray[Any] | None:
        """Read numbers in one axis, or None where there are none."""
        element = self.find(key)
        if element is None or element.kind not in NUMBERS:
            return None
        return self._source.values(element).ravel(order="F")

    def scalar(self, key: str) -> float | None:
        """Read one number, or None where there is none; NaN stands for none."""
        element = self.find(key)
        if element is None or element.kind not in NUMBERS or element.size != 1:
            return None
        value = float(self._source.values(element).item())
        return None if isnan(value) else value

    def text(self, key: str) -> str | None:
        """Read a text, or None where there is none."""
        element = self.find(key)
        if element is None or element.kind != "char" or not 0 < element.size <= LONGEST_TEXT:
            return None
        return self._source.text(element)

    def rate(self, structs: Iterable[str]) -> float | None:
        """Return the sampling rate from the first struct that has one, or None.

        Parameters
        ----------
        structs : iterable of str
            Keys of structs, the empty key for the variables.

        Returns
        -------
        float or None
            In hertz. None also where the struct has several.
        """
        for struct in structs:
            there = set(self.names(struct))
            keys = (f"{struct}.{name}" if struct else name for name in RATES if name in there)
            found = [value for key in keys if (value := self.scalar(key)) is not None]
            if found:
                return found[0] if len(found) == 1 else None
        return None

    def traces(self, element: Element, axis: int) -> Traces:
        """Return a matrix as cells x frames.

        Parameters
        ----------
        element : Element
            The matrix.
        axis : int
            Which of its axes has the cells.

        Returns
        -------
        numpy.ndarray or LazyTraces
            Version 7.3 can be read by cells, others are read at once. Single precision stays
            float32, all else becomes float64.
        """
        dtype = np.dtype(np.float32 if element.kind == "single" else np.float64)
        if self.version == "5" or element.size == 0:
            values = self._source.values(element)
            return np.asarray(values.T if axis else values, dtype=dtype)
        # The axes of the file are those that MATLAB shows, the other way round.
        array = replace(look_at(self.path, key_of(element), EXTRA), dtype=dtype)
        return array.along(1 - axis)


@contextmanager
def open_mat(path: Path) -> Iterator[MatFile]:
    """Open a file for reading.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    MatFile

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CalabFormatError
        If it is no `.mat` file, or what happens within the block says that it is damaged.
    ImportError
        If it is of version 7.3 and h5py is not installed.
    """
    if path.is_dir():
        raise CalabFormatError(path, "expected a file, got a folder")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if is_hdf5(path):
        with open_hdf5(path, EXTRA) as file:
            yield MatFile(Hdf5Mat(file))
    elif is_level5(path):
        with unreadable(path):
            yield MatFile(Level5(path))
    else:
        problem = "expected a .mat file of version 5 to 7.3"
        raise CalabFormatError(path, problem, "save it again in MATLAB with -v7 or -v7.3")
