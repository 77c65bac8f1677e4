"""Saved results as zarr groups of version 3, which xarray opens."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...documents import read_json_object
from ...errors import CalabFormatError, needs, unreadable
from ...files import zarr_documents, zarr_store
from ...folders import atomic_folder
from . import slabs
from .layout import TYPE, Content, Head, Variable, chunk_shape

__all__ = ["opened", "write"]

EXTRA = "zarr"
#: Describes a group or an array.
DOCUMENT = "zarr.json"
#: zstandard's fastest level; twice the time saves less than a tenth of the space.
LEVEL = 1
#: How text is stored: as the zarr community's data type `string`, with its codec.
TEXT, TEXT_CODECS = "string", ["vlen-utf8", "zstd"]


def write(content: Content, path: Path) -> None:
    """Write a group, which appears when it is complete.

    Parameters
    ----------
    content : Content
        What is to be in it.
    path : Path
        Its folder.

    Raises
    ------
    ImportError
        If zarr is not installed.
    """
    zarr = needs("zarr", EXTRA, "saving to zarr")
    with atomic_folder(path) as draft:
        attributes = {**content.attributes, "coordinates": "time"}
        group = zarr.create_group(str(draft), zarr_format=3, attributes=attributes)
        for name, one in content.variables.items():
            _write_array(zarr, group, name, one)
        with warnings.catch_warnings():
            # It is not part of zarr's specification yet, and ignored by who does not know it;
            # without it xarray warns on opening.
            warnings.filterwarnings("ignore", "Consolidated metadata", UserWarning)
            zarr.consolidate_metadata(str(draft))


def _write_array(zarr: Any, group: Any, name: str, one: Variable) -> None:
    values, shape, dtype = one.values, one.values.shape, one.values.dtype
    chunks = chunk_shape(shape, dtype.itemsize) if math.prod(shape) else (1,) * len(shape)
    array = group.create_array(
        name,
        shape=shape,
        dtype=str if dtype.kind == "U" else dtype,
        chunks=chunks,
        # The checksum tells damaged data from others.
        compressors=[zarr.codecs.ZstdCodec(level=LEVEL, checksum=True)],
        dimension_names=one.axes,
        attributes=dict(one.attributes),
        # A chunk of zeros that is not written could not be told from one that was lost.
        config={"write_empty_chunks": True},
    )
    if isinstance(values, np.ndarray):
        array[...] = values
    else:
        slabs.copy(values, array, chunks[0])


@contextmanager
def opened(path: Path) -> Iterator[_Group]:
    """Open a group for reading.

    Parameters
    ----------
    path : Path
        Its folder.

    Yields
    ------
    Stored

    Raises
    ------
    CalabFormatError
        If it is no group, or damaged.
    ImportError
        If zarr is not installed.
    """
    needs("zarr", EXTRA, "reading zarr stores")
    if not (path / DOCUMENT).is_file():
        remedy = "name the folder that was saved"
        raise CalabFormatError(path, f"expected a zarr group, with a {DOCUMENT}", remedy)
    yield _Group(path)


class _Group:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.attributes: Mapping[str, Any] = _described(path).get("attributes", {})

    def names(self) -> list[str]:
        return [
            n for n in zarr_documents.names_in(self.path) if zarr_documents.is_array(self.path, n)
        ]

    def head(self, name: str) -> Head:
        with unreadable(self.path / name):
            described = _described(self.path / name)
            shape = tuple(map(int, described["shape"]))
            kind = str(described["attributes"][TYPE])
        return Head(zarr_documents.dimensions(self.path, name) or (), shape, kind)

    def values(self, name: str) -> NDArray[Any]:
        with unreadable(self.path / name):
            is_text = _described(self.path / name)["data_type"] == TEXT
        array = self._text(name) if is_text else zarr_store.open_array(self.path, name, EXTRA)
        if array.nchunks_initialized != array.nchunks:
            problem = f"expected {array.nchunks} chunks, got {array.nchunks_initialized}"
            remedy = "the store is not complete: copy it again"
            raise CalabFormatError(self.path, problem, remedy, key=name)
        values = zarr_store.values_of(array)
        return np.array(values.tolist(), dtype=np.str_) if is_text else values

    def _text(self, name: str) -> Any:
        zarr = needs("zarr", EXTRA, "reading zarr stores")
        with unreadable(self.path / name):
            array = zarr.open_array(str(self.path / name), mode="r", zarr_format=3)
        codecs = [codec["name"] for codec in array.metadata.to_dict()["codecs"]]
        if codecs != TEXT_CODECS:
            problem = f"expected text stored by {TEXT_CODECS}, got {codecs}"
            raise CalabFormatError(self.path, problem, "save it again from calab", key=name)
        return array


def _described(folder: Path) -> dict[str, Any]:
    with unreadable(folder):
        return read_json_object(folder / DOCUMENT)
