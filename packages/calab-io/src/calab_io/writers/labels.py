"""A result and what has to be known of it to be written: rate, names of cells, times, units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from calab_core.labelled import as_plain
from calab_solver._parameters import as_number
from numpy.typing import ArrayLike, NDArray

from ..clock import Clock, said_clock
from ..recording import Recording
from .cell_ids import agreed_ids, per_cell
from .fields import as_stored, check_shapes, fields_of

if TYPE_CHECKING:
    from calab_core import CaDeconResult, DeconvolutionResult

    Result = CaDeconResult | DeconvolutionResult

__all__ = ["ARBITRARY", "SPIKES", "TRACE_UNIT", "Labelled", "label"]

#: Units of activity: counts of spikes, and numbers whose scale is not known.
SPIKES, ARBITRARY = "spikes", "arbitrary"
#: Unit of the traces where it is not known, and by the kind of trace where it is.
TRACE_UNIT = "unit of the traces"
TRACE_UNITS = {"dff": "dF/F"}
#: Share by which two rates may differ that are the same: what single precision makes of one.
SAME_RATE = 1e-6


@dataclass(frozen=True, eq=False)
class Labelled:
    """Activity with its rate, the names of its cells, its times and its units.

    Attributes
    ----------
    activity : numpy.ndarray or Source, shape (n_cells, n_frames), real
        Of the type that it came in; in memory unless `label` was told to leave it where it is.
    fs : float
        Sampling rate in hertz.
    cell_ids : numpy.ndarray, shape (n_cells,), int64 or str
        How the cells are known, each by a name of its own.
    timestamps : numpy.ndarray, shape (n_frames,), float64, or None
        When each frame was taken, in seconds, where the recording says so.
    units : numpy.ndarray, shape (n_cells,), of str
        Unit of each cell's activity: `SPIKES`, `ARBITRARY` or `trace_unit`.
    trace_unit : str
        Unit of the traces, and so of fit, baseline and noise.
    result : CaDeconResult, DeconvolutionResult or None
        What the activity is of; None for a plain array.
    provenance : mapping of str to object
        Where the traces come from, as JSON can express it; empty without a recording.
    single : bool
        Whether it came as one trace without an axis of cells.
    """

    activity: Any
    fs: float
    cell_ids: NDArray[Any]
    timestamps: NDArray[np.float64] | None
    units: NDArray[np.str_]
    trace_unit: str = TRACE_UNIT
    result: Result | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    single: bool = False

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.activity.shape[0])

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.activity.shape[1])

    @property
    def details(self) -> Any:
        """What else is known of the result, or None."""
        return getattr(self.result, "details", None)

    @property
    def clock(self) -> Clock:
        """When the frames were taken, as the recording says it; without one they start at 0."""
        return said_clock(self.fs, self.timestamps, self.provenance.get("known", {}))

    @property
    def times(self) -> NDArray[np.float64]:
        """Time of each frame in seconds: the time stamps, or by the rate from the start on."""
        return self.clock.times(self.n_frames)


def label(
    result: Result | ArrayLike,
    *,
    recording: Recording | None = None,
    fs: float | None = None,
    cell_ids: ArrayLike | None = None,
    in_memory: bool = True,
) -> Labelled:
    """Put together what is known of a result, and check that it belongs together.

    Parameters
    ----------
    result : CaDeconResult, DeconvolutionResult or array_like, shape (n_cells, n_frames)
        What is to be written; one trace of shape (n_frames,) is one cell.
    recording : Recording, optional
        What it was made from.
    fs : float, optional
        Sampling rate in hertz; required where neither result nor recording say it.
    cell_ids : sequence of int or str, optional
        How the cells are known. Without it they are known as in the recording, else as in the
        result, else by their rows.
    in_memory : bool, optional
        Whether to read arrays of cells x frames that lie elsewhere.

    Returns
    -------
    Labelled

    Raises
    ------
    ValueError
        If the rate is not known, or what was given twice differs, or shapes do not agree, or two
        cells have the same name.
    TypeError
        For what is no result, or no recording, rate or name of a cell.
    """
    from calab_core import CaDeconResult, DeconvolutionResult

    if recording is not None and not isinstance(recording, Recording):
        raise TypeError(f"recording: expected what calab_io.read returns, got {_kind(recording)}")
    known = result if isinstance(result, CaDeconResult | DeconvolutionResult) else None
    if known is not None and in_memory:
        known = _in_memory(known)
    activity = _as_activity(result if known is None else known.activity)
    if known is not None:
        check_shapes(known)
    if in_memory:
        activity = np.asarray(activity)
    is_single = len(activity.shape) == 1
    cells = activity[np.newaxis] if is_single else activity
    if recording is not None and recording.traces.shape != cells.shape:
        raise ValueError(
            f"recording: expected {_shape(cells)} as the result has, got "
            f"{_shape(recording.traces)}; give the recording that the result was made from"
        )
    trace_unit = TRACE_UNIT if recording is None else TRACE_UNITS.get(recording.trace, TRACE_UNIT)
    return Labelled(
        activity=cells,
        fs=_rate(fs, recording, known.fs if isinstance(known, CaDeconResult) else None),
        cell_ids=agreed_ids(cell_ids, recording, result, cells.shape[0]),
        timestamps=None if recording is None else recording.timestamps,
        units=_units(known, trace_unit, cells.shape[0]),
        trace_unit=trace_unit,
        result=known,
        provenance={} if recording is None else recording.origin(),
        single=is_single,
    )


def _in_memory(result: Result) -> Result:
    """Read what a run has written elsewhere with `out`."""
    arrays = [(field, field.of(result)) for field in fields_of(result)]
    lazy = [(field, array) for field, array in arrays if not isinstance(array, np.ndarray)]
    if not lazy:
        return result
    own = {field.name: np.asarray(array) for field, array in lazy if not field.in_details}
    known = {field.name: np.asarray(array) for field, array in lazy if field.in_details}
    read: Any = result._replace(**own)
    if hasattr(result, "details"):
        details: Any = result.details
        read.details = replace(details, **known)
    in_memory: Result = read
    return in_memory


def _as_activity(values: Any) -> Any:
    if isinstance(values, tuple):
        # A result unpacked to a plain tuple has lost which of its arrays is the activity.
        raise TypeError("result: expected a result of CaLab or an array, got a tuple")
    array = as_stored(as_plain(values))
    if array.dtype.kind not in "fiu":
        raise TypeError(f"result: expected activity in real numbers, got dtype {array.dtype}")
    if len(array.shape) not in (1, 2):
        raise ValueError(f"result: expected cells x frames, got shape {array.shape}")
    return array


def _units(result: Result | None, trace_unit: str, n_cells: int) -> NDArray[np.str_]:
    """Return the unit of each cell's activity; without its details no scale is known."""
    from calab_core import CaDeconResult

    if isinstance(result, CaDeconResult):
        details = getattr(result, "details", None)
        known = result.metadata.get("units") if details is None else details.units
        return np.full(n_cells, ARBITRARY) if known is None else per_cell("units", known, n_cells)
    return np.full(n_cells, ARBITRARY if result is None else trace_unit)


def _rate(fs: float | None, recording: Recording | None, known: float | None) -> float:
    """Return the rate that at least one says and no other contradicts; the result's first."""
    said = {
        "the result": known,
        "the recording": None if recording is None else recording.fs,
        "fs": fs,
    }
    rates = {who: as_number("fs", rate) for who, rate in said.items() if rate is not None}
    if not rates:
        raise ValueError("fs: the result does not say its sampling rate; give fs= or recording=")
    (first, rate), *others = rates.items()
    for who, other in others:
        if not math.isclose(rate, other, rel_tol=SAME_RATE):
            raise ValueError(f"fs: {first} says {rate} Hz, {who} says {other} Hz; give one of them")
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"fs: expected a positive, finite rate in Hz, got {rate}")
    return rate


def _shape(traces: Any) -> str:
    return f"{traces.shape[0]} cells x {traces.shape[1]} frames"


def _kind(value: Any) -> str:
    return type(value).__name__
