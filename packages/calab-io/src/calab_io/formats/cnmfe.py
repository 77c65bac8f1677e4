"""Results of CNMF-E in MATLAB: a `neuron` saved as a struct, or as CIAtah saves them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import CalabFormatError, MissingKeyError
from ..files.mat import MatFile, open_mat
from ..recording import Contents, Request
from .footprints import axis_of_cells

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS: frozenset[str] = frozenset()
#: The class of CNMF-E's results, whose objects only MATLAB can read.
CLASS = "Sources2D"


@dataclass(frozen=True)
class _Layout:
    """Where a file has what; cells are rows."""

    parts: dict[str, str]
    footprints: str
    footprint_axes: int


#: By the kind of trace: fields of `neuron`.
NEURON = _Layout({"raw": "C_raw", "denoised": "C", "deconvolved": "S"}, "A", 2)
#: And of CIAtah's struct, in which `extractedSignals` is the denoised trace.
CIATAH = _Layout(
    {
        "raw": "extractedSignalsEst",
        "denoised": "extractedSignals",
        "deconvolved": "extractedPeaks",
    },
    "extractedImages",
    3,
)


def recognises(path: Path) -> bool:
    """Tell whether a file has results of CNMF-E."""
    if path.suffix.lower() != ".mat" or path.is_dir():
        return False
    with open_mat(path) as file:
        return _locate(file) is not None or _object(file) is not None


def read(path: Path, request: Request) -> Contents:
    """Read the traces of all components.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Kind of trace.

    Returns
    -------
    Contents
        With the trace that still has its noise, unless another is asked for.

    Raises
    ------
    MissingKeyError
        If the file lacks the trace.
    CalabFormatError
        If it holds an object of a class, or its arrays do not belong together.
    """
    with open_mat(path) as file:
        prefix, layout = _place(file)
        kind, why, notes = _choose(file, prefix, layout, request.trace)
        array = file.matrix(prefix + layout.parts[kind], "save it again from CNMF-E")
        axis, unchecked = axis_of_cells(
            file, array, prefix + layout.footprints, layout.footprint_axes, usual=0
        )
        ids, doubts = _ids(file, prefix, array.shape[axis])
        struct = prefix.rstrip(".")
        structs = [struct, *(prefix + name for name in ("P", "options", "inputOptions")), ""]
        return Contents(
            traces=file.traces(array, axis),
            trace=kind,
            why=why,
            fs=file.rate(structs),
            cell_ids=ids,
            provenance={"software": "CNMF-E", "key": array.key, "components": array.shape[axis]},
            notes=(*notes, *unchecked, *doubts),
        )


def _locate(file: MatFile) -> tuple[str, _Layout] | None:
    """Find the fields of a layout: what precedes their names in keys, and which layout it is."""
    for struct in (*file.names(), ""):
        names = file.names(struct)
        prefix = f"{struct}." if struct else ""
        if "extractedSignals" in names:
            return prefix, CIATAH
        if "C" in names and ("C_raw" in names or struct == "neuron"):
            return prefix, NEURON
    return None


def _object(file: MatFile) -> str | None:
    found = ((name, file.find(name)) for name in file.names())
    return next((name for name, at in found if at is not None and at.kind == CLASS), None)


def _place(file: MatFile) -> tuple[str, _Layout]:
    found, name = _locate(file), _object(file)
    if found is not None:
        return found
    if name is not None:
        problem = f"expected a struct, got an object of class {CLASS}, which only MATLAB reads"
        remedy = f"in MATLAB: {name} = struct({name}); save('{file.path.name}', '{name}', '-v7.3')"
        raise CalabFormatError(file.path, problem, remedy, key=name)
    remedy = "save neuron as a struct, or read an array with format='matlab'"
    raise MissingKeyError(file.path, "neuron.C_raw", file.names(), remedy)


def _choose(file: MatFile, prefix: str, layout: _Layout, wanted: str) -> tuple[str, str, list[str]]:
    """Choose the kind of trace, and say why."""
    keys = {kind: prefix + name for kind, name in layout.parts.items()}
    found = {kind: file.find(key) for kind, key in keys.items()}
    # What was not computed is there, but empty.
    present = [kind for kind, element in found.items() if element is not None and element.size]
    if wanted not in ("auto", *present):
        there = [keys[kind] for kind in present]
        remedy = f"trace= one of {', '.join(present)} is there" if present else "name another file"
        raise MissingKeyError(file.path, keys.get(wanted, prefix + wanted), there, remedy)
    if wanted != "auto":
        return wanted, f"{keys[wanted]}, as asked", []
    if "raw" in present:
        return "raw", f"{keys['raw']}: the demixed trace with its noise", []
    note = (
        f"no {keys['raw']}: read {keys['denoised']}, the model's denoised fit, whose noise is gone"
    )
    return "denoised", note, [f"{file.path}: {note}; spikes inferred from it repeat the fit"]


def _ids(file: MatFile, prefix: str, n_cells: int) -> tuple[NDArray[np.int64] | None, list[str]]:
    """Return the numbers that CNMF-E gave the cells; None are their rows."""
    ids = file.numbers(f"{prefix}ids")
    if ids is None or ids.size == 0:
        return None, []
    whole = ids.astype(np.int64)
    if ids.size == n_cells == np.unique(whole).size and np.array_equal(whole, ids):
        return whole, []
    note = f"{file.path}, {prefix}ids: expected a number for each of {n_cells} cells; rows are used"
    return None, [note]
