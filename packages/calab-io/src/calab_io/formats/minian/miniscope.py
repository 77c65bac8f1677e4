"""When the UCLA Miniscope took its frames, from the table that its software saves beside them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import CalabFormatError, MissingKeyError
from ...files.tables import read_heading, read_table
from ...timestamps import rate_of

__all__ = ["Timing", "find_times"]

#: Tables of the Miniscope's software, versions 4 and 3, and what stands between two fields.
TABLES = {"timeStamps.csv": ",", "timestamp.dat": "\t"}
#: Columns of milliseconds.
CLOCKS = ("Time Stamp (ms)", "sysClock")
#: Column of the camera, where there may be several.
CAMERA = "camNum"
MS_PER_S = 1000
#: Folders above a recording where the table is looked for.
MOST_ABOVE = 2
#: Cameras that a note lists at most.
MOST_LISTED = 5
#: What `rate_of` says of time stamps that mean no rate.
GIVE_FS = "give fs in Hz"


@dataclass(frozen=True, eq=False)
class Timing:
    """When frames were taken.

    Attributes
    ----------
    source : Path or None
        The table, None where none was found that fits.
    times : numpy.ndarray, shape (n_frames,), float64, or None
        In seconds.
    fs : float or None
        Their rate in hertz.
    notes : tuple of str
        On gaps in the table, or on tables that do not fit.
    remedy : str
        What to do where no rate was found.
    """

    source: Path | None = None
    times: NDArray[np.float64] | None = None
    fs: float | None = None
    notes: tuple[str, ...] = ()
    remedy: str = f"{GIVE_FS}, or put timeStamps.csv of the Miniscope beside it"


def find_times(path: Path, n_frames: int, frames: NDArray[np.int64] | None) -> Timing:
    """Look for the table of time stamps in a folder, its parent and that one's parent.

    Parameters
    ----------
    path : Path
        The folder, or a file.
    n_frames : int
        Frames that there are.
    frames : numpy.ndarray, shape (n_frames,), int64, or None
        Which of the movie's frames they are, counted from 0.

    Returns
    -------
    Timing
        Of the first table that fits.
    """
    refused = []
    # Without following links: what lies beside a link is the recording's.
    here = Path(os.path.abspath(path))
    for folder in (here, *here.parents[:MOST_ABOVE]):
        for table in (folder / name for name in TABLES):
            if not table.is_file():
                continue
            try:
                return _timing(table, n_frames, frames)
            except CalabFormatError as err:
                refused.append(str(err).removesuffix(f"; {GIVE_FS}"))
    if not refused:
        return Timing()
    notes = tuple(f"{said}: it is ignored" for said in refused)
    return Timing(notes=notes, remedy=f"{GIVE_FS} ({'; '.join(refused)})")


def _timing(table: Path, n_frames: int, frames: NDArray[np.int64] | None) -> Timing:
    column, clocks = _read(table)
    clock, notes = _mended(_fitting(table, clocks, n_frames, frames), table, column)
    times, fs, more = rate_of(clock / MS_PER_S, table, column)
    return Timing(table, times, fs, (*notes, *more))


def _read(table: Path) -> tuple[str, list[NDArray[np.float64]]]:
    """Read the name of the column of milliseconds, and that column for each camera."""
    delimiter = TABLES[table.name]
    heading = read_heading(table, None, delimiter)
    names = [name.strip() for name in heading.names or ()]
    column = next((name for name in CLOCKS if name in names), None)
    if column is None:
        raise MissingKeyError(table, CLOCKS[0], names)
    values = read_table(table, skip_rows=heading.lines, delimiter=delimiter)
    if values.shape[1] < len(names):
        problem = f"expected {len(names)} columns as in its first line, got {values.shape[1]}"
        raise CalabFormatError(table, problem)
    clock = values[:, names.index(column)]
    if CAMERA not in names:
        return column, [clock]
    cameras = values[:, names.index(CAMERA)]
    return column, [clock[cameras == camera] for camera in np.unique(cameras)]


def _fitting(
    table: Path,
    clocks: list[NDArray[np.float64]],
    n_frames: int,
    frames: NDArray[np.int64] | None,
) -> NDArray[np.float64]:
    """Choose the camera that has the frames, and the rows of these."""
    fitting = [clock for clock in clocks if clock.size == n_frames]
    if not fitting and frames is not None and _is_part(frames):
        fitting = [clock[frames] for clock in clocks if frames[-1] < clock.size]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        problem = f"expected one camera with {n_frames} frames, got {len(fitting)}"
    else:
        sizes = " and ".join(str(clock.size) for clock in clocks[:MOST_LISTED])
        problem = f"expected a row for each of {n_frames} frames, got {sizes}"
    raise CalabFormatError(table, problem)


def _is_part(frames: NDArray[np.int64]) -> bool:
    """Tell whether frames are some of a movie's.

    Those counted from 0 on say nothing: they may as well be all of a movie to which the table does
    not belong.
    """
    ascend = frames.size > 0 and frames[0] >= 0 and bool((np.diff(frames) > 0).all())
    return ascend and int(frames[-1]) >= frames.size


def _mended(
    clock: NDArray[np.float64], table: Path, column: str
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Put a first time stamp that is out of order a step before the second."""
    if clock.size < 3:
        return clock, ()
    first, *others = np.diff(clock)
    if first > 0:
        return clock, ()
    mended = np.concatenate([[clock[1] - np.median(others)], clock[1:]])
    note = f"{table}, {column}: the first time stamp, {clock[0]:g} ms, is out of order"
    return mended, (f"{note} and is taken to be {mended[0]:g} ms",)
