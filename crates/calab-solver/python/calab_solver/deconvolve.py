"""Deconvolution of a batch of cells, certified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_choice, as_count, as_dtype, as_number, check_progress
from ._traces import as_batch, as_segments

__all__ = ["Deconvolution", "deconvolve"]

Method = Literal["exact", "fista"]
BaselineMode = Literal["causal", "centered", "constant", "none"]

_BASELINE_MODES = ("causal", "centered", "constant", "none")
# One type for all batches, as wide as the longest rule, "no events".
_LAM_RULE = np.dtype("U9")
_TOLERANCE = {"exact": 1e-6, "fista": 1e-4}


@dataclass(frozen=True, eq=False)
class Deconvolution:
    """What :func:`deconvolve` found, one entry or row per cell.

    Attributes
    ----------
    activity : numpy.ndarray, shape (n_cells, n_frames), float64 or float32
        Non-negative activity, in units of the traces per peak-normalised kernel.
    reconvolution, removed_baseline : numpy.ndarray, shape (n_cells, n_frames), or None
        The fit to the traces as they were passed in, and what was taken off them first; None
        unless ``full``.
    baseline : numpy.ndarray, shape (n_cells,)
        Mean of the removed baseline plus ``offset``, in units of the traces.
    offset : numpy.ndarray, shape (n_cells,)
        Constant between the removed baseline and the foot of the fit.
    iterations : numpy.ndarray of int64, shape (n_cells,)
        Iterations of the method; where the exact one cut a trace into windows, of the window that
        took most.
    converged : numpy.ndarray of bool, shape (n_cells,)
        Whether ``gap`` meets the tolerance.
    gap : numpy.ndarray, shape (n_cells,)
        Certified upper bound on ``objective`` minus the optimum.
    objective : numpy.ndarray, shape (n_cells,)
        Half the squared residual over recorded frames plus the weighted sum of the activity.
    lam : numpy.ndarray, shape (n_cells,)
        The sparsity weight that was used.
    lam_rule : numpy.ndarray of str, shape (n_cells,)
        What decided it: ``"given"``, ``"target"``, ``"clamp"`` or ``"no events"``.
    noise : numpy.ndarray, shape (n_cells,)
        Standard deviation of the white noise in units of the traces; NaN where it was not needed.
    masked_fraction : numpy.ndarray, shape (n_cells,)
        Share of frames that were not recorded (NaN).
    method : str
        ``"exact"`` or ``"fista"``.
    """

    activity: NDArray[Any]
    reconvolution: NDArray[np.float64] | None
    removed_baseline: NDArray[np.float64] | None
    baseline: NDArray[np.float64]
    offset: NDArray[np.float64]
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    gap: NDArray[np.float64]
    objective: NDArray[np.float64]
    lam: NDArray[np.float64]
    lam_rule: NDArray[np.str_]
    noise: NDArray[np.float64]
    masked_fraction: NDArray[np.float64]
    method: str


def deconvolve(
    traces: ArrayLike,
    fs: float,
    tau_rise: float,
    tau_decay: float,
    lam: float | Literal["auto"] = "auto",
    *,
    max_iters: int = 2000,
    conv_mode: Literal["fft", "banded"] = "fft",
    constraint: Literal["nonneg", "box01"] = "nonneg",
    method: Method | None = None,
    tol: float | None = None,
    baseline_mode: BaselineMode = "causal",
    on_nan: Literal["mask", "raise"] = "mask",
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    dtype: Literal["float64", "float32"] | np.dtype[Any] | type[np.floating[Any]] = "float64",
    full: bool = False,
    instruction_set: str | None = None,
) -> Deconvolution:
    r"""Infer the activity behind calcium traces, to a certified distance from the optimum.

    Minimises :math:`\tfrac12\|W(y' - b - K s)\|^2 + \lambda G \sum s` over :math:`s \ge 0`, or,
    with ``constraint="box01"``, the first term alone over :math:`0 \le s \le 1`. Symbols, the exact
    method, its certificate and the automatic :math:`\lambda` are explained in
    ``docs/explanation/model.md``.

    Parameters
    ----------
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        Fluorescence in any unit; NaN marks frames that were not recorded. float32 and float64 are
        read in place, whatever their strides; the arithmetic is float64. A single trace is one
        cell.
    fs : float
        Sampling rate in hertz.
    tau_rise, tau_decay : float
        Time constants of the kernel in seconds, ``0 < tau_rise < tau_decay``.
    lam : float or "auto"
        Weight of the sum of the activity, times the kernel's sum :math:`G`; ``"auto"`` finds it per
        cell from the noise. ``"auto"`` also fits a constant offset, at least minus one noise
        standard deviation.
    max_iters : int
        Most iterations of the method.
    conv_mode : {"fft", "banded"}
        How ``method="fista"`` convolves; ``"banded"`` without ``method`` means fista.
    constraint : {"nonneg", "box01"}
        Range of the activity. A box has no weight on the sum, whatever ``lam`` is.
    method : {"exact", "fista"}, optional
        Interior point (default), or the accelerated proximal gradient method.
    tol : float, optional
        Certified means ``gap <= max(tol * objective, tol**2 * objective of no fit)``; 1e-6 by
        default, 1e-4 for fista.
    baseline_mode : {"causal", "centered", "constant", "none"}
        What is taken off first: the sliding 20 % quantile over the past, or over past and future
        and corrected for the noise; or a constant, fitted with the activity and at least the
        20 % quantile of the trace minus one noise standard deviation; or nothing.
    on_nan : {"mask", "raise"}
        Whether NaN marks a frame that was not recorded, or is refused.
    segments : sequence of int, optional
        Frames at which joined recordings start. Calcium, baseline and noise windows begin anew.
    n_threads : int, optional
        Threads; as many as the process may use by default. The result does not depend on it.
    progress : callable, optional
        Called with the number of cells done and in total.
    dtype : {"float64", "float32"}, or the NumPy type of that name
        Type of ``activity``.
    full : bool
        Also return ``reconvolution``, ``removed_baseline`` and ``noise``.
    instruction_set : str, optional
        One of :func:`instruction_sets`, for tests; the best by default. The result does not depend
        on it.

    Returns
    -------
    Deconvolution

    Raises
    ------
    ValueError
        For a parameter out of range, an unknown option, an infinite sample, a NaN with
        ``on_nan="raise"``, or traces with neither one nor two axes; the message says what was
        expected, what came and where.
    TypeError
        For traces or parameters that are not numbers.
    KeyboardInterrupt
        On Ctrl-C, within about a twentieth of a second plus one iteration.

    References
    ----------
    Friedrich J, Zhou P, Paninski L (2017). Fast online deconvolution of calcium imaging data.
    PLOS Computational Biology 13:e1005423, doi:10.1371/journal.pcbi.1005423 (the problem).
    Mehrotra S (1992). On the implementation of a primal-dual interior point method. SIAM Journal on
    Optimization 2:575-601, doi:10.1137/0802028 (the exact method).
    """
    implied = "fista" if conv_mode == "banded" else "exact"
    method_used = as_choice("method", implied if method is None else method, ("exact", "fista"))
    as_choice("conv_mode", conv_mode, ("fft", "banded"))
    boxed = as_choice("constraint", constraint, ("nonneg", "box01")) == "box01"
    check_progress(progress)
    if instruction_set is not None:
        as_choice("instruction_set", instruction_set, tuple(_native.instruction_sets()))
    weight = _weight(lam, boxed)
    batch = as_batch(
        "traces", traces, gaps=as_choice("on_nan", on_nan, ("mask", "raise")) == "mask"
    )
    answer = _native.deconvolve(
        batch,
        as_number("fs", fs),
        as_number("tau_rise", tau_rise),
        as_number("tau_decay", tau_decay),
        weight,
        method="exact" if method_used == "exact" else conv_mode,
        boxed=boxed,
        baseline=as_choice("baseline_mode", baseline_mode, _BASELINE_MODES),
        segments=as_segments(segments),
        tol=_TOLERANCE[method_used] if tol is None else _tolerance(tol),
        max_iters=as_count("max_iters", max_iters, 0),
        single=as_dtype("dtype", dtype) == "float32",
        full=full,
        n_threads=None if n_threads is None else as_count("n_threads", n_threads, 1),
        level=instruction_set,
        progress=progress,
    )
    found = _named(answer, method_used)
    return found if batch.shape[1] else _without_frames(found, 0.0 if boxed else weight)


def _named(answer: tuple[Any, Any, Any], method: str) -> Deconvolution:
    activity, fit, columns = answer
    reconvolution, removed_baseline = fit or (None, None)
    baseline, offset, iterations, converged, gap, objective, lams, rules, noise, masked = columns
    return Deconvolution(
        activity=activity,
        reconvolution=reconvolution,
        removed_baseline=removed_baseline,
        baseline=baseline,
        offset=offset,
        iterations=iterations,
        converged=converged,
        gap=gap,
        objective=objective,
        lam=lams,
        lam_rule=np.array(rules, dtype=_LAM_RULE),
        noise=noise,
        masked_fraction=masked,
        method=method,
    )


def _without_frames(found: Deconvolution, weight: float | None) -> Deconvolution:
    # Nothing was missed either: the optimum of an empty sum is 0, exactly.
    zero = np.zeros(found.baseline.size)
    return replace(
        found,
        baseline=zero,
        offset=zero.copy(),
        converged=np.ones(zero.size, dtype=np.bool_),
        gap=zero.copy(),
        objective=zero.copy(),
        lam=np.full(zero.size, np.nan if weight is None else weight),
        lam_rule=np.full(zero.size, "no events" if weight is None else "given", dtype=_LAM_RULE),
        masked_fraction=zero.copy(),
    )


def _tolerance(tol: float) -> float:
    tolerance = as_number("tol", tol)
    if not 0 < tolerance < 1:
        raise ValueError(f"tol: expected a number between 0 and 1, got {tolerance}")
    return tolerance


def _weight(lam: float | str, boxed: bool) -> float | None:
    if not isinstance(lam, str):
        return as_number("lam", lam)
    if lam != "auto":
        raise ValueError(f"lam: expected a number or 'auto', got {lam!r}")
    if boxed:
        raise ValueError("lam: 'auto' needs constraint='nonneg'; 'box01' has no weight to choose")
    return None
