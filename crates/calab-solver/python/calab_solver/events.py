"""Events of free amplitude in a batch of traces, and the kernels that need fewest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_count, as_number
from ._spike_batch import as_spike_batch, as_values, split

__all__ = [
    "Events",
    "KernelScores",
    "event_costs",
    "event_rules",
    "find_events",
    "find_events_each",
    "score_kernels",
]


@dataclass(frozen=True, eq=False)
class Events:
    """What :func:`find_events` found, one entry per cell.

    Attributes
    ----------
    bins : tuple of numpy.ndarray of int64, shape (n_events,)
        Bins of the fine grid, ascending: bin ``k`` is the time ``k / (fs * upsample_factor)``.
    amplitudes : tuple of numpy.ndarray, shape (n_events,)
        Peak of each event in units of the traces.
    null_level : numpy.ndarray, shape (n_cells,)
        Amplitude that events reach where there are no spikes; NaN where nothing was recorded.
    objective : numpy.ndarray, shape (n_cells,)
        Squared residual over the noise's variance, plus the penalty of the events.
    residual_power : numpy.ndarray, shape (n_cells,)
        Mean squared residual over recorded frames; NaN without any.
    kernel_norm : numpy.ndarray, shape (n_cells,)
        Root of the energy of one spike of amplitude 1, averaged over its places within a frame.
    """

    bins: tuple[NDArray[np.int64], ...]
    amplitudes: tuple[NDArray[np.float64], ...]
    null_level: NDArray[np.float64]
    objective: NDArray[np.float64]
    residual_power: NDArray[np.float64]
    kernel_norm: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KernelScores:
    """What :func:`score_kernels` found.

    Attributes
    ----------
    objective : numpy.ndarray, shape (n_windows, n_kernels)
        Squared residual over the noise's variance, plus the penalty of the events.
    n_events : numpy.ndarray of int64, shape (n_windows, n_kernels)
        Number of events.
    residual_power : numpy.ndarray, shape (n_windows, n_kernels)
        Mean squared residual over recorded frames; NaN without any.
    """

    objective: NDArray[np.float64]
    n_events: NDArray[np.int64]
    residual_power: NDArray[np.float64]


def find_events(
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
    detection: float = 4.0,
    ratio: float = 0.0,
    rounds: int = 8,
    sweeps: int = 3,
    penalty: float = 16.0,
    null_detection: float = 2.0,
    null_factor: float = 1.5,
) -> Events:
    r"""Explain traces by events of free amplitude on a grid finer than the frames.

    .. math:: y_i = \sum_k a_k\, h(i/f_s - t_k) + \varepsilon_i, \qquad
              h(t) = (e^{-t/\tau_\mathrm{decay}} - e^{-t/\tau_\mathrm{rise}}) / p

    with :math:`p` the largest value over continuous time. Events are taken greedily, the largest
    decrease of the squared error first; then each in turn is taken out and put where it fits best
    within two frames. The same search in the inverted residual gives the null level: what is found
    there is structured noise, or a kernel that does not fit.

    Parameters
    ----------
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        Fluorescence without its baseline; NaN marks frames that were not recorded.
    fs : float
        Sampling rate in hertz.
    noise : float or array_like, shape (n_cells,)
        Standard deviation of the white noise, at least a millionth of the largest sample taken.
    tau_rise, tau_decay : float or array_like, shape (n_cells,)
        Time constants in seconds.
    upsample_factor : int
        Bins per frame.
    segments : sequence of int, optional
        Frames at which joined recordings start; nothing reaches from one into the next.
    n_threads : int, optional
        Threads; as many as the process may use by default. The result does not depend on it.
    progress : callable, optional
        Called with the number of cells done and in total.
    detection : float
        An event lowers the squared error by at least the square of this times the noise.
    ratio : float
        Least amplitude of an event as a share of the fitted calcium just before.
    rounds : int
        Most rounds of search and sweeps; the last is that which finds nothing new.
    sweeps : int
        Sweeps over the found events in a round.
    penalty : float
        Cost of an event within ``objective``.
    null_detection, null_factor : float
        As `detection`, for the inverted residual, and the null level in root mean squares of the
        amplitudes found there.

    Returns
    -------
    Events

    Raises
    ------
    ValueError
        For a parameter out of range, an infinite sample, or arrays that do not match.
    TypeError
        For traces or parameters that are not numbers.
    KeyboardInterrupt
        On Ctrl-C, within about a twentieth of a second.

    References
    ----------
    Mallat SG, Zhang Z (1993). Matching pursuits with time-frequency dictionaries. IEEE
    Transactions on Signal Processing 41:3397-3415, doi:10.1109/78.258082.
    """
    way = event_rules(detection, ratio, rounds, sweeps, penalty, null_detection, null_factor)
    kernels = (fs, noise, tau_rise, tau_decay, upsample_factor)
    return find_events_each(traces, *kernels, [way], segments, n_threads, progress)[0]


def find_events_each(
    traces: ArrayLike,
    fs: float,
    noise: ArrayLike,
    tau_rise: ArrayLike,
    tau_decay: ArrayLike,
    upsample_factor: int,
    ways: Sequence[dict[str, float]],
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[Events]:
    """Find events in several ways, all at a time.

    Parameters
    ----------
    traces, fs, noise, tau_rise, tau_decay, upsample_factor, segments, n_threads
        As :func:`find_events` takes them.
    ways : sequence of dict
        What :func:`event_rules` gathers, for each way.
    progress : callable, optional
        Called with the number of cells times ways done and in total.

    Returns
    -------
    list of Events
        One per way.

    Raises
    ------
    ValueError, TypeError, KeyboardInterrupt
        As :func:`find_events`.
    """
    batch = as_spike_batch(
        traces, fs, tau_rise, tau_decay, None, upsample_factor, segments, n_threads, progress
    )
    levels = as_values("noise", noise, len(batch["traces"]))
    return [
        Events(split(bins, ends), split(amplitudes, ends), *columns)
        for bins, amplitudes, ends, *columns in _native.find_events(batch, levels, list(ways))
    ]


def event_costs(
    traces: ArrayLike,
    fs: float,
    noise: ArrayLike,
    tau_rise: ArrayLike,
    tau_decay: ArrayLike,
    *,
    upsample_factor: int = 1,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
    **rules: Any,
) -> NDArray[np.float64]:
    """Find what it costs to explain each cell by events, where only the comparison counts.

    Of a long segment some stretches are explained, those of `find_foot`. Costs compare with those
    of traces in which the same frames were recorded, under the same time constants.

    Parameters
    ----------
    traces, fs, noise, tau_rise, tau_decay, upsample_factor, segments, n_threads
        As :func:`find_events` takes them.
    **rules
        As :func:`event_rules` takes them.

    Returns
    -------
    numpy.ndarray, shape (n_cells,), float64
        Squared residual over the noise's variance, plus the penalty of the events.

    Raises
    ------
    ValueError, TypeError, KeyboardInterrupt
        As :func:`find_events`.
    """
    batch = as_spike_batch(
        traces, fs, tau_rise, tau_decay, None, upsample_factor, segments, n_threads, None
    )
    levels = as_values("noise", noise, len(batch["traces"]))
    return _native.event_costs(batch, levels, event_rules(**rules))


def score_kernels(
    traces: ArrayLike,
    fs: float,
    noise: ArrayLike,
    tau_rise: ArrayLike,
    tau_decay: ArrayLike,
    windows: ArrayLike,
    *,
    upsample_factor: int = 1,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    detection: float = 4.0,
    ratio: float = 0.0,
    rounds: int = 8,
    sweeps: int = 3,
    penalty: float = 16.0,
    level: bool = False,
    mismatch: float = 0.0,
) -> KernelScores:
    """Score every kernel on every window by the events that it needs and what they leave.

    Parameters
    ----------
    traces, fs, noise, upsample_factor, segments, n_threads
        As :func:`find_events` takes them.
    detection, ratio, rounds, sweeps, penalty
        As :func:`find_events` takes them.
    tau_rise, tau_decay : array_like, shape (n_kernels,)
        Time constants in seconds.
    windows : array_like of int, shape (n_windows, 3)
        Cell, first frame, and the frame behind the last one.
    level : bool
        Whether a constant below each window is fitted with its events.
    mismatch : float
        Standard deviation of the model's own error as a share of the calcium, in the objective.
    progress : callable, optional
        Called with the number of windows times kernels done and in total.

    Returns
    -------
    KernelScores

    Raises
    ------
    ValueError
        As :func:`find_events`, and for windows outside the traces.
    TypeError
        As :func:`find_events`, and for windows that are not whole numbers.
    KeyboardInterrupt
        On Ctrl-C, within about a twentieth of a second.
    """
    n_kernels = max(np.size(tau_rise), np.size(tau_decay))
    batch = as_spike_batch(
        traces, fs, tau_rise, tau_decay, n_kernels, upsample_factor, segments, n_threads, progress
    )
    rules = event_rules(detection, ratio, rounds, sweeps, penalty, 2.0, 1.5, level, mismatch)
    levels = as_values("noise", noise, len(batch["traces"]))
    return KernelScores(*_native.score_kernels(batch, levels, _windows(windows), rules))


def event_rules(
    detection: float = 4.0,
    ratio: float = 0.0,
    rounds: int = 8,
    sweeps: int = 3,
    penalty: float = 16.0,
    null_detection: float = 2.0,
    null_factor: float = 1.5,
    level: bool = False,
    mismatch: float = 0.0,
) -> dict[str, float]:
    """Check how events are to be found and gather it for Rust.

    Parameters
    ----------
    detection, ratio, rounds, sweeps, penalty, null_detection, null_factor
        As :func:`find_events` takes them.
    level, mismatch
        As :func:`score_kernels` takes them.

    Returns
    -------
    dict
        The same by name.

    Raises
    ------
    TypeError, ValueError
        As :func:`find_events`.
    """
    return {
        "detection": as_number("detection", detection),
        "ratio": as_number("ratio", ratio),
        "rounds": as_count("rounds", rounds, 1),
        "sweeps": as_count("sweeps", sweeps, 0),
        "penalty": as_number("penalty", penalty),
        "level": bool(level),
        "mismatch": as_number("mismatch", mismatch),
        "null_detection": as_number("null_detection", null_detection),
        "null_factor": as_number("null_factor", null_factor),
    }


def _windows(windows: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(windows)
    if array.size == 0:
        return np.empty((0, 3), dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"windows: expected whole numbers, got dtype {array.dtype}")
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(f"windows: expected shape (n_windows, 3), got {array.shape}")
    return np.require(array, np.int64, "C")
