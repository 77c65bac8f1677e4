"""What stands below the activity of a batch of traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_count, as_number
from ._spike_batch import as_spike_batch, as_values, split
from .events import as_pairs, event_rules

__all__ = ["find_foot", "foot_and_events"]

#: Bins and amplitudes of the events of every cell.
Known = Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]


def find_foot(
    traces: ArrayLike,
    fs: float,
    noise: ArrayLike,
    tau_rise: ArrayLike,
    tau_decay: ArrayLike,
    *,
    upsample_factor: int = 1,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    window: float | None = 30.0,
    detection: float = 4.0,
    ratio: float = 0.0,
    rounds: int = 8,
    sweeps: int = 3,
    penalty: float = 16.0,
) -> NDArray[np.float64]:
    r"""Find what a quantile cannot see: the baseline of cells that are seldom silent.

    .. math:: b_i = x + \operatorname{median}_{|j - i| \le w/2} (y_j - x - \hat c_j), \qquad
              x = \arg\min_x \frac{\|y - x - \hat c(x)\|^2}{\sigma^2} + \text{penalty} \cdot n(x)

    where :math:`\hat c(x)` is the fit of the :math:`n(x)` events that `find_events` finds above the
    constant :math:`x`. A foot too high leaves troughs that no event explains, one too low has to be
    held up by events all the time.

    Parameters
    ----------
    traces, fs, noise, tau_rise, tau_decay, upsample_factor, segments, n_threads, progress
        As :func:`calab_solver.find_events` takes them. Every segment has its own constant.
    window : float
        Width of the sliding median in seconds; None leaves the constant alone.
    detection, ratio, rounds, sweeps, penalty
        As :func:`calab_solver.find_events` takes them.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames), float64
        The foot of each cell, in units of the traces; 0 where a segment has no recorded frame.

    Raises
    ------
    ValueError, TypeError, KeyboardInterrupt
        As :func:`calab_solver.find_events`.
    """
    rules = event_rules(detection, ratio, rounds, sweeps, penalty)
    kernels = (fs, noise, tau_rise, tau_decay, upsample_factor)
    return foot_and_events(traces, *kernels, window, rules, None, segments, n_threads, progress)[0]


def foot_and_events(
    traces: ArrayLike,
    fs: float,
    noise: ArrayLike,
    tau_rise: ArrayLike,
    tau_decay: ArrayLike,
    upsample_factor: int,
    window: float | None,
    rules: dict[str, float],
    start: Known | None = None,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.float64], Known]:
    """Find the foot, and the events above the constant of which it is made.

    Parameters
    ----------
    traces, fs, noise, tau_rise, tau_decay, upsample_factor, window, segments, n_threads, progress
        As :func:`find_foot` takes them.
    rules : dict
        What :func:`calab_solver.events.event_rules` gathers.
    start : sequence of (bins, amplitudes), optional
        Events of an earlier search near by, from which this one goes on; one entry per cell.

    Returns
    -------
    foot : numpy.ndarray, shape (n_cells, n_frames), float64
        As :func:`find_foot` returns it.
    events : list of (bins, amplitudes)
        Of every cell.

    Raises
    ------
    ValueError, TypeError, KeyboardInterrupt
        As :func:`find_foot`; ValueError for bins outside the traces.
    """
    batch = as_spike_batch(
        traces, fs, tau_rise, tau_decay, None, upsample_factor, segments, n_threads, progress
    )
    levels = as_values("noise", noise, len(batch["traces"]))
    known = None if start is None else as_pairs("start", start)
    width = _width(window, batch["fs"])
    foot, bins, amplitudes, ends = _native.find_foot(batch, levels, width, rules, known)
    return foot, list(zip(split(bins, ends), split(amplitudes, ends), strict=True))


def _width(window: float | None, fs: float) -> int:
    """Frames of the median's window; 0 for none."""
    if window is None:
        return 0
    seconds = as_number("window", window)
    if not (np.isfinite(seconds) and seconds > 0):
        raise ValueError(f"window: expected a finite number above 0, got {seconds}")
    return as_count("window", max(1, round(seconds * fs)), 1)
