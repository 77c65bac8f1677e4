"""Arrays in zarr stores, versions 2 and 3, read with errors that name store, array and remedy."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..documents import read_json_object
from ..errors import CalabFormatError, MissingKeyError, needs, unreadable
from .zarr_chunks import check_blosc, folder_of

__all__ = [
    "attributes",
    "dimensions",
    "head",
    "is_array",
    "is_group",
    "names_in",
    "open_array",
    "rows_of",
    "values_of",
]

#: Documents that say what an array is like, by version.
DOCUMENTS = {3: "zarr.json", 2: ".zarray"}
#: What says that a folder is a group, by version; in version 3 it says which of both.
GROUP = ".zgroup"
#: How version 3 calls text of a fixed length, with four bytes for each letter.
TEXT, LETTER = "fixed_length_utf32", 4
#: Codecs that are trusted with damaged data, of which an array has one at most: others may read
#: outside of their memory, and `pickle` runs what it finds.
COMPRESSIONS = {"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"}
#: Codecs of version 3 that only lay out numbers or check them.
LAYOUTS = {"bytes", "crc32c", "transpose"}
#: The codec of chunks that lie in one file.
SHARDS = "sharding_indexed"
#: An array larger than this many times its files is not believed: zstandard reaches 32768, and a
#: damaged size would be asked of the memory.
MOST_INFLATED = 40_000
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
    version = _version(store / name)
    # A group of version 3 has a document of the same name.
    return version == 2 or (
        version == 3 and _document(store / name, DOCUMENTS[3]).get("node_type") == "array"
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
    if _version(folder) == 3:
        return _document(folder, DOCUMENTS[3]).get("node_type") == "group"
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
    version = _version(folder) or 2
    document = _document(folder, DOCUMENTS[version])
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
    if _version(folder) == 3:
        known = _document(folder, DOCUMENTS[3]).get("attributes")
        return known if isinstance(known, dict) else {}
    return _document(folder, ".zattrs") if (folder / ".zattrs").is_file() else {}


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
    if _version(folder) == 3:
        names = _document(folder, DOCUMENTS[3]).get("dimension_names")
    else:
        names = attributes(store, name).get("_ARRAY_DIMENSIONS")
    if not isinstance(names, list) or not all(isinstance(axis, str) for axis in names):
        return None
    return tuple(names)


def open_array(
    store: Path, name: str, extra: str, *, remedy: str | None = None, kinds: str = "fiub"
) -> Any:
    """Open an array of real numbers for reading.

    Parameters
    ----------
    store : Path
        Folder of a group.
    name : str
        Of the array in it.
    extra : str
        Extra of `calab` that brings zarr.
    remedy : str, optional
        What to do if it is missing.
    kinds : str, optional
        Kinds of NumPy's types that it may have.

    Returns
    -------
    zarr.Array

    Raises
    ------
    MissingKeyError
        If it is not there.
    CalabFormatError
        If it cannot be read, holds no numbers, claims an impossible size or is compressed in a
        way that is not trusted.
    ImportError
        If zarr is not installed.
    """
    zarr = needs("zarr", extra, "reading zarr stores")
    if not is_array(store, name):
        raise MissingKeyError(store, name, names_in(store), remedy)
    with unreadable(store / name):
        array = zarr.open_array(str(store / name), mode="r", zarr_format=_version(store / name))
        codecs = _codecs(array.metadata.to_dict())
    key = name or None
    if array.dtype.kind not in kinds:
        raise CalabFormatError(store, f"expected numbers, got {array.dtype}", remedy, key=key)
    if not (COMPRESSIONS.issuperset(codecs) and len(codecs) < 2):
        expected = f"expected at most one of the compressions {', '.join(sorted(COMPRESSIONS))}"
        remedy = "save it again with the defaults of zarr or xarray"
        raise CalabFormatError(store, f"{expected}, got {', '.join(codecs)}", remedy, key=key)
    claimed = math.prod(array.shape) * array.dtype.itemsize
    if not _is_within(store / name, claimed):
        problem = f"expected data that fit its files, got shape {array.shape}"
        raise CalabFormatError(store, problem, "the store may be damaged", key=key)
    return array


def rows_of(array: Any, rows: NDArray[np.intp], axis: int = 0) -> NDArray[Any]:
    """Read what stands at some places of one of two axes, from the chunks that hold it.

    Parameters
    ----------
    array : zarr.Array
        With two axes, from `open_array`.
    rows : numpy.ndarray of int
        Places on the axis, in the order in which they will stand.
    axis : int, optional
        Which axis becomes the first one.

    Returns
    -------
    numpy.ndarray, shape (n_rows, length of the other axis)

    Raises
    ------
    CalabFormatError
        If a chunk is damaged.
    """
    first, last = int(rows.min()), int(rows.max()) + 1
    if _codecs(array.metadata.to_dict()) == ["blosc"]:
        check_blosc(array, {axis: np.unique(rows // array.chunks[axis]).tolist()})
    with unreadable(folder_of(array)):
        if rows.size == last - first and np.all(np.diff(rows) == 1):
            # Twice as fast as a list of them.
            found = array[first:last] if axis == 0 else array[:, first:last]
        else:
            found = array.oindex[rows] if axis == 0 else array.oindex[:, rows]
    return np.asarray(found if axis == 0 else found.T)


def values_of(array: Any) -> NDArray[Any]:
    """Read all of an array.

    Parameters
    ----------
    array : zarr.Array
        From `open_array`.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    CalabFormatError
        If a chunk is damaged.
    """
    if _codecs(array.metadata.to_dict()) == ["blosc"]:
        check_blosc(array, {})
    with unreadable(folder_of(array)):
        return np.asarray(array[...])


def names_in(store: Path) -> list[str]:
    """List the arrays and groups in a store.

    Parameters
    ----------
    store : Path
        Folder of a group, or one of stores.

    Returns
    -------
    list of str
    """
    entries = itertools.islice(store.iterdir(), MOST_ENTRIES)
    return [entry.name for entry in entries if entry.is_dir()]


def _version(folder: Path) -> int | None:
    """Tell the version of the array, or for 3 also the group, in a folder; the newer one wins."""
    return next((version for version, name in DOCUMENTS.items() if (folder / name).is_file()), None)


def _document(folder: Path, name: str) -> dict[str, Any]:
    with unreadable(folder):
        return read_json_object(folder / name)


def _dtype(described: Any) -> np.dtype[Any]:
    if isinstance(described, dict) and described["name"] == TEXT:
        return np.dtype(f"U{int(described['configuration']['length_bytes']) // LETTER}")
    try:
        return np.dtype(described if isinstance(described, str) else np.object_)
    except TypeError:
        return np.dtype(np.object_)


def _codecs(metadata: dict[str, Any]) -> list[str]:
    """Name the codecs that data pass through, but for those that only lay them out."""
    if metadata["zarr_format"] == 2:
        chain = (*(metadata["filters"] or ()), metadata["compressor"])
        return [codec["id"] for codec in chain if codec is not None]
    names = []
    for codec in metadata["codecs"]:
        if codec["name"] == SHARDS:
            inner = codec["configuration"]
            names += [_within(one["name"]) for one in inner["codecs"] if one["name"] not in LAYOUTS]
            names += [one["name"] for one in inner["index_codecs"] if one["name"] not in LAYOUTS]
        elif codec["name"] not in LAYOUTS:
            names.append(codec["name"])
    return names


def _within(name: str) -> str:
    """Name a codec within a shard, where the heads of chunks are not looked at."""
    return f"{name} in shards" if name == "blosc" else name


def _is_within(folder: Path, claimed: int) -> bool:
    """Tell whether so many bytes may come from an array's files, looking at no more than needed."""
    stored = 0
    for root, _, names in os.walk(folder):
        for name in names:
            if stored * MOST_INFLATED >= claimed:
                return True
            stored += (Path(root) / name).stat().st_size
    return stored * MOST_INFLATED >= claimed
