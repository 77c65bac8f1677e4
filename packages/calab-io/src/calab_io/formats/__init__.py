"""One module per format.

Each has `recognises(path)`, which looks at the layout and may raise what `read` would of a damaged
file; `read(path, request)`, which returns `Contents`; and `OPTIONS`, those of the request's fields
that only some formats know (`key`, `transpose`, `plane`, `skip_rows`) and this one does.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from ..errors import CalabFormatError, not_there
from ..recording import Contents, Request

__all__ = ["FORMATS", "Reader", "locate"]

#: Formats of tools, which are known by their layout and looked for in folders.
LAYOUTS = ("suite2p", "minian", "caiman", "nwb", "cnmfe", "extract", "inscopix")
#: Formats of arrays, which are known by their suffix, or by what says that a folder is zarr.
ARRAYS = ("npy", "npz", "csv", "parquet", "matlab", "hdf5", "zarr")
FORMATS = LAYOUTS + ARRAYS
#: What to do with files that only the tool itself reads, and with movies.
MOVIE = "a movie has no traces yet: extract cells from it first, with CaImAn, Minian or suite2p"
EXPORTS = {
    ".isxd": "export its traces as CSV from Inscopix's software, and read that",
    **dict.fromkeys((".tif", ".tiff", ".avi", ".mp4", ".sbx", ".mmap"), MOVIE),
}
#: Entries of a folder that are looked at in search of a recording.
MOST_ENTRIES = 1000


class Reader(Protocol):
    """What a format's module has."""

    OPTIONS: Collection[str]

    def recognises(self, path: Path) -> bool:
        """Tell whether something has the format's layout."""

    def read(self, path: Path, request: Request) -> Contents:
        """Read it."""


def locate(path: Path, format: str) -> tuple[str, Reader, Path]:
    """Find the recording at a path, and the module that reads it.

    Parameters
    ----------
    path : Path
        A file or folder.
    format : str
        One of `FORMATS`, or ``"auto"``.

    Returns
    -------
    format : str
        One of `FORMATS`.
    reader : Reader
        Its module.
    path : Path
        The path itself, or the one recording in the folder.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    CalabFormatError
        If no format, or more than one recording, is found, or the path is an address.
    """
    if not path.exists():
        raise not_there(path)
    names = FORMATS if format == "auto" else (format,)
    name = _format_of(path, names)
    if name is not None:
        return name, _reader(name), path
    if path.is_dir():
        name, inside = _search(path, [name for name in names if name in LAYOUTS])
        return name, _reader(name), inside
    if format != "auto":
        # Its own error says best what the file lacks.
        return format, _reader(format), path
    remedy = EXPORTS.get(path.suffix.lower(), f"known are {', '.join(FORMATS)}; name one as format")
    raise CalabFormatError(path, "not a format that is known", remedy)


def _reader(name: str) -> Reader:
    return cast(Reader, import_module(f".{name}", __package__))


def _format_of(path: Path, names: Collection[str]) -> str | None:
    return next((name for name in names if _reader(name).recognises(path)), None)


def _search(folder: Path, names: Collection[str]) -> tuple[str, Path]:
    """Find the one recording that lies in a folder."""
    found: list[tuple[str, Path]] = []
    refused: list[CalabFormatError] = []
    for entry in sorted(folder.iterdir())[:MOST_ENTRIES]:
        try:
            name = _format_of(entry, names)
        except CalabFormatError as err:
            refused.append(err)
            continue
        if name is not None:
            found.append((name, entry))
    if len(found) > 1:
        listed = ", ".join(f"{entry.name} ({name})" for name, entry in found[:5])
        problem = f"{len(found)} recordings: {listed}{', ...' * (len(found) > 5)}"
        raise CalabFormatError(folder, problem, "name one of them")
    if found:
        return found[0]
    if refused:
        raise refused[0]
    problem = "no recording is in this folder, as far as its layout tells"
    looked = f"looked for {', '.join(names) or 'files'}, in the folder itself and what lies"
    remedy = f"{looked} directly in it, no deeper; name a file or the folder that has it"
    raise CalabFormatError(folder, problem, remedy)
