"""`.npy` files that are not trusted: their headers, and dictionaries that were pickled into one."""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CalabFormatError, unreadable
from .npy import Header, read_header
from .restricted_pickle import unpickle

__all__ = ["npy_header", "read_pickled_dict"]


def npy_header(path: Path) -> Header:
    """Read the header of a `.npy` file, and check that the file is as long as it says.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Header

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CalabFormatError
        If it is not a `.npy` file, or not complete.
    """
    with unreadable(path), path.open("rb") as file:
        header = read_header(file)
    length = path.stat().st_size - header.offset
    # How long pickled objects are is not known before they are read.
    objects = header.dtype.hasobject
    expected = 0 if objects else math.prod(header.shape) * header.dtype.itemsize
    if expected > length:
        shape = str(header.shape)[:60]
        problem = f"expected {header.dtype} of shape {shape}, got {length} bytes of it"
        raise CalabFormatError(path, problem, "the file is not complete: copy it again")
    return header


def read_pickled_dict(path: Path) -> dict[str | int, Any]:
    """Read a dictionary that `numpy.save` pickled, without running what the file says.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        Plain data, as `unpickle` describes them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CalabFormatError
        If it is damaged, or does not hold a dictionary.
    """
    remedy = "save it again from the tool that wrote it"
    header = npy_header(path)
    if header.dtype != np.dtype(object):
        problem = f"expected a dictionary, got an array of {header.dtype}"
        raise CalabFormatError(path, problem, remedy)
    with (
        unreadable(path),
        path.open("rb") as file,
        # Unlike a file it gives no more than there is, whatever length is asked of it.
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        content.seek(header.offset)
        value = unpickle(content)
    # NumPy pickles the array of one object that it makes of the dictionary.
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(value, dict):
        problem = f"expected a dictionary, got {type(value).__name__}"
        raise CalabFormatError(path, problem, remedy)
    return value
