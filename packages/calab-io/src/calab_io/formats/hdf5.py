"""HDF5 files of no tool's layout, which hold arrays in groups; also NetCDF 4."""

from __future__ import annotations

from pathlib import Path

from ..files.hdf5 import is_hdf5, open_hdf5
from ..files.hdf5_tree import Hdf5Tree
from ..recording import Contents, Request
from .arrays import OPTIONS, read_array

__all__ = ["OPTIONS", "read", "recognises"]

SUFFIXES = {".h5", ".hdf5", ".hdf", ".he5", ".nc"}


def recognises(path: Path) -> bool:
    """Tell whether a file is named as HDF5, and is."""
    return path.suffix.lower() in SUFFIXES and is_hdf5(path)


def read(path: Path, request: Request) -> Contents:
    """Read one array, and the rate, times and ids that are beside it.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        As for `read_array`; the key is the path of the data set.

    Returns
    -------
    Contents
        As from `read_array`.

    Raises
    ------
    MissingKeyError, CalabFormatError
        As `read_array`.
    ImportError
        If h5py is not installed.
    """
    with open_hdf5(path, Hdf5Tree.extra) as file:
        return read_array(Hdf5Tree(file), request)
