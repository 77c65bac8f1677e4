"""One folder of suite2p's: the traces of a plane's ROIs, or of all planes', and what is beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalabFormatError, MissingKeyError, unreadable
from ...files.npy import load_array
from ...files.pickled import npy_header
from ...lazy import pieces
from .settings import Settings

__all__ = ["TRACES", "Folder", "read_folder", "traces_shape"]

TRACES, NEUROPIL, SPIKES = "F.npy", "Fneu.npy", "spks.npy"
JUDGED, RED = "iscell.npy", "redcell.npy"
#: The neuropil's coefficient where the settings do not say: suite2p's own.
USUAL_COEFFICIENT = 0.7
#: What to do where a kind of trace is not there; the raw one always is.
REMEDIES = {
    "deconvolved": "run suite2p with its spike deconvolution, or take trace='raw'",
    "dff": "suite2p saves none: give what trace='raw' reads to calab.dff",
    "denoised": "suite2p saves none: take trace='raw'",
}


@dataclass(frozen=True, eq=False)
class Folder:
    """Traces in a folder, and what it knows of them.

    Attributes
    ----------
    path : Path
        The folder.
    name : str
        File of the traces.
    coefficient : float or None
        Share of the neuropil that is subtracted; None where that is not done.
    shape : tuple of int
        ROIs and frames.
    dtype : numpy.dtype
        float32 or float64.
    rows : numpy.ndarray of int
        ROIs that were asked for.
    cells : dict of str to numpy.ndarray, shape (n_rows, ...)
        What is known of each of them.
    notes : tuple of str
        What its user should know.
    """

    path: Path
    name: str
    coefficient: float | None
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    rows: NDArray[np.int64]
    cells: dict[str, NDArray[Any]]
    notes: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """Files that the traces are made of."""
        return [self.name] if self.coefficient is None else [self.name, NEUROPIL]

    @property
    def why(self) -> str:
        """Which trace this is and why, in words."""
        if self.name == SPIKES:
            return "spks, as asked"
        if self.coefficient is None:
            return f"F alone, since there is no {NEUROPIL}"
        return f"F - {self.coefficient:g} * Fneu: without neuropil, as suite2p deconvolves it"

    def load(self, rows: NDArray[np.intp], n_frames: int) -> NDArray[Any]:
        """Read traces.

        Parameters
        ----------
        rows : numpy.ndarray of int
            Of the file.
        n_frames : int
            Frames from the first on.

        Returns
        -------
        numpy.ndarray, shape (n_rows, n_frames)
        """
        traces = np.empty((rows.size, n_frames), self.dtype)
        files = [self._mapped(name) for name in self.files]
        # Not a number, or infinite: what comes of it is the same again.
        with unreadable(self.path / self.name), np.errstate(over="ignore", invalid="ignore"):
            for part in pieces(traces):
                traces[part] = files[0][rows[part], :n_frames]
                if self.coefficient is not None:
                    traces[part] -= self.coefficient * files[1][rows[part], :n_frames]
        return traces

    def _mapped(self, name: str) -> NDArray[Any]:
        path = self.path / name
        # Again, since a map of a file that is no longer complete would end the process.
        _header_of(path, self.shape)
        with unreadable(path):
            mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
            return mapped


def read_folder(path: Path, kind: str, cells: str, settings: Settings) -> Folder:
    """Find out what a folder has.

    Parameters
    ----------
    path : Path
        The folder.
    kind : str
        Kind of trace.
    cells : {"accepted", "all"}
        Which ROIs.
    settings : Settings
        Its settings, for the neuropil's coefficient.

    Returns
    -------
    Folder

    Raises
    ------
    MissingKeyError
        If there is no such trace.
    CalabFormatError
        If the files are damaged or do not belong together.
    """
    name = {"raw": TRACES, "deconvolved": SPIKES}.get(kind, kind)
    if not (path / name).is_file():
        present = [entry.name for entry in path.iterdir()]
        raise MissingKeyError(path, name, present, REMEDIES.get(kind))
    shape, single = _header_of(path / name, traces_shape(path))
    rows, known, notes = _rois(path, shape[0], cells)
    coefficient = None
    if kind == "raw" and (path / NEUROPIL).is_file():
        _, single_neuropil = _header_of(path / NEUROPIL, shape)
        single = single and single_neuropil
        coefficient, more = _coefficient(path, settings)
        notes += more
    elif kind == "raw":
        notes += [f"{path}: no {NEUROPIL}: F is read with its neuropil"]
    dtype = np.dtype(np.float32 if single else np.float64)
    return Folder(path, name, coefficient, shape, dtype, rows, known, tuple(notes))


def traces_shape(path: Path) -> tuple[int, int]:
    """Return ROIs and frames of the traces in a folder.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    tuple of int

    Raises
    ------
    CalabFormatError
        If the file is damaged.
    """
    return _header_of(path / TRACES, None)[0]


def _header_of(path: Path, shape: tuple[int, int] | None) -> tuple[tuple[int, int], bool]:
    """Check a file of traces; return its shape and whether it is of single precision."""
    header = npy_header(path)
    if len(header.shape) != 2 or not header.is_real or header.shape[1] == 0:
        got = f"{header.dtype} of shape {str(header.shape)[:60]}"
        problem = f"expected real numbers, ROIs x frames, got {got}"
        raise CalabFormatError(path, problem, "name a folder that suite2p wrote")
    if shape is not None and header.shape != shape:
        problem = f"expected shape {shape} as {TRACES} has, got {header.shape}"
        raise CalabFormatError(path, problem, "copy the folder again, or run suite2p again")
    single = header.dtype.kind == "f" and header.dtype.itemsize == 4
    return (header.shape[0], header.shape[1]), single


def _coefficient(path: Path, settings: Settings) -> tuple[float, list[str]]:
    if settings.coefficient is not None:
        return settings.coefficient, []
    note = f"{path}: no settings say the neuropil's coefficient: {USUAL_COEFFICIENT} is used"
    return USUAL_COEFFICIENT, [note]


def _rois(
    path: Path, n_rois: int, cells: str
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]], list[str]]:
    """Return the rows that were asked for, what is known of them, and notes."""
    judged, red = _columns(path / JUDGED), _columns(path / RED)
    if judged is not None and judged.shape[0] != n_rois:
        problem = f"expected a row per ROI, of which {TRACES} has {n_rois}, got {judged.shape[0]}"
        raise CalabFormatError(path / JUDGED, problem, "save it again from suite2p")
    known, notes, rows = {}, [], np.arange(n_rois)
    if judged is not None:
        known["accepted"] = judged[:, 0] > 0
        rows = rows if cells == "all" else np.flatnonzero(known["accepted"])
        if judged.shape[1] == 2:
            known["cell_probability"] = judged[:, 1]
    elif cells == "accepted":
        notes.append(f"{path}: no {JUDGED}: all ROIs are read")
    # It may be of another run.
    if red is not None and red.shape == (n_rois, 2):
        known["red_probability"] = red[:, 1]
    return rows, {name: values[rows] for name, values in known.items()}, notes


def _columns(path: Path) -> NDArray[Any] | None:
    """Read flags, and the probabilities that newer versions have beside them; None if missing."""
    if not path.is_file():
        return None
    with unreadable(path), path.open("rb") as file:
        loaded = load_array(file, path.stat().st_size)
    if loaded.dtype.kind not in "fiub" or loaded.ndim not in (1, 2) or 0 in loaded.shape[1:]:
        got = f"{loaded.dtype} of shape {loaded.shape}"
        problem = f"expected a flag per ROI and a probability, got {got}"
        raise CalabFormatError(path, problem, "save it again from suite2p")
    return loaded if loaded.ndim == 2 else loaded[:, np.newaxis]
