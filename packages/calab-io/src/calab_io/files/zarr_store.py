"""Arrays in zarr stores, versions 2 and 3, read with errors that name store, array and remedy."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError, MissingKeyError, needs, unreadable
from .missing import MARKS
from .zarr_chunks import check_blosc, folder_of
from .zarr_documents import AXES, DOCUMENTS, is_array, names_in, read_document, version_of

__all__ = ["is_text", "marks", "open_array", "rows_of", "text_of", "values_of"]

#: How text of any length is called, by version, and the codec that makes it bytes.
ANY_TEXT, TEXT_CODEC = {3: "string", 2: "|O"}, "vlen-utf8"
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
        array = zarr.open_array(str(store / name), mode="r", zarr_format=version_of(store / name))
        codecs = _codecs(array.metadata.to_dict())
        # Damaged attributes may be anything.
        dict(array.attrs)
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


def marks(array: Any) -> list[Any]:
    """List what an array says that stands for missing samples.

    Parameters
    ----------
    array : zarr.Array
        From `open_array`.

    Returns
    -------
    list of object
        From its attributes. In version 2 xarray has the fill value of the array for this. By itself
        that is only what chunks have that were not written, and 0 unless somebody chose another.
    """
    known = dict(array.attrs)
    declared = [known[name] for name in MARKS if name in known]
    if array.metadata.zarr_format == 2 and AXES in known and array.fill_value:
        declared.append(array.fill_value)
    return declared


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


def is_text(store: Path, name: str) -> bool:
    """Tell whether an array is text of any length that can be read.

    What blosc compressed is not: it would have to be told how long it was.

    Parameters
    ----------
    store : Path
        Folder of a group.
    name : str
        Of an array that is in it.

    Returns
    -------
    bool

    Raises
    ------
    CalabFormatError
        If its description cannot be read.
    """
    folder = store / name
    version = version_of(folder) or 2
    document = read_document(folder, DOCUMENTS[version])
    if document.get("dtype" if version == 2 else "data_type") != ANY_TEXT[version]:
        return False
    with unreadable(folder):
        codecs = _codecs({"zarr_format": version, **document})
        trusted = [TEXT_CODEC, *sorted(COMPRESSIONS.intersection(codecs[1:]) - {"blosc"})]
        return codecs == trusted and len(codecs) < 3


def text_of(store: Path, name: str, extra: str) -> NDArray[np.str_]:
    """Read text of any length.

    Parameters
    ----------
    store : Path
        Folder of a group.
    name : str
        Of an array in it of which `is_text` is true.
    extra : str
        Extra of `calab` that brings zarr.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    CalabFormatError
        If it is damaged, or claims an impossible size.
    ImportError
        If zarr is not installed.
    """
    zarr = needs("zarr", extra, "reading zarr stores")
    with unreadable(store / name):
        array = zarr.open_array(str(store / name), mode="r", zarr_format=version_of(store / name))
        if not _is_within(store / name, math.prod(array.shape) * array.dtype.itemsize):
            raise ValueError(f"expected text that fits its files, got shape {array.shape}")
        return np.array(array[...].tolist(), dtype=np.str_)


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
