"""A recording: traces and what has to be known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .clock import Clock, said_clock
from .lazy import LazyTraces

__all__ = ["Contents", "Recording", "Request", "Traces"]

Traces = NDArray[np.floating[Any]] | LazyTraces


@dataclass(frozen=True, eq=False)
class Recording:
    """Traces of some cells, with their rate, their names and where they come from.

    Attributes
    ----------
    traces : numpy.ndarray or LazyTraces, shape (n_cells, n_frames), float32 or float64
        In the unit of the source. NaN marks what was not recorded. `numpy.asarray` reads what is
        still in its file.
    fs : float
        Sampling rate in hertz.
    cell_ids : numpy.ndarray, shape (n_cells,), int64 or str
        How the source names the cells.
    timestamps : numpy.ndarray, shape (n_frames,), float64, or None
        When each frame was taken, in seconds, where the source says so.
    source : Path
        The file or folder.
    format : str
        One of `calab_io.FORMATS`.
    trace : str
        Kind of trace: ``"raw"``, ``"dff"``, ``"denoised"`` or ``"deconvolved"``.
    why : str
        Which trace was taken and why, in words.
    cells : mapping of str to numpy.ndarray, shape (n_cells, ...)
        What the source knows of each cell (``snr``, ``accepted``, ...).
    provenance : mapping of str to object
        What else is known of the source, as JSON can express it.
    notes : tuple of str
        What its user should know; `read` has warned of each.
    """

    traces: Traces
    fs: float
    cell_ids: NDArray[Any]
    timestamps: NDArray[np.float64] | None
    source: Path
    format: str
    trace: str
    why: str
    cells: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def origin(self) -> dict[str, Any]:
        """Return where the traces come from, as JSON can express it.

        Returns
        -------
        dict
            ``source``, ``format``, ``trace``, ``why``, ``notes`` and ``known`` (`provenance`).
        """
        return {
            "source": str(self.source),
            "format": self.format,
            "trace": self.trace,
            "why": self.why,
            "notes": list(self.notes),
            "known": dict(self.provenance),
        }

    @property
    def clock(self) -> Clock:
        """When the frames were taken: by the time stamps, else by the start that is known."""
        return said_clock(self.fs, self.timestamps, self.provenance)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.traces.shape[0])

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.traces.shape[1])


@dataclass(frozen=True)
class Request:
    """What `read` was asked for beside the path; each format takes what concerns it.

    Attributes
    ----------
    trace : str
        ``"auto"``, or the kind of trace.
    cells : str
        ``"accepted"`` or ``"all"``.
    fs : float or None
        Sampling rate in hertz from the user, who knows better.
    key : str or None
        Where in the file the traces are.
    transpose : bool or None
        Whether rows are frames, in formats that do not say.
    plane : int or None
        Imaging plane.
    skip_rows : int or None
        Header lines of a text table.
    """

    trace: str = "auto"
    cells: str = "accepted"
    fs: float | None = None
    key: str | None = None
    transpose: bool | None = None
    plane: int | None = None
    skip_rows: int | None = None


@dataclass(frozen=True, eq=False)
class Contents:
    """What a format's reader found; `read` checks it and makes the `Recording`.

    Attributes
    ----------
    traces, trace, why, cell_ids, timestamps, cells, provenance, notes
        As in `Recording`; `cell_ids` are the rows where None.
    fs : float or None
        Sampling rate in hertz, None where the source does not say.
    fs_remedy : str
        What to do where it does not.
    """

    traces: Traces
    trace: str
    why: str
    fs: float | None = None
    fs_remedy: str = "give fs in Hz"
    cell_ids: NDArray[Any] | None = None
    timestamps: NDArray[np.float64] | None = None
    cells: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
