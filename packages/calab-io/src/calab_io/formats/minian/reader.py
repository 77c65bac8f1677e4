"""Results of Minian: a folder with a zarr store per variable, or a single store or NetCDF file."""

from __future__ import annotations

import os
import reprlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalabFormatError, MissingKeyError
from ...files.stored import axes_of
from ...recording import Contents, Request
from .glance import glance_at
from .labelled import EXTRA, Labelled, names_in, open_labelled
from .miniscope import find_times

__all__ = ["CELLS", "FRAMES", "OPTIONS", "read", "recognises", "store_of"]

OPTIONS: frozenset[str] = frozenset()
CELLS, FRAMES = "unit_id", "frame"
#: The variable that a kind of trace is.
VARIABLES = {"raw": "YrA", "denoised": "C", "deconvolved": "S"}
#: What to do where a kind of trace was not saved.
REMEDIES = {
    "raw": "put Minian's folder minian_intermediate beside it, or read C with trace='denoised'",
    "dff": "Minian computes none; trace='raw' reads YrA",
    "denoised": "name the folder that save_minian wrote C to",
    "deconvolved": "name the folder that save_minian wrote S to",
}
#: Why a trace is read, by kind; and what of another than the raw one its user should know.
REASONS = {
    "raw": "YrA: the trace with its noise, from which Minian infers spikes and which contains C",
    "denoised": "C, the model's denoised fit, whose noise is gone; spikes inferred from it repeat "
    "the fit",
    "deconvolved": "S, which Minian has already deconvolved",
}
#: What makes raw traces exactly 0.
CLIPPED_BY = "Minian does with YrA"
#: The folder of final results, and those of what Minian computes on the way.
FINAL, INTERMEDIATE = "minian", ("minian_intermediate", "intermediate")
NETCDF, NETCDF_3 = ".nc", b"CDF"
#: YrA with fewer of the final cells than this share is of another run, whose ids mean other cells.
LEAST_SHARED = 0.5


def recognises(path: Path) -> bool:
    """Tell whether a folder, store or NetCDF file has traces of Minian's."""
    if path.is_dir():
        # Beside the final results, intermediate ones are not a recording of their own.
        beside = Path(os.path.abspath(path)).parent / FINAL
        return _is_output(path) and not (path.name in INTERMEDIATE and _is_output(beside))
    return path.suffix.lower() == NETCDF and _is_output(path)


def read(path: Path, request: Request) -> Contents:
    """Read traces of the final cells, which keep their `unit_id`.

    Parameters
    ----------
    path : Path
        The folder of stores, one zarr store, or a NetCDF file.
    request : Request
        Kind of trace.

    Returns
    -------
    Contents
        With `YrA` of the cells in `C`, unless another trace is asked for.

    Raises
    ------
    MissingKeyError
        If the trace was not saved.
    CalabFormatError
        If its array is damaged, or not one of cells and frames.
    """
    kind, cells = _choose(path, request.trace)
    array = cells.array
    traces, frames = array.traces(CELLS, cells.rows), _frames(array)
    glance, timing = glance_at(traces), find_times(path, traces.shape[1], frames)
    clipped_by = CLIPPED_BY if kind == "raw" else None
    return Contents(
        traces=traces,
        trace=kind,
        why=REASONS[kind] + ", as asked" * (request.trace == kind),
        fs=timing.fs,
        fs_remedy=timing.remedy,
        cell_ids=cells.ids,
        timestamps=timing.times,
        provenance={
            "software": "Minian",
            "store": str(array.store),
            "variable": array.name,
            "cells_in_store": array.size(CELLS),
            "frames": None if frames is None else _described(frames),
            "timestamps": None if timing.source is None else str(timing.source),
            **({"clipped_at_zero": glance.zeros} if kind == "raw" else {}),
        },
        notes=(*cells.notes, *glance.notes(path, clipped_by), *timing.notes),
    )


@dataclass(frozen=True, eq=False)
class _Cells:
    """Some cells of a variable, and what is to be said of the choice."""

    array: Labelled
    ids: NDArray[np.int64]
    rows: NDArray[np.intp]
    notes: tuple[str, ...] = ()


def _is_output(place: Path) -> bool:
    """Tell whether something has a variable with cells, as far as its axes have names."""
    stores = ((store_of(place, name), name) for name in VARIABLES.values())
    axes = [axes_of(store, name, EXTRA) for store, name in stores if store is not None]
    return any(not names or CELLS in names for names in axes)


def store_of(place: Path, name: str) -> Path | None:
    """Find what has a variable: its own store in a folder, or a store or file of several.

    Parameters
    ----------
    place : Path
        A folder of stores, a store, or a NetCDF file.
    name : str
        Of the variable.

    Returns
    -------
    Path or None
    """
    stores = [store for store in (place / f"{name}.zarr", place) if store.is_dir()]
    if place.is_file():
        stores = [place]
        with place.open("rb") as file:
            is_netcdf_3 = file.read(len(NETCDF_3)) == NETCDF_3
        if is_netcdf_3:
            problem = "expected NetCDF 4, which is HDF5, got NetCDF 3"
            remedy = "save it from xarray with to_netcdf(..., engine='h5netcdf')"
            raise CalabFormatError(place, problem, remedy)
    return next((store for store in stores if axes_of(store, name, EXTRA) is not None), None)


