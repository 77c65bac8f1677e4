"""Stores with arrays whose axes have names, as xarray writes them for Minian."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import needs
from ..folders import atomic_folder

__all__ = ["Array", "is_ours", "write_store"]

EXTRA, PURPOSE = "minian", "writing stores of Minian"
#: Attribute of the group whose value is the version, and by which it is known as one of CaLab.
FORMAT, VERSION = "calab_minian_version", 1
#: Attribute by which xarray knows the axes of an array of zarr 2.
AXES = "_ARRAY_DIMENSIONS"


@dataclass(frozen=True, eq=False)
class Array:
    """What is to be written.

    Attributes
    ----------
    values : numpy.ndarray
        Numbers, or one text without axes.
    axes : tuple of str
        Names of the axes.
    attributes : mapping of str to object
        As JSON can express them.
    """

    values: NDArray[Any]
    axes: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def is_ours(path: Path) -> bool:
    """Tell whether something that is there is a store of CaLab.

    Parameters
    ----------
    path : Path
        Where.

    Returns
    -------
    bool

    Raises
    ------
    ImportError
        If zarr is not installed.
    """
    zarr = needs("zarr", EXTRA, PURPOSE)
    try:
        return FORMAT in zarr.open_group(str(path), mode="r").attrs
    except Exception:  # whatever the library says of what is no group
        return False


def write_store(path: Path, arrays: Mapping[str, Array], zarr_format: int) -> None:
    """Write a group, which appears when it is complete.

    Parameters
    ----------
    path : Path
        Its folder.
    arrays : mapping of str to Array
        By name; with two axes, a row is a chunk, as Minian has it.
    zarr_format : {2, 3}
        Version of the format.

    Raises
    ------
    NotADirectoryError
        If the parent of the folder is not there.
    ImportError
        If zarr is not installed.
    """
    zarr = needs("zarr", EXTRA, PURPOSE)
    put = _put_2 if zarr_format == 2 else _put_3
    with atomic_folder(path) as draft, warnings.catch_warnings():
        # It is not part of the specification of version 3; without it xarray warns on opening.
        warnings.filterwarnings("ignore", "Consolidated metadata", UserWarning)
        said = {FORMAT: VERSION}
        group = zarr.create_group(str(draft), zarr_format=zarr_format, attributes=said)
        for name, array in arrays.items():
            put(group, name, array)[...] = array.values
        zarr.consolidate_metadata(str(draft), zarr_format=zarr_format)


def _put_2(group: Any, name: str, array: Array) -> Any:
    return group.create_array(
        name,
        shape=array.values.shape,
        dtype=array.values.dtype,
        chunks=_chunks(array),
        attributes={AXES: list(array.axes), **array.attributes},
        # xarray takes a fill value for one that is missing; without it, a chunk of zeros that is
        # not written is whatever was in the memory.
        fill_value=None,
        config={"write_empty_chunks": True},
    )


def _put_3(group: Any, name: str, array: Array) -> Any:
    is_text = array.values.dtype.kind == "U"
    return group.create_array(
        name,
        shape=array.values.shape,
        dtype=str if is_text else array.values.dtype,
        chunks=_chunks(array),
        dimension_names=array.axes,
        attributes=dict(array.attributes),
        # A chunk of zeros that is not written could not be told from one that was lost.
        config={"write_empty_chunks": True},
    )


def _chunks(array: Array) -> tuple[int, ...]:
    shape = array.values.shape
    return tuple(max(size, 1) for size in ((1, *shape[1:]) if len(shape) == 2 else shape))
