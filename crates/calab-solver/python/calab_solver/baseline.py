"""The fluorescence without activity: a quantile over a sliding window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_choice, as_number
from ._traces import as_segments, as_traces

__all__ = ["rolling_baseline"]


def rolling_baseline(
    traces: ArrayLike,
    fs: float,
    tau_decay: float,
    *,
    mode: Literal["causal", "centered"] = "causal",
    segments: Sequence[int] | NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    r"""Estimate the baseline as the 20 % quantile of a sliding window.

    .. math:: w = 5 \max(1, \lceil 5 \tau_d f_s \rceil), \qquad b_t = x_{(k)}, \quad
              k = \mathrm{round}(0.2 (m - 1))

    where :math:`x_{(k)}` is the sample with :math:`k` smaller ones among the :math:`m` observed
    samples of the window. The causal window ends at frame :math:`t` and lags behind drifts; the
    centred one does not, and is raised by :math:`0.8416\,\sigma`, by which noise of standard
    deviation :math:`\sigma` (`noise_level`) lowers the quantile.

    Parameters
    ----------
    traces : array_like, shape (n_frames,) or (n_cells, n_frames)
        Fluorescence in any unit; NaN marks samples that were not observed and is in no window.
    fs : float
        Sampling rate in hertz.
    tau_decay : float
        Decay time of the indicator in seconds.
    mode : {"causal", "centered"}
        Where the window lies: the last `w` frames, or as many before as after.
    segments : sequence of int, optional
        Ascending start frames of recordings that were joined; no window reaches over one.

    Returns
    -------
    numpy.ndarray, of the shape of `traces`
        float64. Frames whose window holds no observed sample take the value before them, else
        the one after, first within their segment; NaN only where a trace has no sample at all.

    Raises
    ------
    TypeError
        If `traces` or `segments` do not hold numbers of their kind, `fs` or `tau_decay` is not a
        number, or `mode` is not a string.
    ValueError
        If `traces` has not one or two axes or holds infinite values, `fs` or `tau_decay` is not
        finite and above zero, or `mode` or `segments` is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> rolling_baseline(np.full(4, 2.0), fs=30.0, tau_decay=0.4)
    array([2., 2., 2., 2.])
    """
    centered = as_choice("mode", mode, ("causal", "centered")) == "centered"
    cells = as_traces("traces", traces)
    baseline = _native.rolling_baseline(
        cells,
        as_number("fs", fs),
        as_number("tau_decay", tau_decay),
        centered,
        as_segments(segments),
    )
    return baseline.reshape(np.shape(traces))
