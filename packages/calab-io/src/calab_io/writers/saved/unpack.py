"""From what is stored of a result to the result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from calab_core import DeconvolutionDetails, DeconvolutionResult
from numpy.typing import NDArray

from ...errors import CalabFormatError, MissingKeyError, unreadable
from ..fields import CADECON, CELL, DECONVOLUTION, FRAME, Field
from .layout import FORMAT, INDEX, KINDS, OWN_IDS, RAGGED, VERSION, Stored

if TYPE_CHECKING:
    from calab_core import CaDeconResult

__all__ = ["unpack"]

DAMAGED = "the file may be damaged or not complete"


def unpack(stored: Stored) -> CaDeconResult | DeconvolutionResult | NDArray[Any]:
    """Read a result.

    Parameters
    ----------
    stored : Stored
        An open file.

    Returns
    -------
    CaDeconResult, DeconvolutionResult or numpy.ndarray
        What was saved.

    Raises
    ------
    MissingKeyError
        If something is not in the file.
    CalabFormatError
        If it is no saved result, one of a newer version, or its parts do not belong together.
    """
    _check_version(stored)
    kind = _attribute(stored, "kind")
    if kind not in KINDS:
        problem = f"expected {' or '.join(map(repr, KINDS))}, got {kind!r}"
        raise CalabFormatError(stored.path, problem, DAMAGED, key="kind")
    arrays = _Arrays(stored)
    activity = arrays.take("activity", (CELL, FRAME))
    if kind == "cadecon":
        return _cadecon(stored, arrays, activity)
    if kind == "deconvolution":
        return _deconvolution(stored, arrays, activity)
    return activity[0] if _number(stored, "single") else activity


def _check_version(stored: Stored) -> None:
    if FORMAT not in stored.attributes:
        problem = "expected a result that calab saved"
        raise CalabFormatError(stored.path, problem, "calab_io.read reads traces of other tools")
    version = _number(stored, FORMAT)
    if not 1 <= version <= VERSION:
        problem = f"saved in version {version:g} of the format, of which this reads up to {VERSION}"
        raise CalabFormatError(stored.path, problem, "install a newer calab")


def _cadecon(stored: Stored, arrays: _Arrays, activity: NDArray[Any]) -> CaDeconResult:
    from calab_core import CaDeconDetails, CaDeconResult

    details = None
    if _number(stored, "details"):
        own = OWN_IDS if OWN_IDS in arrays.names else CELL
        found = arrays.fields([f for f in CADECON if f.in_details and f.name != "cell_ids"])
        details = CaDeconDetails(
            **found,
            cell_ids=arrays.take(own, (CELL,)),
            spike_times=arrays.ragged("spike_times"),
            subset_kernels=arrays.ragged("subset_kernels"),
            excluded=_rows(stored, "excluded"),
            drift=_rows(stored, "drift"),
            segments=tuple(_json(stored, "segments", list)),
            kernel_fs=_number(stored, "kernel_fs"),
        )
    outer = arrays.fields([f for f in CADECON if not f.in_details and f.name != "activity"])
    return CaDeconResult(
        activity,
        **outer,
        fs=_number(stored, "fs"),
        metadata=_json(stored, "metadata", dict),
        details=details,
    )


def _deconvolution(stored: Stored, arrays: _Arrays, activity: NDArray[Any]) -> DeconvolutionResult:
    single = bool(_number(stored, "single"))

    def shaped(fields: list[Field]) -> dict[str, Any]:
        found = arrays.fields(fields)
        if not single:
            return found
        # Numbers of a single trace are Python's.
        axes = {field.name: field.axes for field in fields}
        return {
            name: values[0] if FRAME in axes[name] else values[0].item()
            for name, values in found.items()
        }

    details = None
    if _number(stored, "details"):
        inner = shaped([field for field in DECONVOLUTION if field.in_details])
        details = DeconvolutionDetails(**inner, method=str(_attribute(stored, "method")))
    outer = shaped([f for f in DECONVOLUTION if not f.in_details and f.name != "activity"])
    return DeconvolutionResult(activity[0] if single else activity, **outer, details=details)


class _Arrays:
    """The arrays of a file, whose axes have one length wherever they occur."""

    def __init__(self, stored: Stored) -> None:
        self.stored, self.names, self.sizes = stored, stored.names(), dict[str, int]()

    def fields(self, fields: list[Field]) -> dict[str, NDArray[Any]]:
        return {field.name: self.take(field.name, field.axes) for field in fields}

    def take(self, name: str, axes: tuple[str, ...]) -> NDArray[Any]:
        stored = self.stored
        if name not in self.names:
            raise MissingKeyError(stored.path, name, self.names, DAMAGED)
        head = stored.head(name)
        if head.axes != axes:
            problem = f"expected the axes {axes}, got {head.axes} of {head.shape}"
            raise CalabFormatError(stored.path, problem, DAMAGED, key=name)
        # Before anything is read, for a damaged length would be asked of the memory.
        expected = tuple(map(self.sizes.setdefault, axes, head.shape))
        if head.shape != expected:
            problem = f"expected {expected} as other arrays have, got {head.shape}"
            raise CalabFormatError(stored.path, problem, DAMAGED, key=name)
        with unreadable(stored.path):
            values, dtype = stored.values(name), np.dtype(head.type)
            if _holds(dtype, values):
                return values.astype(dtype, copy=False)
        problem = f"expected {dtype}, which it says that it is, got {values.dtype}"
        raise CalabFormatError(stored.path, problem, DAMAGED, key=name)

    def ragged(self, name: str) -> tuple[NDArray[Any], ...]:
        axis, outer, *_ = RAGGED[name]
        joined, ends = self.take(name, (axis,)), self.take(name + INDEX, (outer,))
        starts = np.concatenate([[0], ends[:-1]])[: len(ends)]
        if ends.dtype != np.int64 or np.any(ends < starts) or ends[-1:].sum() != joined.size:
            problem = f"expected whole numbers that rise to {joined.size}, got {ends}"
            raise CalabFormatError(self.stored.path, problem, DAMAGED, key=name + INDEX)
        return tuple(np.split(joined, ends[:-1])[: len(ends)])


def _holds(dtype: np.dtype[Any], values: NDArray[Any]) -> bool:
    """Tell whether values can have been of a type, which a damaged file may name wrongly."""
    stored = values.dtype
    if dtype.kind == "U":
        return stored.kind == "U" and stored.itemsize <= dtype.itemsize
    # HDF5 has booleans as small whole numbers, and types come in both orders of their bytes.
    is_flag = dtype.kind == "b" and stored == np.int8
    return is_flag or dtype.newbyteorder("=") == stored.newbyteorder("=")


def _attribute(stored: Stored, name: str) -> Any:
    if name not in stored.attributes:
        raise MissingKeyError(stored.path, name, stored.attributes, DAMAGED)
    return stored.attributes[name]


def _number(stored: Stored, name: str) -> float:
    value = _attribute(stored, name)
    if np.ndim(value) or np.asarray(value).dtype.kind not in "fiu":
        raise CalabFormatError(stored.path, f"expected a number, got {value!r}", DAMAGED, key=name)
    return float(value)


def _json(stored: Stored, name: str, kind: type) -> Any:
    text = _attribute(stored, name)
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError) as err:
        raise CalabFormatError(stored.path, f"expected JSON: {err}", DAMAGED, key=name) from err
    if not isinstance(value, kind):
        problem = f"expected a {kind.__name__} in JSON, got {type(value).__name__}"
        raise CalabFormatError(stored.path, problem, DAMAGED, key=name)
    return value


def _rows(stored: Stored, name: str) -> dict[int, str]:
    """Read a dict by rows, which JSON names as text."""
    with unreadable(stored.path):
        return {int(row): reason for row, reason in _json(stored, name, dict).items()}
