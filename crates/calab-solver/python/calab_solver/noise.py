"""The standard deviation of the white noise in a trace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_number
from ._traces import as_segments, as_traces

__all__ = ["noise_level"]


def noise_level(
    traces: ArrayLike,
    fs: float,
    *,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
) -> NDArray[np.float64] | float:
    r"""Measure the white noise of each cell in the upper half of its spectrum.

    .. math:: \sigma^2 = \frac{1}{(1 - v/9)^3}\, \mathrm{median}\,
              \frac{\mathrm{mean}_{f_s/4 \le f \le f_s/2} |X(f)|^2}{\sum_t w_t^2}

    where :math:`X` is the transform of a Hann window :math:`w` without gaps, of about 8 s (64 to
    1024 frames, a power of two) and half shared with the next; the median is taken over the
    windows. :math:`v` is the squared coefficient of variation of one window's mean for white
    noise; the cube is the ratio of median to mean of a gamma distribution of shape
    :math:`1/v`.

    Parameters
    ----------
    traces : array_like, shape (n_frames,) or (n_cells, n_frames)
        Fluorescence in any unit; NaN marks samples that were not observed.
    fs : float
        Sampling rate in hertz.
    segments : sequence of int, optional
        Ascending start frames of recordings that were joined; no window reaches over one.

    Returns
    -------
    numpy.ndarray, shape (n_cells,), or float for a single trace
        Standard deviation in the unit of `traces`; 0 for a single sample, NaN for none.

    Raises
    ------
    TypeError
        If `traces` or `segments` do not hold numbers of their kind, or `fs` is not a number.
    ValueError
        If `traces` has not one or two axes or holds infinite values, `fs` is not finite and
        above zero, or `segments` do not ascend inside the trace.

    Notes
    -----
    Where gaps leave too few windows, shorter ones are used, down to 8 frames, until they hold
    half of the observed samples; without any, the differences of successive samples decide.
    Joining copies of a trace (with `segments`) does not change the result, and scaling the trace
    scales it.

    References
    ----------
    Welch (1967), "The use of fast Fourier transform for the estimation of power spectra", IEEE
    Transactions on Audio and Electroacoustics, https://doi.org/10.1109/TAU.1967.1161901

    Wilson and Hilferty (1931), "The distribution of chi-square", Proceedings of the National
    Academy of Sciences, https://doi.org/10.1073/pnas.17.12.684

    Examples
    --------
    >>> noise_level([1.0, 3.0, 1.0], fs=30.0)
    1.4142135623730951
    """
    cells = as_traces("traces", traces)
    noise = _native.noise_level(cells, as_number("fs", fs), as_segments(segments))
    # Nothing was seen of such a cell, so nothing is known of its noise.
    noise[np.isnan(cells).all(axis=1)] = np.nan
    return noise if np.ndim(traces) == 2 else float(noise[0])
