"""Traces as the compiled functions take them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["as_traces"]


def as_traces(traces: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
    """Return ``traces`` as cells x frames, float32 or float64, copied only if it is neither.

    Raises
    ------
    ValueError
        If it is not two-dimensional.
    TypeError
        If it does not hold real numbers.
    """
    array = np.asarray(traces)
    if array.ndim != 2:
        raise ValueError(f"traces: expected cells x frames (2-D), got shape {array.shape}")
    if array.dtype == np.float32 and array.dtype.isnative:
        return array
    if array.dtype == np.float64 and array.dtype.isnative:
        return array
    if array.dtype.kind not in "fiub":
        raise TypeError(f"traces: expected real numbers, got dtype {array.dtype}")
    return array.astype(np.float32 if array.dtype == np.float32 else np.float64)
