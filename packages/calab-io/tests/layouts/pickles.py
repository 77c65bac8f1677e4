"""Pickles put together step by step, as no honest tool writes them."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["F4", "NDARRAY", "RECONSTRUCT", "around", "array_of", "steps_of", "text", "write_pickle"]

HEADER = {"descr": "|O", "fortran_order": False, "shape": ()}


def write_pickle(path: Path, content: bytes) -> Path:
    """Write a pickle as `numpy.save` does that of an object."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, HEADER)
        file.write(content)
    return path


def text(value: str) -> bytes:
    """Return the step that pushes a text."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def around(steps: bytes) -> bytes:
    """Put the steps that make something between two honest settings."""
    return b"\x80\x02}(" + text("fs") + b"K\x0a" + text("it") + steps + text("tau") + b"K\x01u."


def steps_of(value: Any) -> bytes:
    """Return the steps by which Python itself pickles something."""
    return pickle.dumps(value, protocol=2)[2:-1]


#: The steps that make a type of numbers, and that begin an array.
F4 = b"cnumpy\ndtype\n" + text("f4") + b"\x85R(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffK\x00tb"
RECONSTRUCT = b"cnumpy._core.multiarray\n_reconstruct\n"
NDARRAY = b"(cnumpy\nndarray\nK\x00\x85C\x01bt"


def array_of(shape: bytes, content: bytes, dtype: bytes = F4, remember: bytes = b"") -> bytes:
    """Return the steps that make an array, of which `remember` are taken before it has content."""
    state = b"(K\x01" + shape + dtype + b"\x89" + content + b"t"
    return RECONSTRUCT + NDARRAY + b"R" + remember + state + b"b"
