"""Results of suite2p, versions 0.x and 1.x: a folder per imaging plane, and one of them all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalabFormatError, MissingKeyError
from ...lazy import LazyTraces
from ...recording import Contents, Request
from .folder import TRACES, Folder, read_folder, traces_shape
from .settings import Settings, read_settings

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS = frozenset({"plane"})
#: Of these there is at least one beside the traces.
BESIDE = ("Fneu.npy", "iscell.npy", "stat.npy")
PLANE = re.compile(r"plane([0-9]{1,9})")
COMBINED = "combined"
#: Frames by which planes may differ, since a recording may end within a volume.
MOST_UNEVEN = 2


def recognises(path: Path) -> bool:
    """Tell whether a folder, or the file of traces in one, has the layout."""
    if path.is_dir():
        return any(map(_is_output, (path, path / COMBINED, *_planes(path).values())))
    return path.name == TRACES and _is_output(path.parent)


def read(path: Path, request: Request) -> Contents:
    """Read traces of the ROIs that are cells.

    Parameters
    ----------
    path : Path
        The folder of all planes or of one, or the file of traces in that.
    request : Request
        Kind of trace, which cells, and which plane.

    Returns
    -------
    Contents
        With `F - coefficient * Fneu`, the coefficient being that of the settings, unless another
        trace is asked for. Where there are several planes and none is asked for, of `combined`;
        without that, of all of them, with ids such as `plane0_12`.

    Raises
    ------
    MissingKeyError
        If the trace or the plane is not there.
    CalabFormatError
        If the files are damaged or do not belong together.
    """
    kind = "raw" if request.trace == "auto" else request.trace
    chosen, others = _choose(path, request.plane)
    # Nothing else says how fast `combined` was recorded where it has no settings of its own.
    settings = [read_settings((folder, *others)) for folder in chosen]
    folders = [
        read_folder(folder, kind, request.cells, known)
        for folder, known in zip(chosen, settings, strict=True)
    ]
    n_frames, cut = _common_frames(path, folders, others)
    fs, remedy = _rate(settings)
    load = _Rows(folders, n_frames)
    return Contents(
        traces=LazyTraces((load.rows.size, n_frames), load.dtype, load),
        trace=kind,
        why="; ".join(dict.fromkeys(folder.why for folder in folders)),
        fs=fs,
        fs_remedy=remedy,
        cell_ids=_ids(folders),
        cells=_cells(folders),
        provenance=_provenance(folders, settings),
        notes=(
            *(note for known in settings for note in known.notes),
            *(note for folder in folders for note in folder.notes),
            *cut,
            *_left_out(path, chosen, request.plane),
        ),
    )


def _is_output(folder: Path) -> bool:
    return _has_traces(folder) and any((folder / name).is_file() for name in BESIDE)


def _has_traces(folder: Path) -> bool:
    return (folder / TRACES).is_file()


def _planes(folder: Path) -> dict[int, Path]:
    """Return the planes that have traces; one without ROIs has none."""
    numbered = ((_number(entry), entry) for entry in folder.iterdir() if _has_traces(entry))
    return dict(sorted((number, entry) for number, entry in numbered if number is not None))


def _choose(path: Path, plane: int | None) -> tuple[list[Path], list[Path]]:
    """Choose folders to read; the second list is the planes that the only one of them combines."""
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and path.name != TRACES:
        raise CalabFormatError(path, f"expected a folder or {TRACES}", "name the folder")
    planes = _planes(folder)
    is_one = not planes and not _has_traces(folder / COMBINED)
    if is_one and plane is not None and _number(folder) != plane:
        problem = f"expected the folder plane{plane}, got {folder.name}"
        raise CalabFormatError(path, problem, "leave plane out, or name the folder of all planes")
    if is_one:
        combines = folder.name == COMBINED
        return [folder], list(_planes(folder.parent).values()) if combines else []
    if plane is None and _has_traces(folder / COMBINED):
        return [folder / COMBINED], list(planes.values())
    if plane is not None and plane not in planes:
        present = [entry.name for entry in planes.values()]
        raise MissingKeyError(path, f"plane{plane}", present, "give another plane, or none")
    return list(planes.values()) if plane is None else [planes[plane]], []


def _number(folder: Path) -> int | None:
    match = PLANE.fullmatch(folder.name)
    return int(match[1]) if match else None


def _common_frames(path: Path, folders: list[Folder], others: list[Path]) -> tuple[int, list[str]]:
    """Return the frames that all planes have; `combined` fills up the shorter ones with zeros."""
    counts = [folder.shape[1] for folder in folders]
    counts += [traces_shape(plane)[1] for plane in others]
    shortest, longest = min(counts), max(counts)
    if longest - shortest > MOST_UNEVEN:
        problem = f"expected planes with as many frames, got {shortest} to {longest}"
        raise CalabFormatError(path, problem, "give plane to read one of them")
    if longest == shortest:
        return shortest, []
    return shortest, [f"{path}: planes have up to {longest} frames: all end after {shortest}"]


def _rate(settings: list[Settings]) -> tuple[float | None, str]:
    """Return the rate that all planes have, and what to do if there is none."""
    rates = {known.fs for known in settings}
    if len(rates) > 1:
        return None, "planes differ in it: give fs in Hz, or plane to read one of them"
    said = [note for known in settings for note in known.notes]
    return rates.pop(), f"give fs in Hz ({said[0]})" if said else "give fs in Hz"


def _left_out(path: Path, chosen: list[Path], plane: int | None) -> list[str]:
    """Say which planes have no traces, where all were to be read."""
    if plane is not None or chosen[0].parent != path or chosen[0].name == COMBINED:
        return []
    found = sorted(entry.name for entry in path.iterdir() if _is_without(entry))
    return [f"{path}: no {TRACES} in {', '.join(found)}: left out"] if found else []


def _is_without(entry: Path) -> bool:
    return _number(entry) is not None and entry.is_dir() and not _has_traces(entry)


def _ids(folders: list[Folder]) -> NDArray[Any]:
    if len(folders) == 1:
        return folders[0].rows
    return np.array([f"{folder.path.name}_{row}" for folder in folders for row in folder.rows])


def _cells(folders: list[Folder]) -> dict[str, NDArray[Any]]:
    """Join what all folders know of their cells."""
    names = [name for name in folders[0].cells if all(name in each.cells for each in folders)]
    return {name: np.concatenate([each.cells[name] for each in folders]) for name in names}


def _provenance(folders: list[Folder], settings: list[Settings]) -> dict[str, Any]:
    return {
        "software": "suite2p",
        "version": settings[0].version,
        "planes": [
            {
                "folder": folder.path.name,
                "files": folder.files,
                "rois": folder.shape[0],
                "neuropil_coefficient": folder.coefficient,
                "tau_s": known.tau,
                "bad_frames": known.bad_frames,
            }
            for folder, known in zip(folders, settings, strict=True)
        ],
    }


class _Rows:
    """Rows of one folder after another."""

    def __init__(self, folders: list[Folder], n_frames: int) -> None:
        self.folders, self.n_frames = folders, n_frames
        self.rows = np.concatenate([folder.rows for folder in folders])
        self.dtype = np.result_type(*(folder.dtype for folder in folders))
        self.folder_of = np.repeat(range(len(folders)), [folder.rows.size for folder in folders])

    def __call__(self, which: NDArray[np.intp]) -> NDArray[Any]:
        rows, folder_of = self.rows[which], self.folder_of[which]
        if len(self.folders) == 1:
            return self.folders[0].load(rows, self.n_frames)
        traces = np.empty((which.size, self.n_frames), dtype=self.dtype)
        for number in np.unique(folder_of):
            here = folder_of == number
            traces[here] = self.folders[number].load(rows[here], self.n_frames)
        return traces
