"""What Minian says of a session as a whole, beside an array: texts such as `animal`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ..documents import read_json_object
from ..errors import needs, unreadable
from ..files import hdf5, zarr_documents, zarr_store

__all__ = ["LABELS", "label_of"]

#: Names of the texts.
LABELS = ("animal", "session")
EXTRA = "minian"
#: Characters of a text that is believed.
LONGEST = 1000
#: Codecs of version 3 that lay out text.
LAYOUTS = {"bytes", "vlen-utf8"}


def label_of(store: Path, name: str) -> str | None:
    """Read a text that holds for all of a store.

    Parameters
    ----------
    store : Path
        Folder of a zarr group, or a NetCDF file.
    name : str
        Of the text, one of `LABELS`.

    Returns
    -------
    str or None
        None if there is none, or nothing that is sure to be plain text.

    Raises
    ------
    CalabFormatError
        If it is damaged.
    """
    if store.is_file():
        with hdf5.open_hdf5(store, EXTRA) as file:
            return hdf5.text(file, name)
    if not (store.is_dir() and zarr_documents.is_array(store, name)):
        return None
    folder = store / name
    with unreadable(folder):
        is_text = _is_text_3(folder) if (folder / "zarr.json").is_file() else _is_text_2(folder)
        if not is_text:
            return None
        zarr = needs("zarr", EXTRA, "reading zarr stores")
        with warnings.catch_warnings():
            # Text of fixed length is not part of the specification of version 3 yet.
            warnings.filterwarnings("ignore", category=zarr.errors.UnstableSpecificationWarning)
            array = zarr.open_array(str(folder), mode="r")
            return str(zarr_store.values_of(array)[()])


def _is_text_2(folder: Path) -> bool:
    """Tell whether it is one text that is stored as such; others may be pickled."""
    described = read_json_object(folder / ".zarray")
    kind, compressor = described["dtype"], described["compressor"]
    return (
        described["shape"] == []
        and not described["filters"]
        and isinstance(kind, str)
        and kind[1:2] == "U"
        and int(kind[2:]) <= LONGEST
        and (compressor is None or compressor["id"] in zarr_store.COMPRESSIONS)
    )


def _is_text_3(folder: Path) -> bool:
    described = read_json_object(folder / "zarr.json")
    kind = described["data_type"]
    return described["shape"] == [] and _is_text_type(kind) and _are_trusted(described["codecs"])


def _is_text_type(kind: Any) -> bool:
    if kind == "string":
        return True
    is_fixed = isinstance(kind, dict) and kind["name"] == "fixed_length_utf32"
    return is_fixed and int(kind["configuration"]["length_bytes"]) <= 4 * LONGEST


def _are_trusted(codecs: list[dict[str, Any]]) -> bool:
    return (LAYOUTS | zarr_store.COMPRESSIONS).issuperset(codec["name"] for codec in codecs)
