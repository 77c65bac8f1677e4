"""Results of EXTRACT in MATLAB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingKeyError
from ..files.mat import MatFile, open_mat
from ..recording import Contents, Request
from .footprints import axis_of_cells

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS: frozenset[str] = frozenset()
#: By the axis that has the cells.
ORIENTATIONS = ("cells x frames", "frames x cells")


@dataclass(frozen=True)
class _Layout:
    """Where a version has traces and footprints, and which axis of the traces has the cells."""

    traces: str
    footprints: str
    axis: int | None


#: `temporal_weights` are frames x cells. What the traces of older versions are is not described
#: anywhere: only their filters tell.
LAYOUTS = (
    _Layout("temporal_weights", "spatial_weights", 1),
    _Layout("traces", "filters", None),
)


def recognises(path: Path) -> bool:
    """Tell whether a file has results of EXTRACT."""
    if path.suffix.lower() != ".mat" or path.is_dir():
        return False
    with open_mat(path) as file:
        return _locate(file) is not None


def read(path: Path, request: Request) -> Contents:
    """Read the traces of all cells.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Kind of trace; there is only one.

    Returns
    -------
    Contents
        With what EXTRACT estimated of each cell's activity: robustly, but without a model of it.

    Raises
    ------
    MissingKeyError
        If the file lacks the trace.
    CalabFormatError
        If its arrays do not belong together.
    """
    with open_mat(path) as file:
        struct, layout = _place(file)
        key = f"{struct}.{layout.traces}"
        if request.trace not in ("auto", "raw"):
            remedy = "EXTRACT has one kind of trace: trace='raw'"
            raise MissingKeyError(path, f"{struct}.{request.trace}", [key], remedy)
        array = file.matrix(key, "save it again from EXTRACT")
        axis, notes = axis_of_cells(file, array, f"{struct}.{layout.footprints}", 3, layout.axis)
        config, info = f"{struct}.config", f"{struct}.info"
        return Contents(
            traces=file.traces(array, axis),
            trace="raw",
            why=f"{key}, which is {ORIENTATIONS[axis]}: EXTRACT's robust estimate, not a fit",
            fs=file.rate((config, info, struct, "")),
            fs_remedy="give fs in Hz, which EXTRACT does not know",
            provenance={
                "software": "EXTRACT",
                "version": file.text(f"{info}.version"),
                "key": key,
                "avg_cell_radius": file.scalar(f"{config}.avg_cell_radius"),
            },
            notes=(*notes, *_changes(file, key, config)),
        )


def _changes(file: MatFile, key: str, config: str) -> list[str]:
    """Say what EXTRACT was told to do to the noise."""
    notes = []
    option = file.text(f"{config}.trace_output_option")
    if option is not None and option.startswith("nonneg"):
        notes.append(f"{file.path}, {key}: EXTRACT cut off what is below 0, half of the noise")
    if file.scalar(f"{config}.smooth_T"):
        notes.append(f"{file.path}, {key}: EXTRACT smoothed it (smooth_T), so its noise is less")
    return notes


def _locate(file: MatFile) -> tuple[str, _Layout] | None:
    """Find a struct that has the fields of a version."""
    for struct in file.names():
        names = file.names(struct)
        for layout in LAYOUTS:
            if layout.traces in names and (layout.axis is not None or layout.footprints in names):
                return struct, layout
    return None


def _place(file: MatFile) -> tuple[str, _Layout]:
    found = _locate(file)
    if found is None:
        remedy = "save the output of EXTRACT as a struct"
        raise MissingKeyError(file.path, "output.temporal_weights", file.names(), remedy)
    return found
