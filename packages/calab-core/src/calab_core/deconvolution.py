"""Neural activity from calcium traces: the documented functions over the batched solver.

The model, its symbols and both methods are explained in ``docs/explanation/model.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from calab_solver import Deconvolution, deconvolve
from numpy.typing import ArrayLike, NDArray

from .blockwise import in_memory, infer, is_elsewhere, is_streamed, loaded, stream
from .labelled import warn_of_another_rate
from .result import DeconvolutionDetails, DeconvolutionResult
from .slabs import MakeSink, Sink

__all__ = ["run_deconvolution", "run_deconvolution_full"]


def run_deconvolution(
    traces: ArrayLike,
    fs: float,
    tau_r: float,
    tau_d: float,
    lam: float | Literal["auto"],
    max_iters: int = 2000,
    conv_mode: Literal["fft", "banded"] = "fft",
    constraint: Literal["nonneg", "box01"] = "nonneg",
    *,
    method: Literal["exact", "fista"] | None = None,
    tol: float | None = None,
    baseline_mode: Literal["causal", "centered", "constant", "none"] = "causal",
    on_nan: Literal["mask", "raise"] = "mask",
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    dtype: Literal["float64", "float32"] | np.dtype[Any] | type[np.floating[Any]] = "float64",
    out: Sink | None = None,
) -> NDArray[Any]:
    r"""Infer the activity behind calcium traces, to a certified distance from the optimum.

    .. math:: \min_{s \ge 0} \tfrac12 \| W (y' - K s) \|^2 + \lambda G_0 \sum_t s_t

    with :math:`y'` the trace without its baseline, :math:`K` the convolution by the peak-normalised
    biexponential kernel, :math:`G_0` the kernel's sum and :math:`W` 1 at recorded frames, else 0.

    Parameters
    ----------
    traces : array_like, shape (n_frames,) or (n_cells, n_frames)
        Fluorescence in any unit. NaN marks frames that were not recorded. float32 and float64 are
        read in place, whatever their strides; the arithmetic is float64. Arrays of h5py, zarr and
        `calab_io.read` are read some cells at a time. Those of dask and xarray (with a dimension
        named ``frame`` or ``time``) give one of their kind, lazily where they are lazy.
    fs : float
        Sampling rate in hertz.
    tau_r, tau_d : float
        Rise and decay time constants in seconds, ``0 < tau_r < tau_d``.
    lam : float or "auto"
        Sparsity weight, in units of the traces; it is multiplied by the kernel's sum. ``"auto"``
        finds it per cell from the noise, and fits a constant offset of at least minus one noise
        standard deviation.
    max_iters : int
        Most iterations of the method.
    conv_mode : {"fft", "banded"}
        How ``method="fista"`` convolves; ``"banded"`` without `method` means fista.
    constraint : {"nonneg", "box01"}
        Range of the activity, from 0 up or from 0 to 1. The box has no sparsity term, whatever
        `lam` is.
    method : {"exact", "fista"}, optional
        Interior point (default), or the accelerated proximal gradient method.
    tol : float, optional
        Certified means ``gap <= max(tol * objective, tol**2 * objective of no activity)``; 1e-6
        by default, 1e-4 for fista.
    baseline_mode : {"causal", "centered", "constant", "none"}
        What is taken off first: the sliding 20 % quantile over the past, or over past and future
        and corrected for the noise; or a constant, fitted with the activity and at least the
        20 % quantile of the trace minus one noise standard deviation; or nothing.
    on_nan : {"mask", "raise"}
        Whether NaN marks a frame that was not recorded, or is refused.
    segments : sequence of int, optional
        Frames at which joined recordings start. Calcium, baseline and noise windows begin anew.
    n_threads : int, optional
        Threads; by default as many as the process may use. The result does not depend on it.
    progress : callable, optional
        Called in this thread with the number of cells done and in total.
    dtype : {"float64", "float32"}, or the NumPy type of that name
        Type of the activity.
    out : array of NumPy, h5py or zarr, shape of `traces`, optional
        Where the activity is written, some cells at a time; it is then what is returned. With an
        `out` that is not in memory, memory does not grow with the number of cells.

    Returns
    -------
    numpy.ndarray, shape of `traces`
        Activity, at least 0: the height of the calcium transient that starts in each frame. An
        array of dask or xarray for one of these.

    Raises
    ------
    ValueError
        For a parameter out of range, an unknown option, an infinite sample, a NaN with
        ``on_nan="raise"``, or traces with neither one nor two axes; the message says what was
        expected, what came and where.
    TypeError
        For traces or parameters that are not numbers (booleans are not).
    KeyboardInterrupt
        On Ctrl-C, within about a twentieth of a second plus one iteration.

    See Also
    --------
    run_deconvolution_full : Also the fit, the baseline and the certificate.

    References
    ----------
    Friedrich J, Zhou P, Paninski L (2017). Fast online deconvolution of calcium imaging data.
    PLOS Computational Biology 13:e1005423, doi:10.1371/journal.pcbi.1005423 (the problem).
    Mehrotra S (1992). On the implementation of a primal-dual interior point method. SIAM Journal on
    Optimization 2:575-601, doi:10.1137/0802028 (the exact method).
    Beck A, Teboulle M (2009). A fast iterative shrinkage-thresholding algorithm for linear inverse
    problems. SIAM Journal on Imaging Sciences 2:183-202, doi:10.1137/080716542 (fista).

    Examples
    --------
    >>> run_deconvolution([0, 0, 0, 1, 0, 0], 30.0, 0.001, 0.002, 0.0).round(3)
    array([0., 0., 1., 0., 0., 0.])
    """
    options: dict[str, Any] = {
        "fs": fs,
        "tau_rise": tau_r,
        "tau_decay": tau_d,
        "lam": lam,
        "max_iters": max_iters,
        "conv_mode": conv_mode,
        "constraint": constraint,
        "method": method,
        "tol": tol,
        "baseline_mode": baseline_mode,
        "on_nan": on_nan,
        "segments": segments,
        "n_threads": n_threads,
        "dtype": dtype,
    }
    warn_of_another_rate(traces, fs)
    with _documented_names():
        if out is not None or is_elsewhere(traces):
            inferred: NDArray[Any] = infer(traces, options, out=out, progress=progress)
            return inferred
        found = deconvolve(traces, **options, progress=progress)
    return found.activity.reshape(np.shape(traces))


def run_deconvolution_full(
    traces: ArrayLike,
    fs: float,
    tau_r: float,
    tau_d: float,
    lam: float | Literal["auto"],
    max_iters: int = 2000,
    conv_mode: Literal["fft", "banded"] = "fft",
    constraint: Literal["nonneg", "box01"] = "nonneg",
    *,
    method: Literal["exact", "fista"] | None = None,
    tol: float | None = None,
    baseline_mode: Literal["causal", "centered", "constant", "none"] = "causal",
    on_nan: Literal["mask", "raise"] = "mask",
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    dtype: Literal["float64", "float32"] | np.dtype[Any] | type[np.floating[Any]] = "float64",
    out: MakeSink | None = None,
) -> DeconvolutionResult:
    """Infer the activity, and return the fit, the baseline and the certificate with it.

    Parameters
    ----------
    traces, fs, tau_r, tau_d, lam, max_iters, conv_mode, constraint
        As in `run_deconvolution`.
    method, tol, baseline_mode, on_nan, segments, n_threads, progress, dtype
        As in `run_deconvolution`.
    out : callable, optional
        Makes the arrays that hold ``"activity"``, ``"reconvolution"`` and ``"removed_baseline"``,
        given this name, the shape, the NumPy type, and the cells that are written at a time, as
        for `run_cadecon`. Then some cells are worked on at a time, and memory does not grow with
        their number but for a few numbers of each.

    Returns
    -------
    DeconvolutionResult
        A tuple of `activity` and `reconvolution` in the shape of `traces`, and of `baseline`,
        `iterations` and `converged`: a number each for a single trace, an array of shape
        (n_cells,) for several. What else is known is in its attribute `details`. The fit and the
        baseline describe the traces as they were passed in.

    Raises
    ------
    ValueError
        As `run_deconvolution`.
    TypeError
        As `run_deconvolution`.
    KeyboardInterrupt
        As `run_deconvolution`.
    """
    options: dict[str, Any] = {
        "fs": fs,
        "tau_rise": tau_r,
        "tau_decay": tau_d,
        "lam": lam,
        "max_iters": max_iters,
        "conv_mode": conv_mode,
        "constraint": constraint,
        "method": method,
        "tol": tol,
        "baseline_mode": baseline_mode,
        "on_nan": on_nan,
        "segments": segments,
        "n_threads": n_threads,
        "dtype": dtype,
    }
    warn_of_another_rate(traces, fs)
    with _documented_names():
        if out is not None or is_streamed(traces):
            made = in_memory if out is None else out
            return _as_result(stream(traces, options, made, progress, full=True), single=False)
        plain = loaded(traces)
        found = deconvolve(plain, **options, progress=progress, full=True)
    return _as_result(found, single=np.ndim(plain) == 1)


def _as_result(found: Deconvolution, *, single: bool) -> DeconvolutionResult:
    def per_cell(values: NDArray[Any]) -> Any:
        return values[0].item() if single else values

    def per_frame(values: NDArray[Any] | None) -> NDArray[Any]:
        assert values is not None, "a full deconvolution returns the fit"
        return values[0] if single else values

    details = DeconvolutionDetails(
        gap=per_cell(found.gap),
        objective=per_cell(found.objective),
        lam=per_cell(found.lam),
        lam_rule=per_cell(found.lam_rule),
        noise=per_cell(found.noise),
        masked_fraction=per_cell(found.masked_fraction),
        removed_baseline=per_frame(found.removed_baseline),
        offset=per_cell(found.offset),
        method=found.method,
    )
    return DeconvolutionResult(
        activity=per_frame(found.activity),
        baseline=per_cell(found.baseline),
        reconvolution=per_frame(found.reconvolution),
        iterations=per_cell(found.iterations),
        converged=per_cell(found.converged),
        details=details,
    )


@contextmanager
def _documented_names() -> Iterator[None]:
    """Name the time constants in errors as the documented functions name them."""
    try:
        yield
    except (TypeError, ValueError) as error:
        message = str(error)
        if message.startswith(("tau_rise:", "tau_decay:")):
            error.args = (message.replace("tau_rise", "tau_r").replace("tau_decay", "tau_d"),)
        raise
