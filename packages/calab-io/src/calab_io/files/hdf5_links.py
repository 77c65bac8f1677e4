"""Links in HDF5 files: those within a file are followed, those to other files are not.

What a link to another file names is the author's disk, not the reader's.
"""

from __future__ import annotations

from typing import Any

from ..errors import CalabFormatError, needs

__all__ = ["ELSEWHERE", "children", "encoded", "follow", "is_elsewhere", "resolve"]

#: What to do about data that are not in the file itself.
ELSEWHERE = "save it from the tool that wrote it with its data in one file"
#: Links to links that are followed.
MOST_HOPS = 16


def resolve(file: Any, key: str) -> str | None:
    """Follow a path, and the links on it, to where something stands.

    Parameters
    ----------
    file : h5py.File
        The file.
    key : str
        Path from the root.

    Returns
    -------
    str or None
        Its path without links; None where there is nothing.

    Raises
    ------
    CalabFormatError
        If the path leads into another file, or in circles.
    """
    found = follow(file, key)
    return None if found is None else found[0]


def follow(file: Any, key: str) -> tuple[str, Any] | None:
    """Follow a path as `resolve` does; return with the path what stands there."""
    h5l = needs("h5py", "hdf5", "reading HDF5").h5l
    todo, done, hops, item = key.split("/"), [], 0, file
    while todo:
        name = todo.pop(0)
        if name in ("", "."):
            continue
        if not hasattr(item, "keys") or not item.id.links.exists(encoded(name)):
            return None
        links = item.id.links
        kind = links.get_info(encoded(name)).type
        if kind == h5l.TYPE_HARD:
            done.append(name)
            item = item[name]
            continue
        hops += 1
        if kind != h5l.TYPE_SOFT or hops > MOST_HOPS:
            what = "in circles" if kind == h5l.TYPE_SOFT else "to another file, which is not read"
            raise CalabFormatError(file.filename, f"is a link {what}", ELSEWHERE, key=key)
        target = links.get_val(encoded(name)).decode(errors="surrogateescape")
        if target.startswith("/"):
            item, done = file, []
        todo = target.split("/") + todo
    return "/".join(done), item


def children(group: Any) -> tuple[list[str], list[str]]:
    """List what stands in a group, and what is a link to another file.

    Soft links are neither: what they lead to is found where it stands.

    Parameters
    ----------
    group : h5py.Group
        The group.

    Returns
    -------
    inside, outside : list of str
        Names, in order.
    """
    h5l = needs("h5py", "hdf5", "reading HDF5").h5l
    kinds = {name: group.id.links.get_info(encoded(name)).type for name in sorted(group)}
    inside = [name for name, kind in kinds.items() if kind == h5l.TYPE_HARD]
    return inside, [name for name, kind in kinds.items() if kind == h5l.TYPE_EXTERNAL]


def is_elsewhere(item: Any) -> bool:
    """Tell whether the content of a data set stands in other files."""
    return bool(item.is_virtual or item.external)


def encoded(name: str) -> bytes:
    """Return the bytes of a name, also of one that is no text."""
    return name.encode(errors="surrogateescape")
