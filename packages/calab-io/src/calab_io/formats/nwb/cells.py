"""The cells of a series in an NWB file, as the table of the segmentation has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalabFormatError, needs
from ...files.hdf5 import dataset, find, is_text
from ...files.hdf5_links import resolve
from .tree import EXTRA, attribute

__all__ = ["Cells", "cells_of"]

#: Columns that say which cells are accepted, the first that is there. suite2p's `iscell` has the
#: probability beside the flag; CaImAn's `keep` is its own verdict, and its `accepted` and
#: `rejected` are what was chosen by hand.
VERDICTS = ("iscell", "keep", "accepted", "rejected")
#: Column of names in the tables that CaLab writes, whose ids only count cells known by text.
NAMES = "cell_name"
#: What is known of a cell, by the names of CaImAn and neuroconv, and ours.
QUALITIES = {
    "snr": "snr",
    "r": "spatial_correlation",
    "r_values": "spatial_correlation",
    "cnn": "cnn_score",
    "cnn_preds": "cnn_score",
}


@dataclass(frozen=True)
class Cells:
    """The cells of a series.

    Attributes
    ----------
    ids : numpy.ndarray, shape (n_cells,), int64 or str
        From the table.
    table : str
        Its path.
    accepted : numpy.ndarray of bool, shape (n_cells,), or None
        None where the table does not say.
    known : dict of str to numpy.ndarray, shape (n_cells,)
        What it says of each cell.
    notes : tuple of str
        What its user should know.
    """

    ids: NDArray[Any]
    table: str
    accepted: NDArray[np.bool_] | None
    known: dict[str, NDArray[Any]]
    notes: tuple[str, ...]


def cells_of(file: Any, key: str) -> Cells:
    """Find the cells of a series.

    Parameters
    ----------
    file : h5py.File
        The file.
    key : str
        Path of the series.

    Returns
    -------
    Cells

    Raises
    ------
    MissingKeyError
        If it names no rows of a table, or the table has no ids.
    CalabFormatError
        If these do not belong together.
    """
    rois = f"{key}/rois"
    rows, where = _integers(file, rois), _table_of(file, rois)
    ids = _integers(file, f"{where}/id")
    if rows.size and not (rows.min() >= 0 and rows.max() < ids.size):
        problem = f"expected rows of {ids.size} cells, got {rows.min()} to {rows.max()}"
        raise CalabFormatError(file.filename, problem, f"they are rows of {where}", key=rois)
    table = _Table(file, where, ids.size)
    accepted, notes = _accepted(table)
    known = {
        ours: values[rows]
        for theirs, ours in QUALITIES.items()
        if (values := table.column(theirs)) is not None and values.ndim == 1
    }
    verdicts = table.column("iscell")
    if verdicts is not None and verdicts.ndim == 2 and verdicts.shape[1] == 2:
        known["cell_probability"] = verdicts[rows, 1]
    names = table.text(NAMES)
    known_as = ids if names is None else names
    return Cells(known_as[rows], where, None if accepted is None else accepted[rows], known, notes)


class _Table:
    """Columns of numbers, found whatever their case."""

    def __init__(self, file: Any, key: str, n_rows: int) -> None:
        self.file, self.key, self.n_rows = file, key, n_rows
        self.names = {name.lower(): name for name in file[key]}

    def column(self, name: str) -> NDArray[Any] | None:
        """Read a column; None if it is not there or holds something else."""
        if name not in self.names:
            return None
        try:
            item = dataset(self.file, f"{self.key}/{self.names[name]}")
        except CalabFormatError:
            return None
        fits = item.ndim in (1, 2) and item.shape[0] == self.n_rows and item.size
        return np.asarray(item[()]) if fits else None

    def text(self, name: str) -> NDArray[np.str_] | None:
        """Read a column of text with another one in each row; None if there is none."""
        if name not in self.names:
            return None
        key = f"{self.key}/{self.names[name]}"
        item = find(self.file, key)
        if (
            item is None
            or getattr(item, "shape", None) != (self.n_rows,)
            or not is_text(item.dtype)
        ):
            return None
        stored = dataset(self.file, key, kinds="SO").asstr(errors="replace")
        values = np.array(stored[()].tolist(), dtype=np.str_)
        return values if np.unique(values).size == self.n_rows else None


def _accepted(table: _Table) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """Find which rows are accepted; None if the table does not say."""
    verdict = next((name for name in VERDICTS if name in table.names), None)
    if verdict is None:
        return None, ()
    where = f"{table.file.filename}, {table.key}/{table.names[verdict]}"
    values, rejected = table.column(verdict), table.column("rejected")
    if values is None:
        return None, (f"{where}: cannot be read as which cells are accepted: all are read",)
    flags = (values if values.ndim == 1 else values[:, 0]) > 0
    if verdict == "rejected":
        return ~flags, ()
    if verdict == "accepted" and rejected is not None and not (flags.any() or rejected.any()):
        return None, (f"{where}: no cell was accepted or rejected: all are read",)
    return flags, ()


def _integers(file: Any, key: str) -> NDArray[np.int64]:
    item = dataset(file, key)
    if item.ndim != 1 or item.dtype.kind not in "iu":
        problem = f"expected a list of whole numbers, got {item.dtype}, shape {item.shape}"
        raise CalabFormatError(file.filename, problem, key=key)
    return np.asarray(item[()]).astype(np.int64)


def _table_of(file: Any, rois: str) -> str:
    """Find the table that rows are of, which an attribute refers to."""
    h5r = needs("h5py", EXTRA, "reading NWB").h5r
    reference = attribute(dataset(file, rois), "table")
    target: Any = file[reference] if isinstance(reference, h5r.Reference) and reference else None
    where = resolve(file, target.name) if hasattr(target, "keys") and target.name else None
    if where is None:
        problem = "expected a reference to a table of cells as its attribute 'table'"
        raise CalabFormatError(file.filename, problem, "save it again with pynwb", key=rois)
    return where
