"""What the documents of zarr stores, versions 2 and 3, say of the arrays and groups in them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from ..documents import read_json_object
from ..errors import unreadable

__all__ = [
    "AXES",
    "DOCUMENTS",
    "attributes",
    "dimensions",
    "head",
    "is_array",
    "is_group",
    "names_in",
    "read_document",
    "version_of",
]

#: Documents that say what an array is like, by version.
DOCUMENTS = {3: "zarr.json", 2: ".zarray"}
#: What says that a folder is a group, by version; in version 3 it says which of both.
GROUP = ".zgroup"
#: Attribute of version 2 with the names of the axes, which xarray writes.
AXES = "_ARRAY_DIMENSIONS"
#: How version 3 calls text of a fixed length, with four bytes for each letter.
TEXT, LETTER = "fixed_length_utf32", 4
#: Entries of a store that an error is told of at most.
MOST_ENTRIES = 1000


def is_array(store: Path, name: str) -> bool:
    """Tell whether a store has an array of a name.

    Parameters
    ----------
    store : Path
        Folder of a group.
    name : str
        Of the array in it.

    Returns
    -------
    bool

    Raises
    ------
    CalabFormatError
        If what is there cannot be read.
    """
    version = version_of(store / name)
    # A group of version 3 has a document of the same name.
    return version == 2 or (
        version == 3 and read_document(store / name, DOCUMENTS[3]).get("node_type") == "array"
    )


def is_group(store: Path, name: str) -> bool:
    """Tell whether a store has a group of a name, or is one itself for an empty name.

    Parameters
    ----------
    store : Path
        Folder of a group.
    name : str
        Of the group in it.

    Returns
    -------
    bool

    Raises
    ------
    CalabFormatError
        If what is there cannot be read.
    """
    folder = store / name
    if version_of(folder) == 3:
        return read_document(folder, DOCUMENTS[3]).get("node_type") == "group"
    return (folder / GROUP).is_file()


def head(store: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return what an array says that it is like, for which no library is needed.

    Parameters
    ----------
    store : Path
        Folder of a group.
    name : str
        Of an array that is in it.

    Returns
    -------
    shape : tuple of int
    dtype : numpy.dtype
        `object` for what NumPy has no such type for.

    Raises
    ------
    CalabFormatError
        If its description cannot be read.
    """
    folder = store / name
    version = version_of(folder) or 2
    document = read_document(folder, DOCUMENTS[version])
    with unreadable(folder):
        shape = tuple(int(length) for length in document["shape"])
        return shape, _dtype(document["dtype" if version == 2 else "data_type"])


def attributes(store: Path, name: str) -> dict[str, Any]:
    """Return the attributes of an array or group.

    Parameters
    ----------
    store : Path
        Folder of a group.
    name : str
        Of what is in it.

    Returns
    -------
    dict

    Raises
    ------
    CalabFormatError
        If they cannot be read.
    """
    folder = store / name
    if version_of(folder) == 3:
        known = read_document(folder, DOCUMENTS[3]).get("attributes")
        return known if isinstance(known, dict) else {}
    return read_document(folder, ".zattrs") if (folder / ".zattrs").is_file() else {}


def dimensions(store: Path, name: str) -> tuple[str, ...] | None:
    """Return the names of an array's axes, or None where it does not say.

    Parameters
    ----------
    store : Path
        Folder of a group.
    name : str
        Of an array that is in it.

    Returns
    -------
    tuple of str or None

    Raises
    ------
    CalabFormatError
        If its description cannot be read.
    """
    folder = store / name
    if version_of(folder) == 3:
        names = read_document(folder, DOCUMENTS[3]).get("dimension_names")
    else:
        names = attributes(store, name).get(AXES)
    if not isinstance(names, list) or not all(isinstance(axis, str) for axis in names):
        return None
    return tuple(names)


def names_in(store: Path, most: int = MOST_ENTRIES) -> list[str]:
    """List the arrays and groups in a store.

    Parameters
    ----------
    store : Path
        Folder of a group, or one of stores.
    most : int, optional
        Entries of the folder that are looked at; by default what an error has room for.

    Returns
    -------
    list of str
    """
    entries = itertools.islice(store.iterdir(), most)
    return [entry.name for entry in entries if entry.is_dir()]


def version_of(folder: Path) -> int | None:
    """Tell the version of the array, or for 3 also the group, in a folder; the newer one wins."""
    return next((version for version, name in DOCUMENTS.items() if (folder / name).is_file()), None)


def read_document(folder: Path, name: str) -> dict[str, Any]:
    """Read a document of an array or group, with an error that names its folder."""
    with unreadable(folder):
        return read_json_object(folder / name)


def _dtype(described: Any) -> np.dtype[Any]:
    if isinstance(described, dict) and described["name"] == TEXT:
        return np.dtype(f"U{int(described['configuration']['length_bytes']) // LETTER}")
    try:
        return np.dtype(described if isinstance(described, str) else np.object_)
    except TypeError:
        return np.dtype(np.object_)
