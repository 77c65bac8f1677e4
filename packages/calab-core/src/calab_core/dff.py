"""Relative change of fluorescence, from raw fluorescence and a stated baseline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Literal

import numpy as np
from calab_solver import noise_level, rolling_baseline
from calab_solver._parameters import as_choice, as_number
from calab_solver._traces import as_batch, as_segments
from numpy.typing import ArrayLike, NDArray

__all__ = ["dff"]

_SLIDING_QUANTILE = 0.2
# `rolling_baseline` spans 25 decay times.
_DECAYS_PER_WINDOW = 25
# Longest window of the solver.
_MOST_FRAMES = 2**28


def dff(
    traces: ArrayLike,
    fs: float,
    *,
    baseline: Literal["sliding", "constant"] = "sliding",
    window_s: float = 60.0,
    quantile: float = _SLIDING_QUANTILE,
    neuropil: ArrayLike | None = None,
    neuropil_weight: float = 0.7,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    on_nan: Literal["mask", "raise"] = "mask",
) -> NDArray[np.float64]:
    r"""Turn raw fluorescence into dF/F.

    .. math:: \Delta F / F = \frac{F_t - F_{0,t}}{F_{0,t}}, \qquad
              F_{0,t} = Q_q\{F_u\} - z_q \sigma

    where :math:`Q_q` is the quantile over the frames :math:`u` of a window around :math:`t`, or of
    the whole recording, and :math:`z_q \sigma` the quantile of noise alone of standard deviation
    :math:`\sigma` (`noise_level`), so that an inactive cell lies at zero on average.

    Parameters
    ----------
    traces : array_like, shape (n_frames,) or (n_cells, n_frames)
        Raw fluorescence, with what the camera shows in the dark taken off. NaN marks frames that
        were not recorded.
    fs : float
        Sampling rate in hertz.
    baseline : {"sliding", "constant"}
        Whether :math:`F_0` follows slow changes (bleaching, focus) or is one number per cell and
        segment.
    window_s : float
        Length of the sliding window in seconds, rounded up to five frames; many times as long as
        a transient, and shorter than the drift.
    quantile : float
        Between 0 and 1. The sliding window has 0.2; another one goes with ``"constant"`` only.
    neuropil : array_like, shape of `traces`, optional
        Fluorescence around each cell; `neuropil_weight` times it is taken off first. A frame that
        is NaN in it counts as not recorded.
    neuropil_weight : float
        Share of the surrounding fluorescence that is seen in the cell, at least 0.
    segments : sequence of int, optional
        Ascending start frames of recordings that were joined; no baseline reaches over one.
    on_nan : {"mask", "raise"}
        Whether NaN marks a frame that was not recorded, or is refused.

    Returns
    -------
    numpy.ndarray, shape of `traces`, float64
        Fraction of the baseline (0.1 is 10 %); NaN where the trace is NaN.

    Raises
    ------
    TypeError
        If an argument is not a number, or not an array of numbers.
    ValueError
        If a parameter is out of range, `neuropil` has another shape, a sample is infinite or,
        with ``on_nan="raise"``, NaN; or if a baseline is not above zero: the cell is named.

    References
    ----------
    Chen TW et al. (2013). Ultrasensitive fluorescent proteins for imaging neuronal activity.
    Nature 499:295-300, doi:10.1038/nature12354 (neuropil and its weight of 0.7).

    Examples
    --------
    >>> dff([100.0, 100.0, 150.0, 100.0], 30.0, baseline="constant", quantile=0.5).shape
    (4,)
    """
    sliding = as_choice("baseline", baseline, ("sliding", "constant")) == "sliding"
    fs = _positive("fs", fs)
    window_s = _positive("window_s", window_s)
    quantile = _quantile(quantile, sliding)
    cells = _corrected(traces, neuropil, neuropil_weight, on_nan)
    starts = as_segments(segments)
    if sliding:
        tau = window_s / _DECAYS_PER_WINDOW
        _refuse_window(window_s, fs)
        foot = rolling_baseline(cells, fs, tau, mode="centered", segments=starts)
    else:
        foot = _constant(cells, fs, quantile, starts)
    _refuse_feet(foot, np.ndim(traces) == 1)
    return ((cells - foot) / foot).reshape(np.shape(traces))


def _positive(name: str, value: float) -> float:
    number = as_number(name, value)
    if not 0 < number < np.inf:
        raise ValueError(f"{name}: expected a finite number above 0, got {value!r}")
    return number


def _refuse_window(window_s: float, fs: float) -> None:
    if not 1 <= window_s * fs <= _MOST_FRAMES:
        raise ValueError(
            f"window_s: expected 1 frame to 2**28 frames, got {window_s:g} s "
            f"of {window_s * fs:g} frames"
        )


def _quantile(value: float, sliding: bool) -> float:
    quantile = as_number("quantile", value)
    if not 0 < quantile < 1:
        raise ValueError(f"quantile: expected a number between 0 and 1, got {value!r}")
    if sliding and quantile != _SLIDING_QUANTILE:
        raise ValueError(
            f"quantile: expected {_SLIDING_QUANTILE} with baseline='sliding', got {value!r}; "
            "baseline='constant' takes any"
        )
    return quantile


def _corrected(
    traces: ArrayLike, neuropil: ArrayLike | None, weight: float, on_nan: str
) -> NDArray[np.float64]:
    """Take the neuropil off; cells x frames."""
    weight = as_number("neuropil_weight", weight)
    if not 0 <= weight < np.inf:
        raise ValueError(f"neuropil_weight: expected a finite number from 0 on, got {weight!r}")
    gaps = as_choice("on_nan", on_nan, ("mask", "raise")) == "mask"
    cells = np.require(as_batch("traces", traces, gaps=gaps), np.float64)
    if neuropil is None:
        return cells
    around = as_batch("neuropil", neuropil, gaps=gaps)
    if around.shape != cells.shape:
        raise ValueError(f"neuropil: expected shape {np.shape(traces)}, got {np.shape(neuropil)}")
    corrected: NDArray[np.float64] = cells - weight * around
    return corrected


def _constant(
    cells: NDArray[np.float64], fs: float, quantile: float, starts: list[int]
) -> NDArray[np.float64]:
    # The noise also refuses segments that do not ascend inside the traces.
    noise = np.asarray(noise_level(cells, fs, segments=starts))
    z = NormalDist().inv_cdf(quantile)
    foot = np.full(cells.shape, np.nan)
    borders = [0, *(start for start in starts if start), cells.shape[1]]
    for start, stop in pairwise(borders):
        for cell, row in enumerate(cells[:, start:stop]):
            seen = row[~np.isnan(row)]
            if seen.size:
                foot[cell, start:stop] = np.quantile(seen, quantile) - z * noise[cell]
    return foot


def _refuse_feet(foot: NDArray[np.float64], single: bool) -> None:
    lowest = np.fmin.reduce(foot, axis=1, initial=np.inf)
    refused = np.flatnonzero(lowest <= 0)
    if refused.size == 0:
        return
    cell = int(refused[0])
    who = "" if single else f" of cell {cell}"
    more = f" (and {refused.size - 1} more cells)" if refused.size > 1 else ""
    raise ValueError(
        f"traces: expected a baseline above 0, got {lowest[cell]:.4g} as the lowest{who}{more}; "
        "dF/F needs raw fluorescence, before any baseline was taken off"
    )
