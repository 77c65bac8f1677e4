"""What the names in a pickle stand for, where they belong to plain data.

Nothing is imported and nothing called by name: a name is compared with the few below, which code of
ours answers; any other stands for a `Placeholder`, and whatever is done to that leaves it as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

__all__ = ["Placeholder", "Unbuilt", "made_by"]

#: Axes of an array, as NumPy had it for long, and the length of one.
MOST_AXES = 32
LONGEST_AXIS = 2**48
#: Types of an array's elements: numbers, text and objects.
ELEMENT = re.compile(r"[biufcSUO][1-9][0-9]{0,8}")


class Placeholder:
    """Stands for what is not plain data, and does nothing.

    Parameters
    ----------
    name : str
        What the pickle calls it, or its type.

    Attributes
    ----------
    name : str
    """

    # What it was to be made of is dropped, so that nothing nests in it.
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        """Name it."""
        return f"Placeholder({self.name!r})"


class Unbuilt(Placeholder):
    """What one step of a pickle makes, and a later one gives its content.

    Parameters
    ----------
    name : str
        Its type.
    build : callable
        Given the content, returns what it becomes.

    Attributes
    ----------
    build : callable
    places : list of int
        Where the memo has it, which is to have what it becomes.
    """

    __slots__ = ("build", "places")

    def __init__(self, name: str, build: Callable[[Any], Any]) -> None:
        super().__init__(name)
        self.build = build
        self.places: list[int] = []


def made_by(name: str, arguments: Any, copy: Callable[[int], None]) -> Any:
    """Return what the function of this name would, where it is of those that make plain data.

    Parameters
    ----------
    name : str
        With its module.
    arguments : object
        A tuple, in an honest pickle.
    copy : callable
        Told how many bytes are about to be copied; raises if that is too much.

    Returns
    -------
    object
        A `Placeholder` for any other function.

    Raises
    ------
    ValueError
        If the parts of an array do not fit each other.
    """
    # NumPy 2 added the underscore.
    match name.replace("numpy.core.", "numpy._core."), arguments:
        case "numpy._core.multiarray._reconstruct", (Placeholder(name="numpy.ndarray"), *_):
            return Unbuilt("numpy.ndarray", _array_of_state)
        case "numpy.dtype", (str(spec), *_) if ELEMENT.fullmatch(spec):
            return Unbuilt("numpy.dtype", partial(_element_type, spec))
        case "numpy._core.multiarray.scalar", (np.dtype() as dtype, bytes(content)):
            copy(len(content))
            return _array(content, dtype, (), "C")[()]
        case "numpy._core.numeric._frombuffer", (
            (bytes() | bytearray()) as content,
            np.dtype() as dtype,
            tuple(shape),
            ("C" | "F") as order,
        ):
            return _array(content, dtype, shape, order)
        case "_codecs.encode", (str(text), "latin1"):  # bytes, in protocol 2
            copy(len(text))
            return text.encode("latin1")
        case "builtins.bytes" | "__builtin__.bytes", ():
            return b""
        case "collections.OrderedDict", ():
            return {}
    return Placeholder(name)


def _element_type(spec: str, state: Any) -> Any:
    match state:
        case (3 | 4, ("<" | ">" | "|" | "=") as order, None, None, None, *_):
            try:
                return np.dtype(spec).newbyteorder(order)
            except TypeError:  # a size that this machine does not have
                pass
    return Placeholder("numpy.dtype")


def _array_of_state(state: Any) -> Any:
    match state:
        case (_, tuple(), np.dtype(kind="O"), _, list(items)):
            # No array: to free one within another within another, and so on, overflows the stack.
            return items
        case (_, tuple(shape), np.dtype() as dtype, fortran, bytes(content)):
            return _array(content, dtype, shape, "F" if fortran else "C")
    return Placeholder("numpy.ndarray")


def _array(content: Any, dtype: np.dtype[Any], shape: tuple[Any, ...], order: Any) -> Any:
    """Make an array that shares its bytes, so that a thousand of the same cost nothing."""
    if len(shape) > MOST_AXES or not all(
        isinstance(length, int) and 0 <= length < LONGEST_AXIS for length in shape
    ):
        raise ValueError(f"expected the shape of an array, got {len(shape)} axes that are not")
    expected = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or expected != len(content):
        problem = f"expected {expected} bytes for an array of {dtype}, got {len(content)}"
        raise ValueError(problem)
    return np.frombuffer(content, dtype).reshape(shape, order=order)
