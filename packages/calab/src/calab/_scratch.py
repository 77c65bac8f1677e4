"""Arrays of a result in files while it is made, so that memory does not grow with its cells."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from calab_io.files.npy_array import WrittenNpy, create_npy
from calab_io.locks import locked

__all__ = ["Scratch", "scratch_beside"]

#: How the folders begin, and what is locked in each while it is in use.
PREFIX, LOCK = ".calab-scratch-", "lock"
#: Seconds after which a folder has been locked, if it ever will be.
JUST_MADE_S = 60


class Scratch:
    """A folder for arrays of a result; its `make` is what `out=` of the library takes.

    Parameters
    ----------
    folder : Path
        Where they are written, each to ``NAME.npy``.
    names : collection of str, optional
        Arrays that are wanted, by default all; what comes of others is forgotten.
    """

    def __init__(self, folder: Path, names: Collection[str] | None = None) -> None:
        self.folder, self.names = folder, names

    def make(
        self, name: str, shape: tuple[int, int], dtype: np.dtype[Any], cells: int
    ) -> WrittenNpy | _Nowhere:
        """Make an array.

        Parameters
        ----------
        name : str
            What it will hold.
        shape : tuple of int
            Cells and frames.
        dtype : numpy.dtype
            Type of its numbers.
        cells : int
            Cells that will be written at a time.

        Returns
        -------
        WrittenNpy
        """
        del cells
        if self.names is not None and name not in self.names:
            return _Nowhere(shape, dtype)
        return create_npy(self._file(name), shape, dtype)

    def keep(self, name: str, target: Path) -> None:
        """Move the file of an array that is complete.

        Parameters
        ----------
        name : str
            Which.
        target : Path
            Where it stays, on the same disk.
        """
        os.replace(self._file(name), target)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


@contextmanager
def scratch_beside(target: Path, names: Collection[str] | None = None) -> Iterator[Scratch]:
    """Yield a place for arrays on the disk where a result will be; what is not kept is removed.

    What a killed process has left there is removed, too.

    Parameters
    ----------
    target : Path
        A file of the result.
    names : collection of str, optional
        As for `Scratch`.

    Yields
    ------
    Scratch
    """
    _sweep(target.parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{_host()}-", dir=target.parent))
    try:
        with locked(folder / LOCK):
            yield Scratch(folder, names)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove folders of this machine whose process is no more: not locked, nor just being made."""
    for left in parent.glob(f"{PREFIX}{_host()}-*"):
        # Others may sweep at the same time, and what is of other users is theirs.
        with suppress(OSError):
            if time.time() - (left / LOCK).stat().st_mtime < JUST_MADE_S:
                continue
            with locked(left / LOCK) as held:
                is_left = held is True
            if is_left:
                shutil.rmtree(left, ignore_errors=True)


def _host() -> str:
    """Name this machine: file systems that machines share may not share locks."""
    return re.sub(r"[^A-Za-z0-9]", "", platform.node())[:20] or "here"


class _Nowhere:
    """An array that forgets what is written to it."""

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype

    def __setitem__(self, rows: slice, values: Any) -> None:
        """Forget some cells."""
