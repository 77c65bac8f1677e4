"""What stands below the activity of a batch of traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_count, as_number
from ._spike_batch import as_spike_batch, as_values
from .events import event_rules

__all__ = ["find_foot"]


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
    held up by events all the time. Of a segment of at least 8,192 frames and 512 decays, the
    constant is looked for on eight stretches, evenly spaced, of 512 frames or 32 decays each,
    unless more than half of them was not recorded.

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
    batch = as_spike_batch(
        traces, fs, tau_rise, tau_decay, None, upsample_factor, segments, n_threads, progress
    )
    rules = event_rules(detection, ratio, rounds, sweeps, penalty)
    levels = as_values("noise", noise, len(batch["traces"]))
    return _native.find_foot(batch, levels, _width(window, batch["fs"]), rules)


def _width(window: float | None, fs: float) -> int:
    """Frames of the median's window; 0 for none."""
    if window is None:
        return 0
    seconds = as_number("window", window)
    if not (np.isfinite(seconds) and seconds > 0):
        raise ValueError(f"window: expected a finite number above 0, got {seconds}")
    return as_count("window", max(1, round(seconds * fs)), 1)