def _choose(path: Path, wanted: str) -> tuple[str, _Cells]:
    """Choose the kind of trace."""
    if wanted == "dff":
        raise MissingKeyError(path, wanted, names_in(path), REMEDIES[wanted])
    if wanted not in ("auto", "raw"):
        return wanted, _cells(path, wanted)
    raw = _raw(path)
    if isinstance(raw, _Cells):
        return "raw", raw
    others = (kind for kind, name in VARIABLES.items() if kind != "raw" and store_of(path, name))
    kind = next(others, None)
    if wanted == "raw" or kind is None:
        raise raw
    said = str(raw).removesuffix(f"; {REMEDIES['raw']}")
    return kind, replace(_cells(path, kind), notes=(f"{said}: read {REASONS[kind]}",))


def _cells(place: Path, kind: str) -> _Cells:
    """Look at a variable and its cells."""
    name = VARIABLES[kind]
    store = store_of(place, name)
    if store is None:
        raise MissingKeyError(place, name, names_in(place), REMEDIES[kind])
    array = open_labelled(store, name, (CELLS, FRAMES))
    labels = array.coordinates(CELLS)
    if labels is None:
        raise MissingKeyError(store, CELLS, names_in(store), "save it again with save_minian")
    ids = _whole(labels)
    if ids is None or np.unique(ids).size != ids.size:
        problem = f"expected a whole number of its own for each cell, got {labels[:5]} ..."
        raise CalabFormatError(store, problem, "save it again with save_minian", key=CELLS)
    return _Cells(array, ids, np.arange(ids.size))


def _raw(path: Path) -> _Cells | CalabFormatError:
    """Return YrA of the final cells, or what speaks against it."""
    here = Path(os.path.abspath(path))
    beside = (folder / name for folder in (here, here.parent) for name in INTERMEDIATE)
    place = next((place for place in (path, *beside) if store_of(place, VARIABLES["raw"])), None)
    if place is None:
        return MissingKeyError(path, VARIABLES["raw"], names_in(path), REMEDIES["raw"])
    raw = _cells(place, "raw")
    if store_of(path, VARIABLES["denoised"]) is None:
        return raw
    return _of_final(raw, _cells(path, "denoised"), path)


def _of_final(raw: _Cells, final: _Cells, path: Path) -> _Cells | CalabFormatError:
    """Take the cells that are left in the end, in their order."""
    is_there = np.isin(final.ids, raw.ids)
    n_shared, n_cells = int(is_there.sum()), final.ids.size
    store, key = raw.array.store, raw.array.name
    if not _have_same_frames(raw.array, final.array):
        counted = f"{final.array.size(FRAMES)} frames of C, got {raw.array.size(FRAMES)}"
        problem = f"expected the {counted} that are not those"
        return CalabFormatError(store, problem, REMEDIES["raw"], key=key)
    if n_shared < LEAST_SHARED * n_cells:
        problem = f"expected the {n_cells} cells of C, got {n_shared} of them"
        return CalabFormatError(store, problem, REMEDIES["raw"], key=key)
    order, ids = np.argsort(raw.ids), final.ids[is_there]
    rows = order[np.searchsorted(raw.ids, ids, sorter=order)]
    if n_shared == n_cells:
        return replace(raw, ids=ids, rows=rows)
    lost = final.ids[~is_there]
    note = f"{path}: YrA lacks {lost.size} of the {n_cells} cells of C, which are left out"
    return replace(
        raw, ids=ids, rows=rows, notes=(f"{note}: {CELLS} {reprlib.repr(lost.tolist())}",)
    )


def _have_same_frames(raw: Labelled, final: Labelled) -> bool:
    ours, theirs = _frames(raw), _frames(final)
    if ours is None or theirs is None:
        return raw.size(FRAMES) == final.size(FRAMES)
    return np.array_equal(ours, theirs)


def _frames(array: Labelled) -> NDArray[np.int64] | None:
    """Return which of the movie's frames an array has, where it says so."""
    return _whole(array.coordinates(FRAMES))


def _whole(values: NDArray[Any] | None) -> NDArray[np.int64] | None:
    """Return whole numbers as such, or None where they are not all whole."""
    if values is None or values.dtype.kind not in "iuf":
        return None
    # Beyond that, a float is no longer one whole number.
    if not np.all((np.abs(values) < 2**53) & (values == np.rint(values))):
        return None
    return values.astype(np.int64)


def _described(frames: NDArray[np.int64]) -> dict[str, int] | list[int]:
    """Describe frames as a range where they are one."""
    steps = np.unique(np.diff(frames))
    if steps.size != 1:
        return [int(frame) for frame in frames]
    return {"first": int(frames[0]), "last": int(frames[-1]), "step": int(steps[0])}
