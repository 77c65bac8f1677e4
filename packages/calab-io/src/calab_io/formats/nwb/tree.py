"""The tree of an NWB file, walked without leaving the file and without walking in circles.

Links in an NWB file are ordinary: series that share their cells or their time stamps link to them.
A link to another file is not followed, since what it names is the author's disk, not the reader's.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from ...errors import CalabFormatError, needs
from ...files.hdf5_links import children, is_elsewhere, resolve

__all__ = ["EXTRA", "attribute", "groups", "text_of", "words"]

EXTRA = "nwb"
#: Where series stand that belong to the recording.
TOPS = ("processing", "acquisition")
#: Groups that are looked at; files of several sessions have some hundreds.
MOST_GROUPS = 10_000
#: Groups within groups; series stand at depth 4.
MOST_DEPTH = 12
#: Bytes of an attribute, and strings of a text, that are read.
MOST_TEXT = 1 << 16
#: Texts in which a tool may be named.
TEXTS = (
    "session_description",
    "identifier",
    "general/data_collection",
    "general/experiment_description",
    "general/keywords",
    "general/notes",
    "general/source_script",
    "general/was_generated_by",
)


def attribute(item: Any, name: str) -> Any:
    """Return the one value of an attribute, strings as str; None where there is no such thing."""
    if name not in item.attrs:
        return None
    known = item.attrs.get_id(name)
    if known.shape not in ((), (1,)) or not _is_plain(known):
        return None
    if known.get_storage_size() > MOST_TEXT:
        return None
    value = item.attrs[name]
    return _decoded(value[0] if isinstance(value, np.ndarray) else value)


def groups(file: Any) -> tuple[dict[str, str], list[str]]:
    """Find what has a type, other than data sets, among what was acquired and what was computed.

    Parameters
    ----------
    file : h5py.File
        The file.

    Returns
    -------
    types : dict of str to str
        Neurodata type of each group by its path.
    elsewhere : list of str
        Paths that are links to other files.

    Raises
    ------
    CalabFormatError
        If there are too many groups to look at.
    """
    h5o = needs("h5py", EXTRA, "reading NWB").h5o
    types: dict[str, str] = {}
    elsewhere: list[str] = []
    seen: set[int] = set()
    todo = deque((where, file[where]) for top in TOPS if (where := resolve(file, top)))
    while todo:
        key, item = todo.popleft()
        address = h5o.get_info(item.id).addr
        if not hasattr(item, "keys") or address in seen:
            continue
        seen.add(address)
        if len(seen) > MOST_GROUPS:
            problem = f"expected a recording, got more than {MOST_GROUPS} groups"
            raise CalabFormatError(file.filename, problem, "the file may be damaged")
        if isinstance(kind := attribute(item, "neurodata_type"), str):
            types[key] = kind
        if key.count("/") < MOST_DEPTH:
            inside, outside = children(item)
            todo.extend((f"{key}/{name}", item[name]) for name in inside)
            elsewhere += [f"{key}/{name}" for name in outside]
    return types, elsewhere


def words(file: Any, keys: list[str]) -> str:
    """Return what a file says of itself, in lower case.

    Parameters
    ----------
    file : h5py.File
        The file.
    keys : list of str
        Groups whose descriptions count, with those of the groups around them.

    Returns
    -------
    str
    """
    around = {key.rsplit("/", up)[0] for key in keys for up in range(1, key.count("/") + 1)}
    said = [attribute(file[key], "description") for key in sorted({*keys, *around})]
    said += [attribute(file[key], "comments") for key in keys]
    said += [text_of(file, key) for key in TEXTS]
    return "\n".join(one for one in said if isinstance(one, str)).lower()


def text_of(file: Any, key: str) -> str | None:
    """Return the text at a key, with a script's name that is given with it.

    None where there is none, or a link leads elsewhere: no text is needed.
    """
    try:
        where = resolve(file, key)
    except CalabFormatError:
        return None
    item: Any = file[where] if where else None
    if getattr(item, "shape", None) is None or not _is_plain(item.id):
        return None
    if item.nbytes > MOST_TEXT or is_elsewhere(item):
        return None
    values = [*np.asarray(item[()], dtype=np.object_).ravel(), attribute(item, "file_name")]
    return "\n".join(one for one in map(_decoded, values) if isinstance(one, str)) or None


def _is_plain(known: Any) -> bool:
    """Tell whether an attribute or data set has texts, numbers or references.

    Reading the sequences that a damaged type makes of texts ends the interpreter.
    """
    h5t = needs("h5py", EXTRA, "reading NWB").h5t
    return known.get_type().get_class() in {h5t.STRING, h5t.INTEGER, h5t.FLOAT, h5t.REFERENCE}


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
