"""Cells that hold nothing to deconvolve, and why."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_FRAMES", "screen"]

#: Fewest recorded frames with which anything can be said.
MIN_FRAMES = 16
#: A cell is saturated where this share of its recorded frames is its largest value.
SATURATED_SHARE = 0.2
#: Least largest value of a cell, with room for what fits make of it in single precision.
SMALLEST = 1e-30


def screen(traces: NDArray[np.floating]) -> dict[int, str]:
    """Name the cells that are not deconvolved.

    Parameters
    ----------
    traces : numpy.ndarray, shape (n_cells, n_frames)
        NaN where nothing was recorded.

    Returns
    -------
    dict of int to str
        Row, and the reason.
    """
    excluded = {}
    for cell, trace in enumerate(traces):
        seen = trace[~np.isnan(trace)]
        if seen.size == 0:
            excluded[cell] = "no frame was recorded"
        elif seen.size < MIN_FRAMES:
            frames = "frame was" if seen.size == 1 else "frames were"
            excluded[cell] = f"only {seen.size} {frames} recorded, {MIN_FRAMES} are needed"
        elif 0 < np.abs(seen).max() < SMALLEST:
            excluded[cell] = f"no value beyond {SMALLEST:g}, too small for single precision"
        elif seen.min() == seen.max():
            excluded[cell] = f"constant: every recorded frame is {seen[0]:g}"
        else:
            share = float(np.mean(seen == seen.max()))
            if share >= SATURATED_SHARE:
                excluded[cell] = f"saturated: {share:.0%} of the frames are {seen.max():g}"
    return excluded
