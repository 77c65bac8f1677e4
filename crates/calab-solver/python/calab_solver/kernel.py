"""The biexponential calcium kernel and what follows from its shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_number
from ._traces import as_real

__all__ = ["build_kernel", "compute_lipschitz", "compute_upsample_factor"]


def build_kernel(tau_rise: float, tau_decay: float, fs: float) -> NDArray[np.float32]:
    r"""Sample the peak-normalised biexponential kernel.

    .. math:: h_i \propto e^{-i / (f_s \tau_d)} - e^{-i / (f_s \tau_r)}, \qquad \max_i h_i = 1

    Parameters
    ----------
    tau_rise, tau_decay : float
        Time constants in seconds, ``0 < tau_rise < tau_decay``.
    fs : float
        Sampling rate in hertz.

    Returns
    -------
    numpy.ndarray, shape (n_samples,)
        float32. The first sample is 0; the last lies where the decay has fallen to a millionth,
        ``n_samples = max(2, ceil(13.8155 tau_decay fs))``.

    Raises
    ------
    TypeError
        If a parameter is not a number.
    ValueError
        If a parameter is not finite and above zero, ``tau_rise >= tau_decay``, or the kernel has
        more than 2**20 samples.

    Examples
    --------
    >>> kernel = build_kernel(0.02, 0.4, 30.0)
    >>> kernel.size, float(kernel[0]), float(kernel.max())
    (166, 0.0, 1.0)
    """
    kernel = _native.build_kernel(
        as_number("tau_rise", tau_rise), as_number("tau_decay", tau_decay), as_number("fs", fs)
    )
    return kernel.astype(np.float32)


def compute_lipschitz(kernel: ArrayLike) -> float:
    r"""Bound the curvature of the squared misfit of a convolution.

    .. math:: L = \max_k |\mathrm{DFT}(h)_k|^2, \qquad
              \mathrm{DFT\ of\ the\ next\ power\ of\ two\ from\ } 2 n

    is the Lipschitz constant of the gradient of :math:`\frac12 |y - h * s|^2`, so ``1 / L`` is
    the step of a proximal gradient method.

    Parameters
    ----------
    kernel : array_like, shape (n,)
        At least one sample.

    Returns
    -------
    float
        At least 1e-10, so that its inverse is usable.

    Raises
    ------
    TypeError
        If the kernel does not hold real numbers.
    ValueError
        If it is empty, has more than one axis or 2**20 samples, or holds values that are not
        finite.

    References
    ----------
    Beck and Teboulle (2009), "A fast iterative shrinkage-thresholding algorithm for linear
    inverse problems", SIAM Journal on Imaging Sciences, https://doi.org/10.1137/080716542

    Examples
    --------
    >>> compute_lipschitz([1.0, 2.0])
    9.0
    """
    samples = as_real("kernel", kernel)
    if samples.ndim != 1:
        raise ValueError(f"kernel: expected one axis, got shape {samples.shape}")
    return _native.compute_lipschitz(samples)


def compute_upsample_factor(fs: float, target_fs: float) -> int:
    """Find the whole factor that takes a sampling rate nearest to a target.

    Parameters
    ----------
    fs, target_fs : float
        Sampling rate and wanted rate in hertz.

    Returns
    -------
    int
        ``max(1, round(target_fs / fs))`` with halves rounded up.

    Raises
    ------
    TypeError
        If a rate is not a number.
    ValueError
        If a rate is not finite and above zero, or the factor reaches 2**32.

    Examples
    --------
    >>> compute_upsample_factor(30.0, 300.0)
    10
    """
    return _native.compute_upsample_factor(as_number("fs", fs), as_number("target_fs", target_fs))
