"""Zarr stores of no tool's layout, versions 2 and 3: an array, or arrays in groups."""

from __future__ import annotations

from pathlib import Path

from ..errors import CalabFormatError, needs
from ..files.zarr_documents import is_array, is_group
from ..files.zarr_tree import ZarrTree
from ..recording import Contents, Request
from .arrays import OPTIONS, read_array

__all__ = ["OPTIONS", "read", "recognises"]


def recognises(path: Path) -> bool:
    """Tell whether a folder says that it is an array or group."""
    return path.is_dir() and (is_array(path, "") or is_group(path, ""))


def read(path: Path, request: Request) -> Contents:
    """Read one array, and the rate, times and ids that are beside it.

    Parameters
    ----------
    path : Path
        The folder.
    request : Request
        As for `read_array`; the key is the path of the array in its group.

    Returns
    -------
    Contents
        As from `read_array`.

    Raises
    ------
    MissingKeyError, CalabFormatError
        As `read_array`.
    ImportError
        If zarr is not installed.
    """
    needs("zarr", ZarrTree.extra, "reading zarr stores")
    if not path.is_dir():
        raise CalabFormatError(path, "expected the folder of a zarr store, got a file")
    return read_array(ZarrTree(path), request)
