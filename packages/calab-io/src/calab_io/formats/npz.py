"""Archives of arrays saved by `numpy.savez`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from numpy.typing import NDArray

from ..errors import CalabFormatError, MissingKeyError, unreadable
from ..files.hdf5 import MOST_INFLATED
from ..files.npy import Header, load_array, read_header
from ..files.tree import Array
from ..recording import Contents, Request
from ..traces import doubtful_orientation, oriented
from .beside import Beside, only_one, with_beside

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS = frozenset({"key", "transpose"})
SUFFIX = ".npy"


def recognises(path: Path) -> bool:
    """Tell whether a file is named as an archive of arrays."""
    return path.suffix.lower() == ".npz" and not path.is_dir()


def read(path: Path, request: Request) -> Contents:
    """Read one array, and the rate, times and ids that are beside it.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Which array, what kind of trace it is, and its orientation.

    Returns
    -------
    Contents

    Raises
    ------
    MissingKeyError
        If there is no such array.
    CalabFormatError
        If the file is damaged, or does not tell which array or which way round the traces are.
    """
    turn = bool(request.transpose)
    with _open(path) as archive:
        key = _choose(archive, request.key)
        traces = oriented(archive.load(key), path, turn, key)
        doubt = doubtful_orientation(traces.shape, path, turn)
        beside = Beside(path, archive.array, (archive.array,))
        return with_beside(traces, key, beside, request, doubt)


class _Archive:
    """Arrays of an archive, of which only the headers are read before they are asked for."""

    def __init__(self, path: Path, file: ZipFile) -> None:
        self.path, self.file = path, file
        self.headers: dict[str, Header] = {}
        for info in file.infolist():
            if info.filename.endswith(SUFFIX):
                with file.open(info) as member:
                    self.headers[info.filename.removesuffix(SUFFIX)] = read_header(member)

    def array(self, name: str) -> Array | None:
        """Return the array of a name, or None."""
        if name not in self.headers:
            return None
        header = self.headers[name]
        return Array(name, header.shape, header.dtype, lambda: self.load(name))

    def load(self, name: str) -> NDArray[Any]:
        """Load an array that has been found."""
        info = self.file.getinfo(name + SUFFIX)
        # What the archive itself says of its sizes may be damaged too.
        stored = min(info.compress_size, self.path.stat().st_size)
        try:
            with self.file.open(info) as member:
                return load_array(member, MOST_INFLATED * stored)
        except Exception as err:  # damaged archives raise nearly anything
            problem = f"expected a complete array of numbers: {' '.join(str(err).split())}"
            raise CalabFormatError(self.path, problem[:300], key=name) from err


@contextmanager
def _open(path: Path) -> Iterator[_Archive]:
    with unreadable(path), ZipFile(path) as file:
        yield _Archive(path, file)


def _choose(archive: _Archive, key: str | None) -> str:
    """Name the array that was asked for, or the only one that can be traces."""
    if key is None:
        arrays = (archive.array(name) for name in archive.headers)
        return only_one([array for array in arrays if array is not None], archive.path)
    if key not in archive.headers:
        raise MissingKeyError(archive.path, key, archive.headers, "key names one of them")
    return key
