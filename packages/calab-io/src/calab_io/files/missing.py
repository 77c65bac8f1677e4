"""Numbers that stand for samples that are missing, as attributes of an array declare them."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MARKS", "marks_of", "without"]

#: Attributes that declare one, of NetCDF and so of xarray.
MARKS = ("_FillValue", "missing_value")
#: How xarray writes a float to an attribute in version 3 of zarr, before it is made text.
FLOAT = struct.Struct("<d")
#: Whole numbers that no type has.
BEYOND = 1 << 64


def marks_of(declared: Iterable[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the numbers of an array that stand for missing samples.

    Parameters
    ----------
    declared : iterable of object
        What its attributes say: numbers, text, or lists of them.
    dtype : numpy.dtype
        Type of the array.

    Returns
    -------
    numpy.ndarray, shape (n_marks,), of that type
        But for NaN, which needs no mark, and for what the type cannot hold.
    """
    every = (value for one in declared for value in _values(one))
    numbers = [number for value in every if (number := _number(value)) is not None]
    if dtype.kind == "f":
        # What is beyond the type becomes infinite, which is no mark.
        with np.errstate(over="ignore"):
            marks = np.array(numbers, dtype=np.float64).astype(dtype)
        return np.unique(marks[np.isfinite(marks)])
    if dtype.kind not in "iu":
        return np.empty(0, dtype)
    limits = np.iinfo(dtype)
    whole = {int(one) for one in numbers if math.isfinite(one) and one == int(one)}
    return np.array(sorted(one for one in whole if limits.min <= one <= limits.max), dtype)


def without(values: NDArray[Any], marks: NDArray[Any]) -> NDArray[Any]:
    """Put NaN for the missing samples.

    Parameters
    ----------
    values : numpy.ndarray
        As they are stored.
    marks : numpy.ndarray
        From `marks_of`.

    Returns
    -------
    numpy.ndarray
        The same array if there are no marks; whole numbers become float64 otherwise.
    """
    if not marks.size:
        return values
    found = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
    for mark in marks:
        np.copyto(found, np.nan, where=values == mark)
    return found


def _values(declared: Any) -> list[Any]:
    if isinstance(declared, np.ndarray | np.generic):
        return np.ravel(declared).tolist()
    return declared if isinstance(declared, list) else [declared]


def _number(value: Any) -> float | int | None:
    """Return a number that may be written as text, None for what is none."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < BEYOND):
        return value
    if not isinstance(value, str):
        return None
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return float(FLOAT.unpack(base64.b64decode(value, validate=True))[0])
    except (binascii.Error, ValueError, struct.error):
        return None
