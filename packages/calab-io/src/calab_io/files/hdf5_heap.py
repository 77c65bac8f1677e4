"""Damage in HDF5 files on which its library never comes back."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from ..errors import CalabFormatError

__all__ = ["refuse_endless_heap"]

#: How a collection of the global heap, which holds texts and lists, begins: its name, version 1 and
#: three bytes of 0; and its least size.
HEAP, LEAST_SIZE = b"GCOL\x01\x00\x00\x00", 4096
#: Bytes of the heads of a collection and of an object in it.
COLLECTION, OBJECT = 16, 16
#: Bytes of a file that are searched: heaps are written early, and a search takes its time.
SEARCHED = 256 << 20


def refuse_endless_heap(path: Path) -> None:
    """Refuse a file with free space of no size in its global heap.

    HDF5 goes from object to object by their sizes, and stays at such a one for ever. None that it
    writes has one.

    Parameters
    ----------
    path : Path
        An HDF5 file.

    Raises
    ------
    CalabFormatError
        If there is such an object.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(HEAP, 0, SEARCHED)
        while at >= 0:
            if _is_endless(data, at):
                problem = f"cannot be read: the heap at byte {at} is damaged"
                raise CalabFormatError(path, problem, "the file may be damaged or not complete")
            at = data.find(HEAP, at + len(HEAP), SEARCHED)


def _is_endless(data: mmap.mmap, start: int) -> bool:
    """Go from object to object as HDF5 does."""
    head = data[start : start + COLLECTION]
    size = struct.unpack_from("<Q", head, 8)[0] if len(head) == COLLECTION else 0
    end = start + size
    if size < LEAST_SIZE or end > len(data):
        return False
    at = start + COLLECTION
    while at + OBJECT <= end:
        index, _, _, length = struct.unpack_from("<HHIQ", data, at)
        if index == 0 and length == 0:
            return True
        # Of free space the size includes the head; others are padded to whole words.
        at += length if index == 0 else OBJECT + (length + 7) // 8 * 8
    return False
