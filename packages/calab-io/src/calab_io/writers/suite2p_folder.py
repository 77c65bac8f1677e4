"""Which folder of suite2p's a result belongs to."""

from __future__ import annotations

import os
from pathlib import Path

from ..documents import as_path
from ..errors import MissingKeyError
from ..formats.suite2p.folder import TRACES
from ..formats.suite2p.reader import COMBINED, PLANE
from ..recording import Recording

__all__ = ["folder_of"]


def folder_of(folder: str | os.PathLike[str] | None, recording: Recording | None) -> Path:
    """Find the folder with the traces of a result.

    Parameters
    ----------
    folder : str, PathLike or None
        What the user names: the folder of a plane, or of all if there is one.
    recording : Recording or None
        What the result was made from, which says the rest.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If none is named, or the one that is has several planes.
    MissingKeyError
        If there are no traces.
    """
    place = _named(folder, recording)
    if _has_traces(place):
        return place
    planes = sorted(entry.name for entry in _entries(place) if PLANE.fullmatch(entry.name))
    planes = [plane for plane in planes if _has_traces(place / plane)]
    read = _read(recording)
    if len(read) == 1 and _has_traces(place / read[0]):
        return place / read[0]
    if len(planes) > 1:
        raise ValueError(
            f"folder: expected the folder of one plane, got {place} with {', '.join(planes)}; call "
            f"it for each of them, as in folder={str(place / planes[0])!r}"
        )
    if not planes:
        present = [entry.name for entry in _entries(place)]
        raise MissingKeyError(place, TRACES, present, f"name the folder of a plane, or {COMBINED}")
    return place / planes[0]


def _named(folder: str | os.PathLike[str] | None, recording: Recording | None) -> Path:
    if folder is not None:
        return as_path(folder)
    if recording is None or recording.format != "suite2p":
        raise ValueError(
            "folder: expected the folder of a plane where recording= is none of suite2p, got None"
        )
    # What was read may be the file of the traces.
    return recording.source if recording.source.is_dir() else recording.source.parent


def _read(recording: Recording | None) -> list[str]:
    """Name the folders that were read."""
    if recording is None or recording.format != "suite2p":
        return []
    return [plane["folder"] for plane in recording.provenance["planes"]]


def _entries(place: Path) -> list[Path]:
    return list(place.iterdir()) if place.is_dir() else []


def _has_traces(folder: Path) -> bool:
    return (folder / TRACES).is_file()
