"""Damage in HDF5 files on which its library never comes back."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import CalabFormatError, needs
from .hdf5_links import children

__all__ = ["forget", "refuse_endless_heap"]

#: How a collection of the global heap, which holds texts and lists, begins: its name, version 1 and
#: three bytes of 0; and its least size.
HEAP, LEAST_SIZE = b"GCOL\x01\x00\x00\x00", 4096
#: Bytes of the heads of a collection and of an object in it.
COLLECTION, OBJECT = 16, 16
#: Bytes of a file that are searched at most: heaps are written early, and a search takes its time.
SEARCHED = 256 << 20
#: Objects of a file that are looked at in search of numbers, and files that are remembered.
MOST_OBJECTS, MOST_KNOWN = 1000, 100


def refuse_endless_heap(path: Path) -> None:
    """Refuse a file with free space of no size in its global heap.

    HDF5 goes from object to object by their sizes, and stays at such a one for ever. None that it
    writes has one. A heap may stand anywhere but where numbers do: these are not searched, for
    they are most of a file.

    Parameters
    ----------
    path : Path
        An HDF5 file.

    Raises
    ------
    CalabFormatError
        If there is such an object.
    ImportError
        If h5py is not installed.
    """
    state = path.stat()
    _refuse(path, (state.st_ino, state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=MOST_KNOWN)
def _refuse(path: Path, state: tuple[int, ...]) -> None:
    """Search a file, which is opened several times while it is read, once as long as it stays."""
    del state
    numbers = sorted(_extents(path))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        left, begin = SEARCHED, 0
        for start, end in (*numbers, (len(data), len(data))):
            # The gap before these numbers.
            stop = min(start, begin + left)
            for at in _heaps(data, begin, stop):
                if _is_endless(data, at):
                    problem = f"cannot be read: the heap at byte {at} is damaged"
                    raise CalabFormatError(path, problem, "the file may be damaged or not complete")
            left -= max(0, stop - begin)
            begin = max(begin, end)


def forget() -> None:
    """Search files again that were found sound before."""
    _refuse.cache_clear()


def _heaps(data: mmap.mmap, begin: int, end: int) -> Iterator[int]:
    at = data.find(HEAP, begin, end)
    while at >= 0:
        yield at
        at = data.find(HEAP, at + len(HEAP), end)


def _extents(path: Path) -> list[tuple[int, int]]:
    """List where numbers stand in a file, as far as its objects tell."""
    h5py = needs("h5py", "hdf5", "reading HDF5")
    found: list[tuple[int, int]] = []
    # Of a damaged file what was found until then; the rest of it is searched.
    with suppress(Exception), h5py.File(path, "r") as file:
        todo, seen = [file["/"]], 0
        while todo and seen < MOST_OBJECTS:
            item, seen = todo.pop(), seen + 1
            if hasattr(item, "keys"):
                todo += [item[name] for name in children(item)[0][:MOST_OBJECTS]]
            elif getattr(item, "size", 0) and item.dtype.kind in "fiub":
                found += _stored(item)
    return found


def _stored(item: Any) -> list[tuple[int, int]]:
    """List where a data set's numbers stand: in one place, or in a place per chunk."""
    if item.chunks is None:
        start = item.id.get_offset()
        return [] if start is None else [(start, start + item.id.get_storage_size())]
    chunks: list[tuple[int, int]] = []

    def note(chunk: Any) -> None:
        chunks.append((chunk.byte_offset, chunk.byte_offset + chunk.size))

    item.id.chunk_iter(note)
    return chunks


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
