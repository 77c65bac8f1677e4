"""Results as objects of pynapple."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import needs
from ..recording import Recording
from .fields import CELL, fields_of
from .labels import SPIKES, Labelled, label

if TYPE_CHECKING:
    from calab_core import CaDeconResult, DeconvolutionResult

__all__ = ["PynappleData", "to_pynapple"]

EXTRA, PURPOSE = "pynapple", "making objects of pynapple"
#: Arrays of a result that say in other words what index, columns and `unit` say.
NAMES = {"cell_ids", "units"}


class PynappleData(NamedTuple):
    """What `to_pynapple` returns, all in seconds.

    Attributes
    ----------
    spikes : pynapple.TsGroup or None
        Times of the spikes of the cells whose scale is known, with `cell_id`, `unit` and what else
        is known of each cell as metadata. The index is the cell's id, or where ids are text its
        row in the result. None where the result has no spike times.
    activity : pynapple.TsdFrame
        Activity of all cells, which are spikes per frame where `unit` in its metadata is
        ``"spikes"``. The columns are the ids.
    rate : pynapple.TsdFrame or None
        Graded rate likewise, per second. None where the result has none.
    """

    spikes: Any
    activity: Any
    rate: Any


def to_pynapple(
    result: CaDeconResult | DeconvolutionResult | ArrayLike,
    *,
    recording: Recording | None = None,
    fs: float | None = None,
    cell_ids: ArrayLike | None = None,
) -> PynappleData:
    """Make objects of pynapple of a result.

    Parameters
    ----------
    result : CaDeconResult, DeconvolutionResult or array_like, shape (n_cells, n_frames)
        An array is activity.
    recording : Recording, optional
        What the result was made from. Names of the cells are taken from it, and its time stamps or
        start: a spike stays as long after the start of its frame as it was found.
    fs : float, optional
        Sampling rate in hertz; required where neither result nor recording say it.
    cell_ids : sequence of int or str, optional
        How the cells are known; as in the recording, the result, or by their rows by default.

    Returns
    -------
    PynappleData
        A tuple ``spikes, activity, rate``. The time support of all three reaches from the first
        frame to the end of the last one, and to spikes beyond.

    Raises
    ------
    ValueError
        If the rate is not known, or what was given twice differs, or shapes do not agree, or the
        time stamps do not increase.
    TypeError
        For what is no result, recording, rate or name of a cell.
    ImportError
        If pynapple is not installed.
    """
    nap = needs("pynapple", EXTRA, PURPOSE)
    labelled = label(result, recording=recording, fs=fs, cell_ids=cell_ids)
    times, details = _times(labelled), labelled.details
    spikes = _spikes(labelled)
    ends = [one[[0, -1]] for one in spikes.values() if one.size]
    start = min([times[0], *(first for first, _ in ends)])
    end = max([times[-1] + 1 / labelled.fs, *(last for _, last in ends)])
    support = nap.IntervalSet(start=start, end=end)

    def frame(values: NDArray[Any], **more: NDArray[Any]) -> Any:
        return nap.TsdFrame(
            t=times,
            d=np.ascontiguousarray(values.T),
            columns=labelled.cell_ids,
            time_support=support,
            metadata=_metadata(labelled) | more,
        )

    rate = getattr(details, "rate", None)
    has_times = hasattr(details, "spike_times")
    per_second = np.array([f"{unit}/s" for unit in labelled.units])
    return PynappleData(
        spikes=_group(nap, labelled, spikes, support) if has_times else None,
        activity=frame(labelled.activity),
        rate=None if rate is None else frame(rate, unit=per_second),
    )


def _times(labelled: Labelled) -> NDArray[np.float64]:
    times = labelled.times
    if times.size == 0:
        raise ValueError("result: expected at least one frame, got none")
    if not (np.diff(times) > 0).all():
        # pynapple would sort them, and the frames with them.
        raise ValueError("timestamps: expected time stamps that increase; give fs= instead")
    return times


def _spikes(labelled: Labelled) -> dict[int, NDArray[np.float64]]:
    """Return the times of spikes by row, of the cells of known scale."""
    found = getattr(labelled.details, "spike_times", ())
    clock = labelled.clock
    # Those of a result that was made by hand may be in any order.
    return {
        row: np.sort(clock.since(times))
        for row, times in enumerate(found)
        if labelled.units[row] == SPIKES
    }


def _group(
    nap: Any, labelled: Labelled, spikes: dict[int, NDArray[np.float64]], support: Any
) -> Any:
    rows = np.array(list(spikes), dtype=np.intp)
    ids = labelled.cell_ids
    keys = rows if ids.dtype.kind == "U" else ids[rows]
    members = (nap.Ts(t=times, time_support=support) for times in spikes.values())
    metadata = {"cell_id": ids} | _metadata(labelled)
    return nap.TsGroup(
        dict(zip(keys.tolist(), members, strict=True)),
        time_support=support,
        metadata={name: values[rows] for name, values in metadata.items()},
    )


def _metadata(labelled: Labelled) -> dict[str, NDArray[Any]]:
    """Return what is known of each cell."""
    known = {"unit": labelled.units}
    if labelled.result is not None:
        for field in fields_of(labelled.result):
            if field.axes == (CELL,) and field.name not in NAMES:
                known[field.name] = np.atleast_1d(field.of(labelled.result))
    return known
