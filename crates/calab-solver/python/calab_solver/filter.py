"""The band in which calcium and its noise floor lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_number
from ._traces import as_segments, as_traces

__all__ = ["bandpass_filter"]


def bandpass_filter(
    trace: ArrayLike,
    tau_rise: float,
    tau_decay: float,
    fs: float,
    *,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    high_pass: bool = True,
    low_pass: bool = True,
) -> NDArray[np.float64]:
    r"""Keep the frequencies at which the calcium kernel has its power.

    .. math:: f_{hp} = \frac{1}{2\pi\, 16\, \tau_d}, \qquad f_{lp} = \frac{4}{2\pi\, \tau_r}

    The gain rises from 0 at :math:`f_{hp}/2` to 1 at :math:`3 f_{hp}/2` and falls from 1 at
    :math:`f_{lp}/2` to 0 at :math:`3 f_{lp}/2`, both along half a cosine. It is applied in the
    frequency domain, without delay, to the trace continued by its mirror image, so that the end
    does not leak into the beginning. Edges beyond half the sampling rate keep their place.

    Parameters
    ----------
    trace : array_like, shape (n_frames,) or (n_cells, n_frames)
        Fluorescence in any unit. NaN, and what a masked array masks, marks samples that were not
        observed: the filter sees a straight line there, and the result is NaN.
    tau_rise, tau_decay : float
        Time constants of the kernel in seconds, ``0 < tau_rise < tau_decay``.
    fs : float
        Sampling rate in hertz.
    segments : sequence of int, optional
        Ascending start frames of recordings that were joined; each is filtered by itself.
    high_pass, low_pass : bool
        Which of the two edges are applied.

    Returns
    -------
    numpy.ndarray, of the shape of `trace`
        float64, a new array. Segments of fewer than 8 frames are copied, and so is everything
        if the band is empty: :math:`f_{hp} \ge \min(f_{lp}, f_s / 2)`.

    Raises
    ------
    TypeError
        If `trace` or `segments` do not hold numbers of their kind, or a parameter is not a number.
    ValueError
        If `trace` has not one or two axes or holds infinite values, a parameter is not finite
        and above zero, ``tau_rise >= tau_decay``, or `segments` do not ascend inside the trace.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(bandpass_filter(np.full(100, 7.0), 0.1, 0.6, 30.0), 0.0))
    True
    """
    cells = as_traces("trace", trace)
    filtered = _native.bandpass_filter(
        cells,
        as_number("tau_rise", tau_rise),
        as_number("tau_decay", tau_decay),
        as_number("fs", fs),
        as_segments(segments),
        bool(high_pass),
        bool(low_pass),
    )
    return filtered.reshape(np.shape(trace))
