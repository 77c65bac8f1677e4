"""Locks of the operating system, which lets go of them however a process ends."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["locked"]

#: What is said of a lock that another process holds.
HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextmanager
def locked(path: Path) -> Iterator[bool | None]:
    """Hold a lock on a file while the block lasts.

    Parameters
    ----------
    path : Path
        The file, which is made if it is not there and stays: whoever deleted it could delete the
        one that another process has just locked.

    Yields
    ------
    bool or None
        Whether the lock is held; False if another process, or another place in this one, has it,
        None on a file system without locks, as some clusters have.
    """
    with path.open("a", encoding="utf-8") as file:
        try:
            _lock(file)
        except OSError as error:
            yield False if error.errno in HELD else None
            return
        yield True


def _lock(file: IO[str]) -> None:
    """Lock an open file until it is closed; who opens it anew is another, in this process too."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
