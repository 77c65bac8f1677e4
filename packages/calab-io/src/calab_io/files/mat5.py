"""MATLAB's level-5 files (versions 5 to 7), of which only what is asked for is read.

Written from MathWorks' description of the format. SciPy's reader is not used: it reads a struct as
a whole, footprints and all, and a damaged size ends the interpreter instead of raising an error.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .stream import Stream

__all__ = ["NUMBERS", "Element", "Level5", "is_level5"]

HEADER = 128
ORDERS = {b"IM": "<", b"MI": ">"}
MATRIX, COMPRESSED = 14, 15
#: Classes of numbers, which have the numbers from 6 on, with the type of each in memory.
NUMBERS: dict[str, np.dtype[Any]] = {
    "double": np.dtype(np.float64),
    "single": np.dtype(np.float32),
    **{name: np.dtype(name) for bits in (8, 16, 32, 64) for name in (f"int{bits}", f"uint{bits}")},
}
CLASSES = {
    **{1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse"},
    **dict(enumerate(NUMBERS, start=6)),
    **{16: "function_handle", 17: "opaque"},
}
#: How numbers are stored, which may be narrower than their class.
STORED = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
#: How text is stored.
ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
LOGICAL, COMPLEX = 0x02, 0x08
#: Name, class, shape and names of fields.
_Head = tuple[str, str, tuple[int, ...], tuple[str, ...]]
#: Of an array that is nothing but a tag: a field to which nothing was assigned.
EMPTY: _Head = ("", "double", (0, 0), ())


@dataclass(frozen=True)
class Element:
    """What is at a key of a `.mat` file: a variable, or a field of a struct.

    Attributes
    ----------
    key : str
        Path with dots, such as ``"neuron.C_raw"``.
    kind : str
        MATLAB's class, or what makes it no plain array: ``"sparse"``, ``"complex"``,
        ``"logical"``.
    shape : tuple of int
        As MATLAB shows it.
    names : tuple of str
        Fields, if it is one struct; none if it is an array of structs.
    place : object
        Where it is, as the reader knows it.
    """

    key: str
    kind: str
    shape: tuple[int, ...]
    names: tuple[str, ...] = ()
    place: Any = None

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)


@dataclass(frozen=True)
class _Place:
    """A variable's bytes in the file, and where in them, once inflated, an element is."""

    start: int
    length: int
    compressed: bool
    at: int = 0
    end: int = 0


def is_level5(path: Path) -> bool:
    """Tell whether a file begins as level-5 files do."""
    with path.open("rb") as file:
        return file.read(HEADER)[HEADER - 2 :] in ORDERS


