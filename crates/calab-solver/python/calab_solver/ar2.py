"""The second-order autoregressive form of the calcium kernel."""

from __future__ import annotations

from . import _native
from ._parameters import as_number

__all__ = ["tau_to_ar2"]


def tau_to_ar2(tau_rise: float, tau_decay: float, fs: float) -> tuple[float, float, float, float]:
    r"""Derive the AR(2) coefficients of a biexponential kernel.

    .. math::

        c_t = g_1 c_{t-1} + g_2 c_{t-2} + s_{t-1} / p, \qquad g_1 = d + r, \quad g_2 = -d r

    with :math:`d = e^{-1/(f_s \tau_d)}`, :math:`r = e^{-1/(f_s \tau_r)}` and :math:`p` the largest
    value of the unscaled response, gives the kernel of `build_kernel` for a source of one frame.

    Parameters
    ----------
    tau_rise, tau_decay : float
        Time constants in seconds, ``0 < tau_rise < tau_decay``.
    fs : float
        Sampling rate in hertz.

    Returns
    -------
    g1, g2 : float
        Weights of the last two frames.
    d, r : float
        Decay per frame of the falling and of the rising part, the roots of the recursion.

    Raises
    ------
    TypeError
        If a parameter is not a number.
    ValueError
        If a parameter is not finite and above zero, or ``tau_rise >= tau_decay``.

    References
    ----------
    Friedrich, Zhou and Paninski (2017), "Fast online deconvolution of calcium imaging data",
    PLOS Computational Biology, https://doi.org/10.1371/journal.pcbi.1005423

    Examples
    --------
    >>> g1, g2, d, r = tau_to_ar2(0.02, 0.4, 30.0)
    >>> round(d, 4), round(r, 4)
    (0.92, 0.1889)
    """
    return _native.tau_to_ar2(
        as_number("tau_rise", tau_rise), as_number("tau_decay", tau_decay), as_number("fs", fs)
    )
