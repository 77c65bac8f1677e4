"""One cell: its trace, the fit, and the spikes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from calab_core.labelled import as_plain
from calab_core.slabs import is_source

from ._axes import FIT, INFERRED, TRACE, axes_for, details_of, finish, mark_segments

if TYPE_CHECKING:
    from calab_core import CaDeconResult
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

__all__ = ["plot_trace"]

# More points than this are drawn as the least and the greatest of each stretch.
_MOST_POINTS = 4000


def plot_trace(
    result: CaDeconResult,
    traces: ArrayLike,
    cell: int,
    *,
    window: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a trace with its fit, its baseline and the inferred spikes.

    Parameters
    ----------
    result : CaDeconResult
        With its `details`.
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        The traces it was made from.
    cell : int
        Row of the cell.
    window : tuple of float, optional
        First and last second to show; by default all.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure, ``plot_trace(...).figure``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `result` is no `CaDeconResult`, `cell` no whole number or `ax` no axes.
    ValueError
        If `traces` has another shape than the activity, there is no such cell, or the window holds
        no frame.
    """
    details, fs = details_of(result), result.fs
    # What lies in a file stays there but for the cell.
    plain = as_plain(traces)
    cells: Any = plain if is_source(plain) else np.atleast_2d(np.ma.asarray(plain))
    shape = tuple(result.activity.shape)
    if tuple(cells.shape) != shape:
        raise ValueError(
            f"traces: expected the shape of the activity {shape}, got {np.shape(traces)}"
        )
    cell = _row(cell, shape[0])
    frames = _frames(window, fs, shape[1])
    ax = axes_for(ax, 2.8)
    trace = np.ma.filled(np.ma.asarray(cells[cell]).astype(np.float64), np.nan)
    start, stop = frames.start / fs, frames.stop / fs
    foot, fit = details.removed_baseline[cell], details.reconvolution[cell]
    ax.plot(*_thinned(trace, frames, fs), color=TRACE, lw=0.7, label="trace")
    ax.plot(*_thinned(foot, frames, fs), color="black", lw=0.9, ls="--", label="baseline")
    ax.plot(*_thinned(fit, frames, fs), color=FIT, lw=1.3, label="fit")
    times = details.spike_times[cell]
    times = times[(times >= start) & (times < stop)]
    # In a strip below the trace, whatever the scale of the trace.
    strip = ax.get_xaxis_transform()
    ax.vlines(times, 0.01, 0.09, color=INFERRED, lw=0.8, transform=strip, label="spikes")
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.1 * (high - low), high)
    mark_segments(ax, details.segments, fs, start, stop)
    ax.set_xlim(start, stop)
    title = f"cell {details.cell_ids[cell]}"
    return finish(ax, title, "time (s)", "fluorescence\n(unit of the input)", legend="above")


def _row(cell: int, n_cells: int) -> int:
    if isinstance(cell, bool) or not isinstance(cell, int | np.integer):
        raise TypeError(f"cell: expected a whole number, got {cell!r}")
    if not -n_cells <= cell < n_cells:
        raise ValueError(f"cell: expected a row below {n_cells}, got {cell}")
    return int(cell)


def _frames(window: tuple[float, float] | None, fs: float, n_frames: int) -> slice:
    if window is None:
        return slice(0, n_frames)
    try:
        first, last = (float(second) for second in window)
    except (TypeError, ValueError):
        first = last = np.nan
    if not (np.isfinite([first, last]).all() and first < last):
        raise ValueError(f"window: expected two ascending numbers of seconds, got {window!r}")
    frames = slice(max(0, round(first * fs)), min(n_frames, round(last * fs)))
    if frames.stop <= frames.start:
        raise ValueError(f"window: expected seconds within {n_frames / fs:g} s, got {window!r}")
    return frames


def _thinned(
    values: NDArray[np.floating[Any]], frames: slice, fs: float
) -> tuple[NDArray[np.float64], NDArray[np.floating[Any]]]:
    """Give time and values of the frames, few enough to draw, peaks included."""
    shown = values[frames]
    time = np.arange(frames.start, frames.stop) / fs
    step = -(-2 * shown.size // _MOST_POINTS)
    if shown.size <= _MOST_POINTS:
        return time, shown
    edges = np.arange(0, shown.size, step)
    least, most = np.fmin.reduceat(shown, edges), np.fmax.reduceat(shown, edges)
    return np.repeat(time[edges], 2), np.column_stack([least, most]).ravel()
