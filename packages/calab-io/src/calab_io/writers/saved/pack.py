"""From a result to what is stored of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..fields import CELL, FRAME, fields_of
from ..labels import Labelled
from .layout import FORMAT, INDEX, OWN_IDS, RAGGED, TYPE, VERSION, Content, Ragged, Variable

if TYPE_CHECKING:
    from calab_core import CaDeconResult

__all__ = ["pack"]

#: Kinds of NumPy types that are stored: numbers, booleans and text.
STORED = "fiubU"
#: Bytes of a number that all kinds of files have; some platforms have longer ones.
LONGEST = 8


def pack(labelled: Labelled) -> Content:
    """Lay out a result.

    Parameters
    ----------
    labelled : Labelled
        From `calab_io.writers.labels.label`.

    Returns
    -------
    Content
        Its arrays are those of the result, not copies.

    Raises
    ------
    TypeError
        If an array is neither of real numbers nor of text, or JSON cannot express the metadata.
    """
    variables = {
        CELL: Variable((CELL,), labelled.cell_ids, {"long_name": "name of the cell"}),
        "time": Variable((FRAME,), labelled.times, _about("time of the frame", "s")),
        **_arrays(labelled),
        **_kernels_and_times(labelled),
    }
    attributes: dict[str, str | int | float] = {
        FORMAT: VERSION,
        "kind": _kind(labelled),
        "single": int(labelled.single),
        "details": int(labelled.details is not None),
        "fs": labelled.fs,
        "fs_units": "Hz",
        "trace_units": labelled.trace_unit,
        **_plain(labelled),
        "provenance": _json("provenance", dict(labelled.provenance)),
        "written_by": f"calab-io {version('calab-io')}",
    }
    return Content({name: _typed(name, one) for name, one in variables.items()}, attributes)


def _kind(labelled: Labelled) -> str:
    if labelled.result is None:
        return "activity"
    return "cadecon" if _as_cadecon(labelled) is not None else "deconvolution"


def _as_cadecon(labelled: Labelled) -> CaDeconResult | None:
    from calab_core import CaDeconResult

    return labelled.result if isinstance(labelled.result, CaDeconResult) else None


def _arrays(labelled: Labelled) -> dict[str, Variable]:
    """List the arrays of a result, or the activity alone."""
    units = _units(labelled)
    if labelled.result is None:
        about = _about("activity", units["activity"])
        return {"activity": Variable((CELL, FRAME), labelled.activity, about)}
    sizes = {CELL: labelled.n_cells, FRAME: labelled.n_frames}
    variables = {}
    for field in fields_of(labelled.result):
        values, name = field.of(labelled.result), field.name
        if CELL in field.axes and isinstance(values, np.ndarray):
            # The arrays of a single trace have no axis of cells.
            values = values.reshape([sizes[axis] for axis in field.axes])
        if name == "cell_ids":
            ids = labelled.cell_ids
            if values.dtype == ids.dtype and np.array_equal(values, ids):
                continue
            name = OWN_IDS
        about = _about(field.long_name, field.unit.format(**units))
        variables[name] = Variable(field.axes, values, about)
    return variables


def _units(labelled: Labelled) -> dict[str, str]:
    """Name the units of a result; those of the activity may differ between cells."""
    found = np.unique(labelled.units).tolist()[::-1]
    return {
        "trace": labelled.trace_unit,
        "activity": " or ".join(found),
        "rate": " or ".join(f"{unit}/s" for unit in found),
    }


def _kernels_and_times(labelled: Labelled) -> dict[str, Variable]:
    result, details = _as_cadecon(labelled), labelled.details
    if result is None:
        return {}
    lags = np.arange(len(result.kernel_slow)) / labelled.fs
    variables = {"lag": Variable(("lag",), lags, _about("time since the spike", "s"))}
    if details is not None:
        for name, ragged in RAGGED.items():
            variables |= _joined(name, ragged, getattr(details, name))
    return variables


def _joined(name: str, ragged: Ragged, arrays: Sequence[NDArray[Any]]) -> dict[str, Variable]:
    """Put arrays of any length one after the other."""
    joined = np.concatenate(arrays) if len(arrays) else np.empty(0)
    ends = np.cumsum([len(one) for one in arrays], dtype=np.int64)
    about = _about(f"place after the last element of each {ragged.outer} in {name}", "")
    return {
        name: Variable((ragged.axis,), joined, _about(ragged.long_name, ragged.unit)),
        name + INDEX: Variable((ragged.outer,), ends, about),
    }


def _plain(labelled: Labelled) -> dict[str, str | float]:
    """List what of a result is no array."""
    result, details = _as_cadecon(labelled), labelled.details
    if result is None:
        return {} if details is None else {"method": details.method}
    metadata = {"metadata": _json("metadata", result.metadata)}
    if details is None:
        return {**metadata}
    return {
        **metadata,
        "kernel_fs": float(details.kernel_fs),
        "excluded": _json("excluded", details.excluded),
        "drift": _json("drift", details.drift),
        "segments": _json("segments", [int(frame) for frame in details.segments]),
    }


def _about(long_name: str, unit: str) -> dict[str, str]:
    return {"long_name": long_name, **({"units": unit} if unit else {})}


def _json(name: str, value: Any) -> str:
    """Write JSON, with the NaN and infinity that Python's reader knows."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError) as err:
        raise TypeError(f"{name}: expected what JSON can express: {err}") from err


def _typed(name: str, one: Variable) -> Variable:
    dtype = one.values.dtype
    if dtype.kind not in STORED or (dtype.kind == "f" and dtype.itemsize > LONGEST):
        raise TypeError(f"result: expected numbers or text in {name}, got dtype {dtype}")
    return Variable(one.axes, one.values, {**one.attributes, TYPE: dtype.str})
