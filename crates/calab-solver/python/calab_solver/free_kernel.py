"""The kernel of a recording in free form, from traces and spikes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_count, as_number
from ._traces import as_real

__all__ = ["estimate_kernel"]


def estimate_kernel(
    traces_flat: ArrayLike,
    spikes_flat: ArrayLike,
    trace_lengths: ArrayLike,
    alphas: ArrayLike,
    baselines: ArrayLike,
    kernel_length: int,
    *,
    max_iters: int = 200,
    tol: float = 1e-4,
    warm_kernel: ArrayLike | None = None,
    smooth_lambda: float = 0.0,
    upsample_factor: int = 1,
) -> NDArray[np.float32]:
    r"""Estimate the response to one spike, without a formula for its shape.

    .. math:: \min_{h \ge 0} \; \frac12 \sum_j \Bigl| S_j h - \frac{y_j - b_j}{\alpha_j} \Bigr|^2
              + \lambda \sum_i |h_{i+1} - h_i|

    where :math:`S_j` is the causal convolution with the spikes of trace :math:`j`: a spike acts
    from its own frame on, with :math:`h_0`, and never on another trace.

    Parameters
    ----------
    traces_flat : array_like, shape (n_samples,)
        All traces end to end, in any unit; NaN, and what a masked array masks, marks samples that
        were not observed, which are left out.
    spikes_flat : array_like, shape (n_samples * upsample_factor,)
        Spikes of the same traces, at least 0; `upsample_factor` bins for each frame.
    trace_lengths : array_like of int, shape (n_traces,)
        Frames of each trace.
    alphas : array_like, shape (n_traces,)
        Amplitude of one spike in each trace. A trace with :math:`|\alpha| < 10^{-20}` says nothing
        about the kernel and is left out.
    baselines : array_like, shape (n_traces,)
        Constant under each trace.
    kernel_length : int
        Samples of the kernel: frames, or bins with `upsample_factor`. At most 2**20, of which the
        traces may reach 4096.
    max_iters : int
        Most iterations of the interior point; about 15 are needed.
    tol : float
        Accuracy, at least 0. The result is certified to lie so near the optimum that its fit
        differs from the optimal one by at most ``tol / 100`` of its own norm.
    warm_kernel : array_like, optional
        Accepted and not used: the optimum does not depend on a start.
    smooth_lambda : float
        Weight :math:`\lambda` of the total variation, at least 0, in the units of the squared
        misfit: of the traces divided by `alphas`.
    upsample_factor : int
        Bins per frame :math:`u`. Frame :math:`i` is the sample at bin :math:`i u`, and the spike
        of bin :math:`k` reaches it with :math:`h_{i u - k}`: spikes at different places within
        their frames show a rise that is faster than a frame.

    Returns
    -------
    numpy.ndarray, shape (kernel_length,)
        float32, not normalised. A lag that no spike shows in any observed frame is 0, or with
        `smooth_lambda` whatever varies least.

    Warns
    -----
    RuntimeWarning
        If `max_iters` did not suffice for the tolerance.

    Raises
    ------
    TypeError
        If an array does not hold real numbers, or a scalar is not a number of its kind.
    ValueError
        If the arrays do not belong together, a value is infinite, a spike negative, or a parameter
        out of range.

    Notes
    -----
    All that the traces say is gathered once in the normal equations, at a cost of the pairs of
    spikes that lie within a kernel's length of each other, and of what each spike adds to the
    frames behind it; the problem is then solved by a primal-dual interior-point method whose
    duality gap bounds the distance to the optimum. Each of its steps solves two systems of the
    kernel's length by some tens of products, at the square of the length, whatever the number of
    samples; how many depends on how evenly the spikes are spread. (Kernels below 500 samples, and
    spikes that all but repeat themselves at every lag, take a factor instead.) Nothing is scaled
    by steps, so that `smooth_lambda` weighs in the formula above as written.

    References
    ----------
    Rudin, Osher and Fatemi (1992), "Nonlinear total variation based noise removal algorithms",
    Physica D, https://doi.org/10.1016/0167-2789(92)90242-F

    Hestenes and Stiefel (1952), "Methods of conjugate gradients for solving linear systems",
    Journal of Research of the National Bureau of Standards, https://doi.org/10.6028/jres.049.044

    Mehrotra (1992), "On the implementation of a primal-dual interior point method", SIAM Journal
    on Optimization, https://doi.org/10.1137/0802028

    Examples
    --------
    >>> estimate_kernel([0, 2, 1, 0], [0, 1, 0, 0], [4], [1.0], [0.0], 3).round(4).tolist()
    [2.0, 1.0, 0.0]
    """
    traces = _as_axis("traces_flat", traces_flat)
    spikes = _as_axis("spikes_flat", spikes_flat)
    if warm_kernel is not None:
        as_real("warm_kernel", warm_kernel)
    kernel, gap, iterations, converged = _native.estimate_kernel(
        traces,
        spikes,
        _as_lengths(trace_lengths),
        _as_axis("alphas", alphas),
        _as_axis("baselines", baselines),
        as_count("kernel_length", kernel_length, 1),
        upsample=as_count("upsample_factor", upsample_factor, 1),
        smooth_lambda=as_number("smooth_lambda", smooth_lambda),
        tol=as_number("tol", tol),
        max_iters=as_count("max_iters", max_iters, 1),
    )
    if not converged:
        message = (
            f"the kernel lies within {gap:.2g} of the least objective after {iterations} steps"
        )
        warnings.warn(f"{message}, not within the tolerance", RuntimeWarning, stacklevel=2)
    with np.errstate(over="ignore"):
        single = kernel.astype(np.float32)
    if not np.isfinite(single).all():
        raise ValueError("alphas: expected a kernel that float32 holds, got samples beyond it")
    return single


def _as_axis(name: str, values: ArrayLike) -> NDArray[np.float64]:
    # np.asarray makes an empty list float64, so that no traces are no error.
    array = as_real(name, values)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected one axis, got shape {array.shape}")
    return array


def _as_lengths(values: ArrayLike) -> list[int]:
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"trace_lengths: expected one axis, got shape {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"trace_lengths: expected whole numbers, got dtype {array.dtype}")
    if array.size and array.min() < 0:
        raise ValueError(f"trace_lengths: expected at least 0, got {array.min()}")
    return [int(length) for length in array]