class Level5:
    """A level-5 file; every call opens it anew.

    Parameters
    ----------
    path : Path
        The file. Methods raise errors of any type where it is damaged.
    """

    version = "5"

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._order = ORDERS[file.read(HEADER)[HEADER - 2 :]]
        self._size = path.stat().st_size
        #: Fields of the structs that were asked for.
        self._known: dict[str, dict[str, Element]] = {}
        self._variables = {element.key: element for element in self._read_variables()}

    def names(self) -> list[str]:
        """List the variables."""
        return list(self._variables)

    def find(self, key: str) -> Element | None:
        """Return what is at a key, or None."""
        first, *rest = key.split(".")
        found = self._variables.get(first)
        for name in rest:
            found = None if found is None else self._fields(found).get(name)
        return found

    def values(self, element: Element) -> NDArray[Any]:
        """Read real numbers, in the type of their class."""
        with self._open(element.place) as stream:
            stored, size = self._tag(stream)
            dtype = np.dtype(self._order + _known(STORED, stored, "numbers of type"))
            if size != element.size * dtype.itemsize:
                raise ValueError(f"{size} bytes for {element.size} numbers in {element.key}")
            flat = np.frombuffer(stream.take(size), dtype)
        return flat.reshape(element.shape, order="F").astype(NUMBERS[element.kind], copy=False)

    def text(self, element: Element) -> str:
        """Read text."""
        with self._open(element.place) as stream:
            stored, size = self._tag(stream)
            wide = {"<": "-le", ">": "-be"}[self._order] if stored in (4, 17, 18) else ""
            return stream.take(size).decode(_known(ENCODINGS, stored, "text of type") + wide)

    @contextmanager
    def _open(self, place: _Place) -> Iterator[Stream]:
        with self.path.open("rb") as file:
            file.seek(place.start)
            stream = Stream(file, place.length, place.compressed)
            stream.skip_to(place.at)
            yield stream

    def _read_variables(self) -> Iterator[Element]:
        start = HEADER
        while start + 8 <= self._size:
            whole = _Place(start, self._size - start, compressed=False)
            with self._open(whole) as stream:
                kind, length = self._tag(stream)
            if length > whole.length - 8:
                raise ValueError("it ends in the middle of a variable")
            variable = _Place(start, 8 + length, compressed=False)
            if kind == COMPRESSED:
                # Within it is a variable with a tag of its own.
                variable = _Place(start + 8, length, compressed=True)
            with self._open(variable) as stream:
                element = self._element(stream, variable)
            if element.key:
                # Without a name is what belongs to objects of classes.
                yield element
            start += 8 + length

    def _fields(self, parent: Element) -> dict[str, Element]:
        """Return the fields of a struct, by name."""
        if parent.key not in self._known:
            with self._open(parent.place) as stream:
                fields = {}
                for name in parent.names:
                    fields[name] = self._element(stream, parent.place, f"{parent.key}.{name}")
                    stream.skip_to(fields[name].place.end)
            self._known[parent.key] = fields
        return self._known[parent.key]

    def _element(self, stream: Stream, variable: _Place, key: str | None = None) -> Element:
        """Read what precedes the values of an array, whose own name is the key by default."""
        kind, length = self._tag(stream)
        if kind != MATRIX:
            raise ValueError(f"expected an array, got data of type {kind}")
        end = stream.at + length
        own, class_name, shape, names = self._head(stream) if length else EMPTY
        place = _Place(variable.start, variable.length, variable.compressed, stream.at, end)
        return Element(own if key is None else key, class_name, shape, names, place)

    def _head(self, stream: Stream) -> _Head:
        """Read name, class, shape and field names."""
        flags = struct.unpack(self._order + "II", self._part(stream))[0]
        kind = _known(CLASSES, flags & 0xFF, "an array of class")
        if kind == "opaque":
            name, _, class_name = (self._part(stream).decode("ascii") for _ in range(3))
            return name, class_name, (1, 1), ()
        shape = tuple(np.frombuffer(self._part(stream), self._order + "i4").tolist())
        if len(shape) < 2 or min(shape) < 0:
            raise ValueError(f"expected a shape, got {shape}")
        name = self._part(stream).decode("ascii")
        names: tuple[str, ...] = ()
        if kind in ("struct", "object"):
            names = self._field_names(stream, kind)
        elif kind in NUMBERS and flags >> 8 & (LOGICAL | COMPLEX):
            kind = "complex" if flags >> 8 & COMPLEX else "logical"
        return name, kind, shape, names if prod(shape) == 1 else ()

    def _field_names(self, stream: Stream, kind: str) -> tuple[str, ...]:
        if kind == "object":
            self._part(stream)  # the name of its class
        width = struct.unpack(self._order + "i", self._part(stream))[0]
        joined = self._part(stream)
        fields = (joined[at : at + width] for at in range(0, len(joined), width))
        return tuple(field.partition(b"\0")[0].decode("ascii") for field in fields)

    def _part(self, stream: Stream) -> bytes:
        """Read the bytes of a tagged piece, with what fills it up to a multiple of eight."""
        _, size = self._tag(stream)
        content = stream.take(size)
        stream.skip_to(-(-stream.at // 8) * 8)
        return bytes(content)

    def _tag(self, stream: Stream) -> tuple[int, int]:
        """Read type and size; of up to four bytes the size is in the upper half of the type."""
        (kind,) = struct.unpack(self._order + "I", stream.take(4))
        if kind >> 16 > 4:
            raise ValueError(f"expected up to 4 bytes within a tag, got {kind >> 16}")
        if kind >> 16:
            return kind & 0xFFFF, kind >> 16
        return kind, struct.unpack(self._order + "I", stream.take(4))[0]


def _known(table: dict[int, str], number: int, what: str) -> str:
    if number not in table:
        raise ValueError(f"{what} {number}, which is not known")
    return table[number]
