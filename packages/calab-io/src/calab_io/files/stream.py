"""A stretch of a file, inflated as its bytes are asked for."""

from __future__ import annotations

import os
import zlib
from io import BufferedIOBase

__all__ = ["Stream"]

#: Bytes that are read or inflated in one go.
PIECE = 1 << 20


class Stream:
    """Bytes from the first to the last; nothing is allocated for bytes that do not come.

    Parameters
    ----------
    file : file object
        Stands at the first byte.
    length : int
        Bytes that belong to the stretch.
    compressed : bool
        Whether they are a zlib stream.

    Attributes
    ----------
    at : int
        Bytes that have been passed, after inflation.
    """

    def __init__(self, file: BufferedIOBase, length: int, compressed: bool) -> None:
        self.at = 0
        # What is said of the length may be damaged.
        here, end = file.tell(), file.seek(0, os.SEEK_END)
        file.seek(here)
        self._file, self._left = file, min(length, end - here)
        self._inflate = zlib.decompressobj() if compressed else None

    def take(self, size: int) -> bytearray:
        """Read so many bytes; a ValueError says that there are fewer."""
        if self._inflate is None and size <= self._left:
            taken = bytearray(size)
            self._left -= self._file.readinto(taken)
            self.at += size
            return taken
        taken = bytearray()
        while len(taken) < size:
            piece = self._next(min(size - len(taken), PIECE))
            if not piece:
                raise ValueError("it ends in the middle of a variable")
            taken += piece
        self.at += size
        return taken

    def skip_to(self, at: int) -> None:
        """Go on to a byte that has not been passed."""
        ahead = at - self.at
        if ahead < 0 or (self._inflate is None and ahead > self._left):
            raise ValueError(f"expected to go on from byte {self.at}, got {at}")
        if self._inflate is None:
            self._file.seek(ahead, os.SEEK_CUR)
            self._left -= ahead
            self.at = at
        while self.at < at:
            self.take(min(at - self.at, PIECE))

    def _next(self, most: int) -> bytes:
        if self._inflate is None:
            return self._raw(most)
        piece = b""
        while not piece and not self._inflate.eof:
            waiting = self._inflate.unconsumed_tail or self._raw(PIECE)
            # Also without more to read: what was inflated before may not have been handed out.
            piece = self._inflate.decompress(waiting, most)
            if not waiting:
                break
        return piece

    def _raw(self, most: int) -> bytes:
        piece = self._file.read(min(most, self._left))
        self._left -= len(piece)
        return piece
