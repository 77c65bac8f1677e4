"""Arrays saved by `numpy.save`, with the description that `save_for_tuning` puts beside them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ..documents import read_json_object
from ..errors import CalabFormatError, unreadable
from ..files.npy_array import open_npy
from ..names import told_by_name
from ..recording import Contents, Request, Traces
from ..traces import doubtful_orientation, read_npy

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS = frozenset({"transpose"})


def recognises(path: Path) -> bool:
    """Tell whether a file is named as an array."""
    return path.suffix.lower() == ".npy" and not path.is_dir()


def read(path: Path, request: Request) -> Contents:
    """Read an array; what is beside it says its rate.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Kind of trace, which says what the array is, and orientation.

    Returns
    -------
    Contents

    Raises
    ------
    CalabFormatError
        If the file is not an array, or the description beside it is of another one.
    """
    sidecar = path.with_name(f"{path.stem}_metadata.json")
    traces, doubt = _traces(path, bool(request.transpose))
    known: dict[str, Any] = {}
    fs: float | None = None
    notes: tuple[str, ...] = ()
    if sidecar.is_file() and not request.transpose:
        try:
            known = _description(sidecar)
            _check_shape(known, sidecar, path, traces.shape)
            fs = _rate(known, sidecar)
        except CalabFormatError as err:
            # Only the rate is needed of it, and the user may have said that.
            if request.fs is None:
                raise
            known, notes = {}, (str(err),)
    kind, cautions = told_by_name(path, "", request.trace)
    return Contents(
        traces=traces,
        trace=kind,
        why="the array in the file",
        fs=fs,
        fs_remedy=f"give fs in Hz, or save with save_for_tuning, which writes {sidecar.name}",
        provenance=known,
        notes=(*(() if doubt is None else (doubt,)), *notes, *cautions),
    )


def _traces(path: Path, transpose: bool) -> tuple[Traces, str | None]:
    """Leave rows that are cells in the file; return with them what is doubtful about it."""
    mapped = None if transpose else open_npy(path)
    if mapped is None:
        with unreadable(path), warnings.catch_warnings():
            # What it warns of is returned.
            warnings.simplefilter("ignore", UserWarning)
            read = read_npy(path, transpose=transpose)
        return read, doubtful_orientation(read.shape, path, transpose)
    return mapped, doubtful_orientation(mapped.shape, path, transpose)


def _check_shape(known: dict[str, Any], sidecar: Path, path: Path, shape: tuple[int, ...]) -> None:
    described = (known.get("num_cells"), known.get("num_timepoints"))
    if None not in described and described != shape:
        problem = f"expected {described[0]} cells x {described[1]} frames as in {sidecar.name}"
        remedy = "save both again, or move that file away"
        raise CalabFormatError(path, f"{problem}, got {shape[0]} x {shape[1]}", remedy)


def _description(sidecar: Path) -> dict[str, Any]:
    try:
        return read_json_object(sidecar)
    except ValueError as err:
        # The message begins with the file.
        raise CalabFormatError(sidecar, str(err).partition(": ")[2]) from err


def _rate(known: dict[str, Any], sidecar: Path) -> float | None:
    rate = known.get("sampling_rate_hz")
    if rate is None or (isinstance(rate, int | float) and not isinstance(rate, bool)):
        return rate
    raise CalabFormatError(
        sidecar, f"expected a number, got {rate!r}", "give fs in Hz", key="sampling_rate_hz"
    )
