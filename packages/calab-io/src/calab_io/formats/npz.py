"""Archives of arrays saved by `numpy.savez`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import MOST_LISTED, CalabFormatError, MissingKeyError, unreadable
from ..files.columns import rate_of_frames
from ..files.hdf5 import MOST_INFLATED
from ..files.npy import Header, load_array, read_header
from ..recording import Contents, Request
from ..traces import doubtful_orientation, oriented

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS = frozenset({"key", "transpose"})
SUFFIX = ".npy"
#: Names of a number that is the sampling rate in hertz.
RATES = ("fs", "sampling_rate", "sampling_rate_hz", "frame_rate")
#: Names of an array with the time of each frame in seconds.
TIMES = ("timestamps", "time")
#: Name of an array with the id of each cell.
IDS = "cell_ids"
#: Share by which two rates in one file may differ.
SAME_RATE = 0.01


def recognises(path: Path) -> bool:
    """Tell whether a file is named as an archive of arrays."""
    return path.suffix.lower() == ".npz" and not path.is_dir()


def read(path: Path, request: Request) -> Contents:
    """Read one array, and the rate, times and ids that are beside it.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Which array, what kind of trace it is, and its orientation.

    Returns
    -------
    Contents

    Raises
    ------
    MissingKeyError
        If there is no such array.
    CalabFormatError
        If the file is damaged, or does not tell which array or which way round the traces are.
    """
    turn = bool(request.transpose)
    with _open(path) as archive:
        key = _choose(archive, request.key)
        traces = oriented(archive.load(key), path, turn, key)
        _check_orientation(archive, key, traces.shape)
        times, fs, notes = _clock(archive, traces.shape[1], request.fs)
        ids = _ids(archive, traces.shape[0])
    doubt = doubtful_orientation(traces.shape, path, turn)
    return Contents(
        traces=traces,
        trace="raw" if request.trace == "auto" else request.trace,
        why=f"the array {key}, {'as asked' if request.key else 'the only one with two axes'}",
        fs=fs,
        fs_remedy=f"give fs in Hz, or save it beside the traces as {RATES[0]}",
        cell_ids=ids,
        timestamps=times,
        provenance={"keys": [key]},
        notes=notes if doubt is None else (doubt, *notes),
    )


class _Archive:
    """Arrays of an archive, of which only the headers are read before they are asked for."""

    def __init__(self, path: Path, file: ZipFile) -> None:
        self.path, self.file = path, file
        self.headers: dict[str, Header] = {}
        for info in file.infolist():
            if info.filename.endswith(SUFFIX):
                with file.open(info) as member:
                    self.headers[info.filename.removesuffix(SUFFIX)] = read_header(member)

    def has(self, name: str, *shapes: tuple[int, ...]) -> bool:
        """Tell whether there is an array of one of these shapes."""
        return name in self.headers and self.headers[name].shape in shapes

    def load(self, name: str) -> NDArray[Any]:
        """Load an array that has been found."""
        info = self.file.getinfo(name + SUFFIX)
        # What the archive itself says of its sizes may be damaged too.
        stored = min(info.compress_size, self.path.stat().st_size)
        try:
            with self.file.open(info) as member:
                return load_array(member, MOST_INFLATED * stored)
        except Exception as err:  # damaged archives raise nearly anything
            problem = f"expected a complete array of numbers: {' '.join(str(err).split())}"
            raise CalabFormatError(self.path, problem[:300], key=name) from err


@contextmanager
def _open(path: Path) -> Iterator[_Archive]:
    with unreadable(path), ZipFile(path) as file:
        yield _Archive(path, file)


def _choose(archive: _Archive, key: str | None) -> str:
    """Name the array that was asked for, or the only one that can be traces."""
    path, headers = archive.path, archive.headers
    if key is not None:
        if key not in headers:
            raise MissingKeyError(path, key, headers, "key names one of them")
        return key
    others = {*RATES, *TIMES, IDS}
    found = [
        name
        for name, header in headers.items()
        if header.is_real and len(header.shape) == 2 and name not in others
    ]
    if len(found) == 1:
        return found[0]
    several = [f"{name} {headers[name].shape}" for name in found or headers]
    listed = ", ".join(several[:MOST_LISTED]) + ", ..." * (len(several) > MOST_LISTED)
    problem = f"expected one array of cells x frames, got {len(found)}"
    raise CalabFormatError(
        path, f"{problem} (there is {listed[:400] or 'nothing'})", "name one as key"
    )


def _check_orientation(archive: _Archive, key: str, shape: tuple[int, ...]) -> None:
    """Refuse traces which the arrays beside them say are turned the other way."""
    n_cells, n_frames = shape
    if n_cells == n_frames:
        return
    for name, wrong, of_each in ((IDS, n_frames, "cell"), *((t, n_cells, "frame") for t in TIMES)):
        # One of anything is no sign.
        if wrong > 1 and archive.has(name, (wrong,)):
            problem = f"read as {n_cells} cells x {n_frames} frames, but {name} has {wrong}"
            remedy = f"transpose has to be the other way round for one per {of_each}"
            raise CalabFormatError(archive.path, problem, remedy, key=key)


def _clock(
    archive: _Archive, n_frames: int, given: float | None
) -> tuple[NDArray[np.float64] | None, float | None, tuple[str, ...]]:
    """Find the times of the frames, and the rate."""
    path, rate = archive.path, _rate(archive)
    name = next((name for name in TIMES if archive.has(name, (n_frames,))), None)
    if name is None or not archive.headers[name].is_real:
        return None, rate, ()
    known = rate if given is None else given
    times, found, notes = rate_of_frames(archive.load(name), path, name, known)
    if rate is None or found is None:
        return times, found if rate is None else rate, notes
    if not math.isclose(found, rate, rel_tol=SAME_RATE):
        note = f"{path}: {name} means {found:g} Hz, but a rate of {rate:g} Hz is saved and used"
        notes = (*notes, note)
    return times, rate, notes


def _rate(archive: _Archive) -> float | None:
    """Find the rate that is saved as a number."""
    names = [
        name
        for name in RATES
        if archive.has(name, (), (1,), (1, 1)) and archive.headers[name].is_real
    ]
    rates = {name: float(archive.load(name).ravel()[0]) for name in names}
    values = list(rates.values())
    if any(not math.isclose(rate, values[0], rel_tol=SAME_RATE) for rate in values[1:]):
        listed = ", ".join(f"{name} {rate:g}" for name, rate in rates.items())
        raise CalabFormatError(archive.path, f"expected one sampling rate, got {listed}")
    return values[0] if values else None


def _ids(archive: _Archive, n_cells: int) -> NDArray[Any] | None:
    """Read the ids of the cells; an array of another length names something else."""
    if not archive.has(IDS, (n_cells,)):
        return None
    kind = archive.headers[IDS].dtype.kind
    if kind not in "iuU":
        problem = f"expected whole numbers or text, got {archive.headers[IDS].dtype}"
        raise CalabFormatError(archive.path, problem, "save ids as integers", key=IDS)
    ids = archive.load(IDS)
    return ids if kind == "U" else ids.astype(np.int64)
