"""Chunks of zarr arrays, checked before they are decoded."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import CalabFormatError

__all__ = ["check_blosc", "folder_of"]

#: Head of a chunk that blosc compressed: bytes when expanded, bytes of a block, bytes in all.
HEAD = struct.Struct("<4xIII")


def check_blosc(array: Any, wanted: dict[int, list[int]]) -> None:
    """Compare the sizes in the heads of an array's chunks with what they must be.

    Blosc believes them: with a wrong one it reads outside of its memory, and takes the process
    with it.

    Parameters
    ----------
    array : zarr.Array
        Compressed by blosc alone.
    wanted : dict of int to list of int
        Chunks to look at along an axis; all of them along the others.

    Raises
    ------
    CalabFormatError
        If a chunk is damaged.
    """
    folder = folder_of(array)
    expected = math.prod(array.chunks) * array.dtype.itemsize
    for key in _keys(array, wanted):
        chunk = folder / key
        if not chunk.is_file():
            # One that holds nothing but the fill value is not written.
            continue
        with chunk.open("rb") as file:
            head = file.read(HEAD.size)
        expanded, _, size = HEAD.unpack(head.ljust(HEAD.size, b"\0"))
        if (expanded, size) != (expected, chunk.stat().st_size):
            problem = f"expected chunk {key} to be of {expected} bytes, got {expanded} in {size}"
            remedy = "the store may be damaged or not complete"
            raise CalabFormatError(folder.parent, problem, remedy, key=folder.name)


def folder_of(array: Any) -> Path:
    """Return the folder of an array that was opened by itself.

    Parameters
    ----------
    array : zarr.Array
        Not one of a group that was opened.

    Returns
    -------
    Path
    """
    return Path(array.store.root)


def _keys(array: Any, wanted: dict[int, list[int]]) -> Iterator[str]:
    """Name the files of chunks."""
    grid = [range(-(-size // step)) for size, step in zip(array.shape, array.chunks, strict=True)]
    places = [wanted.get(axis, every) for axis, every in enumerate(grid)]
    return (array.metadata.encode_chunk_key(place) for place in itertools.product(*places))
