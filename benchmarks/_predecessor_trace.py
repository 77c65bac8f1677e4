"""The fit behind ``solve_trace`` of calab 0.3.0, which returns counts and a figure but no fit.

Executed by the peers' interpreter through ``_peer_worker.py`` and imports nothing of ours. The
relaxed problem is solved by the package's own solver; scale, threshold and noise follow the
description of its steps. How near the result is to the package's own is seen from its counts and
its PVE over interpolated samples, beside those of ``solve_trace``. The trace must hold activity.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from _predecessor_parts import upsampled

ROUNDS, RESTS = 10, 0.05
MOST_ITERATIONS, BATCH = 500, 50
COARSE, FINE, PATIENCE, CONSTRAINED = 50, 50, 10, 256
TINY = 1e-10


@dataclass
class Fit:
    """Whole spikes on the fine grid, and what they leave.

    Attributes
    ----------
    spikes, fit : numpy.ndarray, shape (n_frames x factor,)
    alpha : float
    error : float
        Squared residual over the interior: all of it, or recorded samples where noise decides.
    """

    spikes: Any
    fit: Any
    alpha: float
    error: float


class Problem:
    """A trace without filters, on the fine grid."""

    def __init__(self, trace: Any, options: dict[str, Any]) -> None:
        self.factor, self.fs = options["upsample_factor"], options["fs"]
        self.taus = options["tau_rise"], options["tau_decay"]
        self.constrained = options["noise_constrained"]
        self.fine_fs = self.fs * self.factor
        self.upsampled = upsampled(trace, self.factor)
        self.working = np.asarray(self.prepared(1.0).get_trace(), dtype=np.float64)
        size = self.working.size
        pad = min(int(np.ceil(2 * self.taus[1] * self.fine_fs)), size // 4)
        self.interior = slice(pad, size - pad)
        self.recorded = slice(pad, size - pad, self.factor)
        self.noise = _noise(trace)
        self.delayed, self.recursion = self.response()

    def prepared(self, alpha: float) -> Any:
        """Return the package's solver with the trace over ``alpha``, baseline off."""
        solver = import_module("calab._solver").PySolver()
        solver.set_params(*self.taus, 0.0, self.fine_fs)
        solver.set_conv_mode("banded")
        solver.set_constraint("box01")
        solver.set_trace((self.upsampled / alpha).astype(np.float32))
        solver.subtract_baseline()
        return solver

    def relaxed(self, alpha: float) -> Any:
        """Return the relaxed activity, its largest value in the interior 1."""
        solver = self.prepared(alpha)
        for _ in range(MOST_ITERATIONS // BATCH):
            if solver.step_batch(BATCH):
                break
        activity = np.asarray(solver.get_solution(), dtype=np.float64)
        largest = activity[self.interior].max()
        return activity / largest if largest > TINY else activity

    def response(self) -> tuple[Any, Any]:
        """Return the filter that makes calcium of spikes: of second order, of peak 1."""
        d, r = (np.exp(-1 / (tau * self.fine_fs)) for tau in self.taus[::-1])
        steps = np.arange(int(np.ceil(5 * self.taus[1] * self.fine_fs)) + 10)
        peak = ((d ** (steps + 1) - r ** (steps + 1)) / (d - r)).max()
        return np.array([0.0, 1 / max(peak, 1.0)]), np.array([1.0, -(d + r), d * r])

    def fit(self, spikes: Any) -> Fit:
        """Fit amplitude and baseline of whole spikes over the interior."""
        lfilter = import_module("scipy.signal").lfilter
        calcium = lfilter(self.delayed, self.recursion, spikes)
        x, y = calcium[self.interior], self.working[self.interior]
        spread = np.mean(x * x) - x.mean() ** 2
        alpha = max((np.mean(x * y) - x.mean() * y.mean()) / spread, 0.0) if spread > 0 else 0.0
        fit = alpha * calcium + y.mean() - alpha * x.mean()
        judged = self.recorded if self.constrained else self.interior
        return Fit(spikes, fit, alpha, float(np.sum((self.working[judged] - fit[judged]) ** 2)))

    def search(self, activity: Any) -> Fit:
        """Return the fit of the threshold that the package would choose."""
        values = np.unique(activity[activity > TINY])
        if self.constrained:
            tried = [self.fit(activity >= level) for level in _spaced(values, CONSTRAINED)[::-1]]
            enough = self.noise**2 * self.working[self.recorded].size
            return next(
                (one for one in tried if one.error <= enough), min(tried, key=lambda o: o.error)
            )
        least = 0.5 / self.factor
        levels = [level for level in _spaced(values, COARSE) if level >= least] or [least]
        level, best = self.scan(activity, levels)
        width = 2 * (levels[-1] - levels[0]) / len(levels)
        around = np.linspace(max(level - width, least), level + width, FINE)
        finer = self.scan(activity, around)[1]
        return min(best, finer, key=lambda one: one.error)

    def scan(self, activity: Any, levels: Iterable[float]) -> tuple[float, Fit]:
        """Go through levels upwards until several in a row are no better."""
        found: list[tuple[float, Fit]] = []
        worse = 0
        for level in levels:
            one = self.fit(activity >= level)
            worse = worse + 1 if found and one.error >= found[-1][1].error else 0
            if worse == 0:
                found.append((level, one))
            if worse == PATIENCE:
                break
        return found[-1]

    def explained(self, fit: Any, samples: slice) -> float:
        """Return the share of the variance of some samples that a fit explains."""
        y = self.working[samples]
        return float(1 - np.sum((y - fit[samples]) ** 2) / np.sum((y - y.mean()) ** 2))


def fitted(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Fit a trace as the package does.

    Returns
    -------
    dict
        ``fit`` at the recorded samples, and ``alpha``, ``pve`` and ``activity`` as ``solve_trace``
        would return them.
    """
    problem = Problem(np.asarray(trace, dtype=np.float64), options)
    interior = problem.working[problem.interior]
    alpha, rounds = float(interior.max() - interior.min()), []
    for _ in range(ROUNDS):
        one = problem.search(problem.relaxed(alpha))
        change = abs(one.alpha / alpha - 1)
        rounds.append((change, one))
        if change < RESTS or one.alpha < TINY:
            break
        alpha = one.alpha
    kept = min(rounds, key=lambda pair: pair[0] if problem.constrained else pair[1].error)[1]
    return {
        "activity": _per_frame(kept.spikes, problem.factor),
        "alpha": kept.alpha,
        "pve": problem.explained(kept.fit, problem.interior),
        "fit": kept.fit[:: problem.factor],
    }


def _spaced(values: Any, most: int) -> Any:
    """Take at most so many of sorted values, evenly by rank."""
    if values.size <= most:
        return values
    return values[np.round(np.linspace(0, values.size - 1, most)).astype(int)]


def _noise(trace: Any) -> float:
    """Return the deviation of the noise from the upper half of the spectrum."""
    power = np.abs(np.fft.rfft(trace - trace.mean())) ** 2 / trace.size
    return float(np.sqrt(power[power.size // 2 :].mean()))


def _per_frame(spikes: Any, factor: int) -> Any:
    """Count the spikes of the fine bins around each frame; the last ones belong to the last."""
    frames = np.minimum((np.flatnonzero(spikes) + factor // 2) // factor, spikes.size // factor - 1)
    return np.bincount(frames, minlength=spikes.size // factor)
