"""Functions of other tools, with their arguments and results, on CaLab's exact solver."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from calab_solver import noise_level
from calab_solver._parameters import as_count, as_flag, as_number
from calab_solver._traces import as_traces
from numpy.typing import ArrayLike, NDArray

from ._ar import Transient, estimate_transient, transient_of
from ._constrained import Fit, Problem, as_good_as_noise, solve

__all__ = ["DeconvolveResult", "deconvolve"]

#: Arguments that steer the search of OASIS, which an exact solution does not need.
WITHOUT_EFFECT = frozenset({"decimate", "max_iter", "shift", "tol", "window"})


class DeconvolveResult(NamedTuple):
    """What `deconvolve` returns, a tuple of five.

    Attributes
    ----------
    c : numpy.ndarray, shape (n_frames,), float64
        Calcium without baseline and noise, in units of the trace.
    s : numpy.ndarray, shape (n_frames,), float64
        Activity, at least 0: what is added to the calcium in each frame, in units of the trace,
        but 0 where that is not told from calcium from before, as in OASIS: in the first frame
        with one coefficient, and in the first two with two coefficients and ``penalty=None``.
    b : float
        Baseline, in units of the trace.
    g : float or tuple of float
        Coefficients: a number for one, a tuple of two.
    lam : float
        Weight of the activity's sum, in units of the trace.
    """

    c: NDArray[np.float64]
    s: NDArray[np.float64]
    b: float
    g: float | tuple[float, ...]
    lam: float


def deconvolve(
    y: ArrayLike,
    *,
    tau_d: float | None = None,
    tau_r: float | None = 0.0,
    framerate: float | None = None,
    g: float | Sequence[float | None] = (None,),
    sn: float | None = None,
    b: float | None = None,
    b_nonneg: bool = True,
    optimize_g: int = 0,
    penalty: int | None = 1,
    **kwargs: Any,
) -> DeconvolveResult:
    r"""Infer activity from one trace as `oasis.functions.deconvolve` does, exactly.

    .. math:: \min_{s \ge 0,\, b} \sum_t s_t \quad \text{subject to} \quad
              \|y - c - b\|^2 \le \sigma^2 T, \qquad
              c_t = g_1 c_{t-1} + g_2 c_{t-2} + s_t

    All but the trace is given by name: the second argument is `tau_d` in OASIS 0.3.2 and was `g`
    in releases before, and a number would be taken for either.

    Parameters
    ----------
    y : array_like, shape (n_frames,)
        Fluorescence in any unit; NaN marks frames that were not recorded, which do not count in T.
    tau_d : float, optional
        Decay in seconds, from which `g` then comes.
    tau_r : float, optional
        Rise in seconds, 0 for none. None, without `tau_d`, estimates two coefficients.
    framerate : float, optional
        Sampling rate in hertz, needed for `tau_d`.
    g : tuple of one or two floats, or float
        Coefficients per frame. ``(None,)`` or ``(None, None)`` estimates one or two from the
        autocovariance.
    sn : float, optional
        Standard deviation of the noise, above 0; by default measured in the upper half of the
        spectrum, as `calab.noise_level` does.
    b : float, optional
        Baseline; by default the one that fits best.
    b_nonneg : bool
        Whether a baseline that is fitted must be at least 0.
    optimize_g : int
        Only 0. `calab.run_cadecon` finds the transient of a recording.
    penalty : {1, None}
        1 for the problem above. None minimises :math:`\tfrac12 \|y - c - b\|^2 + \lambda \sum s`
        with the `lam` that is given, and the baseline `b`, 0 by default.
    **kwargs
        ``lam``, with ``penalty=None``: weight of the activity, default 0. ``decimate``,
        ``max_iter``, ``shift``, ``tol`` and ``window``, which steer the search of OASIS, are taken
        and have no effect.

    Returns
    -------
    DeconvolveResult
        A tuple ``c, s, b, g, lam``. The recursion holds in every frame but those at the start in
        which `s` is 0 for what came before. `lam` is the multiplier of the constraint. Where no
        activity is needed it is the least that gives none; where none suffices, the fit is as good
        as it can be.

    Raises
    ------
    ValueError
        For a trace or a parameter out of range, ``penalty=0`` or an `optimize_g` above 0, or
        coefficients of a response that oscillates, grows or changes its sign.
    TypeError
        For what is no number, or an argument that is not known.

    Warns
    -----
    UserWarning
        If the trace shows no transients from which coefficients could be estimated.

    Notes
    -----
    Estimated coefficients are those of the autocovariance, not made smaller, and `optimize_g` is
    refused rather than imitated, since the least activity prefers transients that are too slow.

    References
    ----------
    Friedrich J, Zhou P, Paninski L (2017). Fast online deconvolution of calcium imaging data.
    PLOS Computational Biology 13:e1005423, doi:10.1371/journal.pcbi.1005423 (the problem).
    Pnevmatikakis EA et al. (2016). Simultaneous denoising, deconvolution, and demixing of calcium
    imaging data. Neuron 89:285-299, doi:10.1016/j.neuron.2015.11.037 (the coefficients).

    Examples
    --------
    >>> c, s, b, g, lam = deconvolve([0, 0, 1, 0.5, 0.25, 0.125], g=(0.5,), penalty=None)
    >>> s.round(3)
    array([0., 0., 1., 0., 0., 0.])
    """
    trace = _trace(y)
    lam = _options(optimize_g, penalty, kwargs)
    is_nonneg = as_flag("b_nonneg", b_nonneg)
    baseline = None if b is None else _finite("b", b)
    given = _coefficients(g, tau_d, tau_r, framerate)
    noise = _noise(sn, trace)
    transient = (
        estimate_transient(trace, noise, len(given)) if None in given else transient_of(given)  # type: ignore[arg-type]
    )
    if lam is None:
        problem = Problem(trace, transient, baseline, 0.0 if is_nonneg else -math.inf)
        # With two coefficients OASIS counts calcium from before as activity here, and only here.
        unsaid = 1 if len(transient.coefficients) == 1 else 0
        return _result(as_good_as_noise(problem, noise), transient, unsaid)
    found = solve(Problem(trace, transient, baseline or 0.0, 0.0), lam)
    return _result(found, transient, len(transient.coefficients))


def _result(found: Fit, transient: Transient, unsaid: int) -> DeconvolveResult:
    """Return a fit, of whose first frames the activity is not said."""
    coefficients = transient.coefficients
    g = coefficients[0] if len(coefficients) == 1 else coefficients
    activity = found.activity.copy()
    activity[:unsaid] = 0.0
    return DeconvolveResult(found.calcium, activity, found.baseline, g, found.lam)


def _trace(y: ArrayLike) -> NDArray[np.float64]:
    if np.ndim(y) != 1:
        raise ValueError(f"y: expected one trace, got shape {np.shape(y)}; call it for each cell")
    trace: NDArray[np.float64] = as_traces("y", y)[0]
    if np.isnan(trace).all():
        raise ValueError(f"y: expected recorded frames, got none among {trace.size}")
    return trace


def _options(optimize_g: int, penalty: int | None, kwargs: dict[str, Any]) -> float | None:
    """Check what is wanted; return the weight if it is fixed."""
    if as_count("optimize_g", optimize_g, 0):
        raise ValueError(
            f"optimize_g: expected 0, got {optimize_g}; calab.run_cadecon finds the transient of "
            "a recording, whose tau_d and tau_r can be given here"
        )
    if penalty is not None and as_number("penalty", penalty) != 1:
        why = "counting events (0) is not convex, so that no solution can be certified"
        raise ValueError(f"penalty: expected 1 or None, got {penalty}; {why}")
    lam = _finite("lam", kwargs.pop("lam", 0.0)) if penalty is None else None
    if lam is not None and lam < 0:
        raise ValueError(f"lam: expected at least 0, got {lam}")
    unknown = sorted(set(kwargs) - WITHOUT_EFFECT)
    if unknown:
        hint = "; lam needs penalty=None" if unknown == ["lam"] else ""
        raise TypeError(f"deconvolve: there is no argument {', '.join(unknown)}{hint}")
    return lam


def _noise(sn: float | None, trace: NDArray[np.float64]) -> float:
    if sn is None:
        # The rate decides only how long the windows are; the shortest ones pass over most.
        return float(noise_level(trace, 1.0))
    return _above("sn", sn)


def _coefficients(
    g: float | Sequence[float | None],
    tau_d: float | None,
    tau_r: float | None,
    framerate: float | None,
) -> tuple[float | None, ...]:
    """Return coefficients, or as many None as are to be estimated."""
    if tau_d is not None:
        return _of_seconds(tau_d, 0.0 if tau_r is None else tau_r, framerate)
    if tau_r is None:
        return (None, None)
    if _finite("tau_r", tau_r) != 0:
        raise ValueError(f"tau_r: expected tau_d with it, got {tau_r} s alone")
    given: tuple[Any, ...] = (g,) if np.ndim(g) == 0 else tuple(np.asarray(g, dtype=object))  # type: ignore[arg-type]
    missing = sum(value is None for value in given)
    if len(given) not in (1, 2) or missing not in (0, len(given)):
        raise ValueError(f"g: expected one or two numbers, or as many None, got {g}")
    return given if missing else tuple(_finite("g", value) for value in given)


def _of_seconds(tau_d: float, tau_r: float, framerate: float | None) -> tuple[float, ...]:
    if framerate is None:
        raise ValueError("framerate: expected the sampling rate in Hz, which tau_d needs, got None")
    rate, decay = _above("framerate", framerate), _above("tau_d", tau_d)
    d = math.exp(-1 / (rate * decay))
    if _finite("tau_r", tau_r) == 0:
        return (d,)
    r = math.exp(-1 / (rate * _above("tau_r", tau_r)))
    return (d + r, -d * r)


def _above(name: str, value: float) -> float:
    number = _finite(name, value)
    if not number > 0:
        raise ValueError(f"{name}: expected a number above 0, got {number}")
    return number


def _finite(name: str, value: float) -> float:
    number = as_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected a finite number, got {number}")
    return number
