"""What every function that takes traces asks of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LARGEST", "as_batch", "as_real", "as_segments", "as_traces"]

#: Largest sample that spikes are looked for in, with room for what fits make of it in single
#: precision.
LARGEST = 1e30


def as_real(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Turn array-likes of real numbers into a C-contiguous float64 array.

    Parameters
    ----------
    name : str
        How the caller knows the argument, for the message.
    values : array_like
        Integers or floating-point numbers. Copied only if necessary.

    Returns
    -------
    numpy.ndarray
        float64, C-contiguous, of the same shape.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If nested sequences differ in length.
    """
    return np.asarray(_as_numbers(name, values), dtype=np.float64, order="C")


def as_traces(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Turn one trace or a stack of them into cells x frames.

    Parameters
    ----------
    name : str
        How the caller knows the argument, for the message.
    values : array_like, shape (n_frames,) or (n_cells, n_frames)
        Real numbers; NaN, and what a masked array masks, marks samples that were not observed.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames)
        float64, C-contiguous; a single trace is one cell.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        As `as_batch`.
    """
    return np.require(as_batch(name, values), np.float64, "C")


def as_batch(
    name: str, values: ArrayLike, *, gaps: bool = True
) -> NDArray[np.float32] | NDArray[np.float64]:
    """Turn array-likes into cells x frames that Rust reads in place.

    Parameters
    ----------
    name : str
        How the caller knows the argument, for the message.
    values : array_like, shape (n_frames,) or (n_cells, n_frames)
        Real numbers; NaN, and what a masked array masks, marks samples that were not observed.
    gaps : bool
        Whether there may be such samples.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames)
        float32 or float64 in the machine's byte order, with any strides; copied only if it was
        neither. A single trace is one cell.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If there are not one or two axes, a value is infinite, or one is NaN without `gaps`; the
        first such sample is named.
    """
    array = _as_numbers(name, values)
    if array.ndim not in (1, 2):
        raise ValueError(
            f"{name}: expected shape (n_frames,) or (n_cells, n_frames), got {array.shape}"
        )
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    batch = np.require(array, np.float32 if single else np.float64, "A")
    _refuse_samples(name, batch, gaps)
    return np.atleast_2d(batch)


def _as_numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{name}: expected rows of equal length, got rows of several lengths"
        ) from error
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if isinstance(values, np.ma.MaskedArray):
        # What lies under the mask is no sample.
        return np.where(np.ma.getmaskarray(values), np.nan, array)
    return array


def _refuse_samples(name: str, batch: NDArray[Any], gaps: bool) -> None:
    # One pass without temporaries: a sum is finite unless a sample is not, or it overflows.
    cells = np.atleast_2d(batch)
    with np.errstate(over="ignore", invalid="ignore"):
        suspects = np.flatnonzero(~np.isfinite(cells.sum(axis=1)))
    expected = "finite values" + (" or NaN" if gaps else "")
    for cell in suspects:
        row = cells[cell]
        refused = np.flatnonzero(np.isinf(row) if gaps else ~np.isfinite(row))
        if refused.size:
            where = ("" if batch.ndim == 1 else f"cell {cell}, ") + f"frame {refused[0]}"
            raise ValueError(f"{name}: expected {expected}, got {row[refused[0]]} at {where}")


def as_segments(segments: Sequence[int] | NDArray[np.integer] | None) -> list[int]:
    """Turn start frames into a list; order and range are checked where the length is known.

    Parameters
    ----------
    segments : sequence of int, optional
        Start frames of joined recordings.

    Returns
    -------
    list of int
        Empty for None.

    Raises
    ------
    TypeError
        If it is not a sequence, or the start frames are not whole numbers.
    ValueError
        If they are not one-dimensional, or one is negative or beyond any recording.
    """
    if segments is None:
        return []
    try:
        starts = np.asarray(segments)
    except ValueError as error:
        raise ValueError(f"segments: expected one axis, got {error}") from error
    if starts.ndim == 0:
        raise TypeError(f"segments: expected a sequence of whole numbers, got {segments!r}")
    if starts.ndim != 1:
        raise ValueError(f"segments: expected one axis, got shape {starts.shape}")
    if starts.size == 0:
        return []
    if starts.dtype.kind == "O" and all(isinstance(start, int) for start in starts):
        raise ValueError(f"segments: expected start frames below 2**63, got {max(starts, key=abs)}")
    if starts.dtype.kind not in "iu":
        raise TypeError(f"segments: expected whole numbers, got dtype {starts.dtype}")
    if starts.min() < 0:
        raise ValueError(f"segments: expected start frames from 0 on, got {starts.min()}")
    return [int(start) for start in starts]
