"""Frame rates from the times at which frames were taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CalabFormatError

__all__ = ["rate_of"]

#: A step of so many median ones is a gap: at least one frame is missing.
GAP = 1.5


def rate_of(
    times: NDArray[Any], path: Path, key: str
) -> tuple[NDArray[np.float64], float, tuple[str, ...]]:
    """Check time stamps and find the rate that they mean.

    Parameters
    ----------
    times : numpy.ndarray, shape (n_frames,)
        In seconds.
    path : Path
        Where they come from.
    key : str
        Where in it.

    Returns
    -------
    times : numpy.ndarray, shape (n_frames,), float64
    fs : float
        One over the median step, which frames that were dropped do not change.
    notes : tuple of str
        A sentence on gaps where there are any.

    Raises
    ------
    CalabFormatError
        If there are fewer than two, or they do not increase.
    """
    seconds = np.asarray(times, dtype=np.float64)
    if seconds.ndim != 1 or seconds.size < 2:
        problem = f"expected a time stamp per frame, got shape {seconds.shape}"
        raise CalabFormatError(path, problem, "give fs in Hz", key=key)
    steps = np.diff(seconds)
    if not (np.isfinite(seconds).all() and (steps > 0).all()):
        at = int(np.argmin(np.where(np.isfinite(steps), steps, -np.inf)))
        problem = (
            f"expected time stamps that increase, got {seconds[at]:g} before {seconds[at + 1]:g}"
        )
        raise CalabFormatError(path, problem, "give fs in Hz", key=key)
    step = float(np.median(steps))
    gaps = int(np.count_nonzero(steps > GAP * step))
    if not gaps:
        return seconds, 1 / step, ()
    missing = int(np.rint(steps / step).sum()) - steps.size
    note = (
        f"{path}, {key}: {gaps} gaps in the time stamps, where about {missing} frames are missing"
    )
    return seconds, 1 / step, (note,)
