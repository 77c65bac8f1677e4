"""The least activity that explains a trace up to its noise, by exact solutions for many weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from calab_solver import deconvolve
from numpy.typing import NDArray

from ._ar import Transient

__all__ = ["Fit", "Problem", "as_good_as_noise", "solve"]

Array = NDArray[np.float64]

#: Certified distance to the optimum of each solution, finer than usual, since the weight is found
#: from its residual.
TOLERANCE = 1e-9
#: Share of the allowed sum of squares to which it is met.
MET = 1e-6
#: Mean residual, in standard deviations of the noise, that is none.
BALANCED = 1e-5
#: Least weight, as a share of that from which on there is no activity: what stands for none.
LEAST = 1e-6
#: Factor by which a weight is lowered until it is too low, and the first one, in noises of a
#: matched filter.
STEP, FIRST = 4.0, 2.0
#: Most solutions in the search of one number.
MOST = 60


@dataclass(frozen=True, eq=False)
class Problem:
    """A trace, the shape of its transients, and what is known of its baseline.

    Attributes
    ----------
    trace : numpy.ndarray, shape (n_frames,), float64
        NaN marks frames that were not recorded.
    transient : Transient
        The response to activity.
    baseline : float or None
        Baseline in units of the trace; None for the one that fits best.
    lowest : float
        Least value of one that is fitted.
    """

    trace: Array
    transient: Transient
    baseline: float | None
    lowest: float

    @property
    def n_seen(self) -> int:
        """Frames that were recorded."""
        return int(np.count_nonzero(~np.isnan(self.trace)))


@dataclass(frozen=True, eq=False)
class Fit:
    """An optimum.

    Attributes
    ----------
    calcium, activity : numpy.ndarray, shape (n_frames,), float64
        In units of the trace, without baseline.
    baseline : float
        Of the fit, in units of the trace.
    lam : float
        Weight of the activity's sum.
    squares, balance : float
        Sum of squares of the residual, and its sum.
    """

    calcium: Array
    activity: Array
    baseline: float
    lam: float
    squares: float
    balance: float


class _Point(NamedTuple):
    x: float
    value: float
    fit: Fit


def as_good_as_noise(problem: Problem, noise: float) -> Fit:
    r"""Minimise :math:`\sum s` subject to :math:`|y - c - b|^2 \le \sigma^2 n`.

    The residual of the penalised problem grows with its weight, and between weights at which
    activity appears or vanishes it is linear in the square of the weight, in which a secant
    therefore is soon there.

    Parameters
    ----------
    problem : Problem
        What is to be explained.
    noise : float
        Standard deviation of the noise.

    Returns
    -------
    Fit
        Its weight is the multiplier of the constraint; without activity, the least weight that
        has none. Where no activity fits that well, the best fit.

    References
    ----------
    Friedrich J, Zhou P, Paninski L (2017). Fast online deconvolution of calcium imaging data.
    PLOS Computational Biology 13:e1005423, doi:10.1371/journal.pcbi.1005423 (the problem).
    """
    found = _search(problem, noise)
    if problem.baseline is None and found.baseline < problem.lowest:
        return _search(replace(problem, baseline=problem.lowest), noise)
    even = BALANCED * noise * problem.n_seen
    if problem.baseline is not None or found.balance >= -even:
        return found
    # The solver keeps the baseline above a quantile of the trace, and this one wants to go below.
    return _lower_baseline(problem, noise, found, even)


def _search(problem: Problem, noise: float) -> Fit:
    """Find the weight with which the residual is that of the noise."""
    silent = _silent(problem)
    allowed = noise**2 * problem.n_seen
    if silent.squares <= allowed or silent.lam == 0:
        return silent

    def evaluate(square: float) -> _Point:
        found = solve(problem, float(np.sqrt(square)))
        return _Point(square, found.squares - allowed, found)

    high = _Point(silent.lam**2, silent.squares - allowed, silent)
    least = (LEAST * silent.lam) ** 2
    first = max(min(FIRST * noise * problem.transient.norm, silent.lam / STEP) ** 2, least)
    low = evaluate(first)
    while low.value > 0 and low.x > least:
        high, low = low, evaluate(max(low.x / STEP**2, least))
    return low.fit if low.value > 0 else _crossing(evaluate, low, high, MET * allowed).fit


def _silent(problem: Problem) -> Fit:
    """Return the fit without activity, and the least weight that gives it."""
    seen = ~np.isnan(problem.trace)
    baseline = problem.baseline
    if baseline is None:
        baseline = float(problem.trace[seen].mean())
    residual = np.where(seen, problem.trace - baseline, 0.0)
    none = np.zeros(problem.trace.size)
    lam = problem.transient.pull(residual)
    return Fit(none, none.copy(), baseline, lam, float(residual @ residual), float(residual.sum()))


def solve(problem: Problem, lam: float) -> Fit:
    r"""Minimise :math:`\tfrac12 |y - c - b|^2 + \lambda \sum s`.

    Parameters
    ----------
    problem : Problem
        What is to be explained. A baseline that is not known is fitted, not below what the solver
        allows, which is a quantile of the trace less its noise.
    lam : float
        Weight of the activity's sum.

    Returns
    -------
    Fit
    """
    transient, baseline = problem.transient, problem.baseline
    # Activity of the solver acts a frame later, where calcium starts at 0: with a frame before the
    # first one that was not recorded, activity acts in its own frame, the first one included.
    padded = np.concatenate([[np.nan], problem.trace - (baseline or 0.0)])
    found = deconvolve(
        padded,
        1.0,
        transient.tau_rise,
        transient.tau_decay,
        lam * (1 - transient.decay) * (1 - transient.rise),
        baseline_mode="constant" if baseline is None else "none",
        tol=TOLERANCE,
        full=True,
    )
    assert found.reconvolution is not None, "a full deconvolution returns the fit"
    calcium = found.reconvolution[0, 1:] - found.baseline[0]
    # The solver's transients have peak 1, these start with 1.
    activity = found.activity[0, :-1] / transient.peak
    level = float(found.baseline[0]) if baseline is None else baseline
    residual = problem.trace - level - calcium
    return Fit(
        calcium, activity, level, lam, float(np.nansum(residual**2)), float(np.nansum(residual))
    )


def _lower_baseline(problem: Problem, noise: float, start: Fit, even: float) -> Fit:
    """Find the baseline below that of a fit at which the residual sums to 0."""

    def evaluate(baseline: float) -> _Point:
        found = _search(replace(problem, baseline=baseline), noise)
        return _Point(baseline, found.balance, found)

    high = _Point(start.baseline, start.balance, start)
    step = float(np.sqrt(start.squares / problem.n_seen))
    low = evaluate(max(high.x - step, problem.lowest))
    while low.value < 0 and low.x > problem.lowest:
        step *= 2
        high, low = low, evaluate(max(low.x - step, problem.lowest))
    return low.fit if low.value < 0 else _crossing(evaluate, low, high, even).fit


def _crossing(
    evaluate: Callable[[float], _Point], low: _Point, high: _Point, close: float
) -> _Point:
    """Find where a monotone function is 0, between two points where its signs differ.

    A secant, where an end that stays counts half as much the next time (the Illinois method).
    """
    ends = {False: low, True: high}
    weights, last = {False: low.value, True: high.value}, None
    point = min(low, high, key=lambda end: abs(end.value))
    for _ in range(MOST):
        if abs(point.value) <= close:
            break
        span = ends[True].x - ends[False].x
        x = ends[True].x - weights[True] * span / (weights[True] - weights[False])
        point = evaluate(x)
        side = (point.value > 0) == (high.value > 0)
        ends[side], weights[side] = point, point.value
        if side == last:
            weights[not side] /= 2
        last = side
    return point
