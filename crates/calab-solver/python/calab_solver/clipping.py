"""Traces that a ceiling cuts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_clipped", "longest_run"]

#: Successive frames at a trace's maximum that only a ceiling makes.
CLIPPED_RUN = 3


def is_clipped(trace: NDArray[np.floating]) -> bool:
    """Tell whether several successive frames of a trace that varies are at its maximum.

    Parameters
    ----------
    trace : numpy.ndarray, shape (n_frames,)
        NaN where nothing was recorded.

    Returns
    -------
    bool
    """
    seen = trace[~np.isnan(trace)]
    varies = bool(seen.size) and bool(np.ptp(seen) > 0)
    return varies and longest_run(trace == seen.max()) >= CLIPPED_RUN


def longest_run(marks: NDArray[np.bool_]) -> int:
    """Measure the longest stretch of marked frames.

    Parameters
    ----------
    marks : numpy.ndarray, shape (n_frames,), bool
        The marks.

    Returns
    -------
    int
        In frames.
    """
    edges = np.flatnonzero(np.diff(marks.astype(np.int8), prepend=0, append=0))
    return int((edges[1::2] - edges[::2]).max(initial=0))
