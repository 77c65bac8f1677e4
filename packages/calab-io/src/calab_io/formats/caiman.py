"""Results of CaImAn, saved by `cnm.save("x.hdf5")`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError, MissingKeyError
from ..files.hdf5 import dataset, find, is_missing, numbers, open_hdf5, rows_of, scalar, text
from ..lazy import LazyTraces, pieces
from ..recording import Contents, Request

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS: frozenset[str] = frozenset()
EXTRA = "caiman"
#: The data sets whose sum a kind of trace is.
PARTS = {
    "raw": ("estimates/C", "estimates/YrA"),
    "dff": ("estimates/F_dff",),
    "denoised": ("estimates/C",),
    "deconvolved": ("estimates/S",),
}
#: Where a kind of trace stands in CaImAn, for who asks for one that was not saved.
REMEDIES = {
    "raw": "trace='denoised' reads C, the model's fit",
    "dff": "run estimates.detrend_df_f in CaImAn and save again, or take trace='raw'",
    "denoised": "name a file with results of CaImAn",
    "deconvolved": "trace='raw' reads what spikes are inferred from",
}
#: What CaImAn knows of a cell, by our name.
QUALITIES = {
    "snr": "SNR_comp",
    "spatial_correlation": "r_values",
    "cnn_score": "cnn_preds",
    "noise": "neurons_sn",
}


def recognises(path: Path) -> bool:
    """Tell whether a file has the layout: a group of estimates."""
    if path.suffix.lower() not in {".hdf5", ".h5"}:
        return False
    with open_hdf5(path, EXTRA) as file:
        return hasattr(find(file, "estimates"), "keys")


def read(path: Path, request: Request) -> Contents:
    """Read traces of the accepted components.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Kind of trace, and which cells.

    Returns
    -------
    Contents
        With `C + YrA`, which is what CaImAn itself deconvolves, unless another trace is asked for.

    Raises
    ------
    MissingKeyError
        If the file lacks the trace.
    CalabFormatError
        If its data sets do not belong together.
    """
    with open_hdf5(path, EXTRA) as file:
        kind, why, notes = _choose(file, path, request.trace)
        parts = PARTS[kind]
        if kind == "raw" and is_missing(find(file, "estimates/YrA")):
            parts = ("estimates/C", "estimates/R")
        shape, dtype = _shape(file, path, parts, kind)
        rows, more = _rows(file, path, shape[0], request.cells)
        return Contents(
            traces=LazyTraces((rows.size, shape[1]), dtype, _Sum(path, parts, rows)),
            trace=kind,
            why=why,
            fs=scalar(file, "params/data/fr"),
            cell_ids=rows,
            cells=_qualities(file, shape[0], rows),
            provenance=_provenance(file, parts, shape[0]),
            notes=(*notes, *more),
        )


def _choose(file: Any, path: Path, wanted: str) -> tuple[str, str, list[str]]:
    """Choose the kind of trace, and say why."""
    has_residual = not all(is_missing(find(file, f"estimates/{name}")) for name in ("YrA", "R"))
    if wanted not in ("auto", "raw"):
        return wanted, f"{' + '.join(PARTS[wanted])}, as asked", []
    if has_residual:
        return "raw", "C + YrA: the demixed trace with its noise, which CaImAn deconvolves", []
    if wanted == "raw":
        present = find(file, "estimates") or ()
        raise MissingKeyError(path, "estimates/YrA", present, REMEDIES["raw"])
    note = "no residual YrA: read C, the model's denoised fit, whose noise is gone"
    return "denoised", note, [f"{path}: {note}; spikes inferred from it repeat the fit"]


def _shape(
    file: Any, path: Path, parts: tuple[str, ...], kind: str
) -> tuple[tuple[int, int], np.dtype[Any]]:
    """Check that the parts are one array's worth of cells x frames each."""
    items = [dataset(file, key, remedy=REMEDIES[kind]) for key in parts]
    for key, item in zip(parts, items, strict=True):
        if item.ndim != 2 or item.shape != items[0].shape:
            expected = "cells x frames" if key == parts[0] else f"{items[0].shape} as {parts[0]}"
            raise CalabFormatError(path, f"expected {expected}, got {item.shape}", key=key)
    n_cells = items[0].shape[0]
    footprints = numbers(file, "estimates/A/shape", 1)
    if footprints is not None and footprints.size == 2 and footprints[1] != n_cells:
        problem = f"expected {footprints[1]} cells as in estimates/A, got {items[0].shape}"
        raise CalabFormatError(path, problem, "save it again from CaImAn", key=parts[0])
    single = all(item.dtype == np.float32 for item in items)
    return items[0].shape, np.dtype(np.float32 if single else np.float64)


def _rows(file: Any, path: Path, n_cells: int, cells: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return the rows of the components that were asked for."""
    everything = np.arange(n_cells)
    if cells == "all":
        return everything, []
    accepted = numbers(file, "estimates/idx_components", 1)
    if accepted is None:
        return everything, [f"{path}: components were not evaluated in CaImAn: all are read"]
    rows = np.unique(accepted.astype(np.int64))
    if rows.size and not (rows[0] >= 0 and rows[-1] < n_cells):
        problem = f"expected rows of {n_cells} components, got {rows[0]} to {rows[-1]}"
        remedy = "cells='all' reads every component"
        raise CalabFormatError(path, problem, remedy, key="estimates/idx_components")
    return rows, []


def _qualities(file: Any, n_cells: int, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    found = {ours: numbers(file, f"estimates/{theirs}", 1) for ours, theirs in QUALITIES.items()}
    # Merging and selecting leave some of them behind, of another length.
    return {
        name: values[rows]
        for name, values in found.items()
        if values is not None and values.size == n_cells
    }


def _provenance(file: Any, parts: tuple[str, ...], n_cells: int) -> dict[str, Any]:
    params = find(file, "params/data")
    version = None if params is None else text(params, "caiman_version")
    return {
        "software": "CaImAn",
        "version": version,
        "keys": list(parts),
        "components": n_cells,
        "decay_time_s": scalar(file, "params/data/decay_time"),
    }


class _Sum:
    """Some rows of the sum of data sets."""

    def __init__(self, path: Path, parts: tuple[str, ...], rows: NDArray[np.int64]) -> None:
        self.path, self.parts, self.rows = path, parts, rows

    def __call__(self, which: NDArray[np.intp]) -> NDArray[Any]:
        rows = self.rows[which]
        with open_hdf5(self.path, EXTRA) as file:
            total = rows_of(file[self.parts[0]], rows)
            for key in self.parts[1:]:
                item = file[key]
                # A chunk would be read again for every stretch of it.
                for part in pieces(total) if item.chunks is None else (slice(None),):
                    total[part] += rows_of(item, rows[part])
            return total
