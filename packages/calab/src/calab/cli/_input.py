"""Reading what the user names on the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ._errors import BadInput, as_typed, complain, user_input

if TYPE_CHECKING:
    import numpy as np
    from calab_io.clock import Clock
    from calab_io.recording import Traces
    from numpy.typing import NDArray

__all__ = ["FLAGS", "Input", "Reading", "read_recording"]

#: Option by the argument of `calab.read` that it sets.
FLAGS = {
    "fs": "--fs",
    "format": "--format",
    "trace": "--trace",
    "cells": "--cells",
    "key": "--key",
    "plane": "--plane",
    "transpose": "--transpose",
    "skip_rows": "--skip-rows",
}


@dataclass(frozen=True)
class Reading:
    """How a recording is read; what is None is left to the format.

    Attributes
    ----------
    format, trace, cells, fs, key, plane, transpose, skip_rows
        As for `calab.read`; `transpose` and `skip_rows` are those of the options, whose defaults
        say nothing.
    """

    format: str = "auto"
    trace: str = "auto"
    cells: str = "accepted"
    fs: float | None = None
    key: str | None = None
    plane: int | None = None
    transpose: bool = False
    skip_rows: int = 0


class Input(NamedTuple):
    """Traces and what is known of them; an array alone does not say its rate.

    Attributes
    ----------
    traces : numpy.ndarray or LazyTraces, shape (n_cells, n_frames)
        In their file, where the format allows.
    fs : float or None
        None where neither the user nor the source says it.
    cell_ids : numpy.ndarray, shape (n_cells,)
        How the source names them.
    timestamps : numpy.ndarray, shape (n_frames,), or None
        When each frame was taken, in seconds, where the source says so.
    metadata : dict
        What the source says else.
    """

    traces: Traces
    fs: float | None
    cell_ids: NDArray[Any]
    timestamps: NDArray[np.float64] | None
    metadata: dict[str, Any]

    def rate(self) -> float:
        """Return the rate, or ask for it.

        Returns
        -------
        float

        Raises
        ------
        BadInput
            If it is not known.
        """
        if self.fs is None:
            raise BadInput("give the sampling rate with --fs HZ")
        return self.fs

    def clock(self) -> Clock:
        """Tell when the frames were taken.

        Returns
        -------
        Clock
            From the time stamps, else from the start that the source says, else from 0.

        Raises
        ------
        BadInput
            If the rate is not known.
        """
        from calab_io.clock import said_clock

        return said_clock(self.rate(), self.timestamps, self.metadata)


def read_recording(file: Path, reading: Reading) -> Input:
    """Read a recording, whatever tool wrote it.

    Parameters
    ----------
    file : Path
        A file or folder.
    reading : Reading
        What the user said of it.

    Returns
    -------
    Input

    Raises
    ------
    BadInput
        If it cannot be read.
    """
    with user_input(FLAGS):
        from calab_io.read import cell_ids, look, requested, selected

        options = asdict(reading)
        named = None if reading.cells in ("accepted", "all") else reading.cells.split(",")
        options["cells"] = reading.cells if named is None else "all"
        format = options.pop("format")
        options["transpose"] = reading.transpose or None
        options["skip_rows"] = reading.skip_rows or None
        contents, name, found = look(file, format, requested(**options))
        if named is not None:
            contents = selected(contents, _as_ids(named, cell_ids(contents)), found)
    for note in contents.notes:
        complain(f"warning: {as_typed(note, FLAGS)}")
    told = {"format": name, "trace": contents.trace, "why": contents.why}
    metadata = {**contents.provenance, **told}
    ids = cell_ids(contents)
    return Input(contents.traces, contents.fs, ids, contents.timestamps, metadata)


def _as_ids(named: list[str], ids: NDArray[Any]) -> list[int] | list[str]:
    """Turn the names of cells into what the source has: whole numbers or text."""
    if ids.dtype.kind == "U":
        return [name.strip() for name in named]
    try:
        return [int(name) for name in named]
    except ValueError:
        given = ",".join(named)
        raise ValueError(
            f"cells: expected accepted, all, or whole numbers as 3,5,8, got {given!r}"
        ) from None
