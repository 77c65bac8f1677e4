"""All cells at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from calab_core.slabs import slab_size, slabs

from ._axes import axes_for, details_of, finish, mark_segments, whole_numbers

if TYPE_CHECKING:
    from calab_core import CaDeconDetails, CaDeconResult
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_raster"]

_MOST_TICK_ROWS, _MOST_TICKS = 60, 20_000
_MOST_ROWS, _MOST_COLUMNS = 500, 900
# So that single bursts do not make all else pale.
_BRIGHTEST = 0.995


def plot_raster(result: CaDeconResult, *, ax: Axes | None = None) -> Axes:
    """Draw the spikes of all cells, or their rates as a heat map where there are many.

    Parameters
    ----------
    result : CaDeconResult
        With its `details`. Up to 60 cells with up to 20,000 spikes are drawn as ticks; else the
        rates are averaged over neighbouring frames and cells, to at most 500 x 900 points.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure, ``plot_raster(...).figure``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `result` is no `CaDeconResult`.
    ValueError
        If `result` was made without details.
    """
    details = details_of(result)
    n_cells, n_frames = result.activity.shape
    ax = axes_for(ax, 3.6)
    who = "1 cell" if n_cells == 1 else f"{n_cells} cells"
    n_spikes = sum(times.size for times in details.spike_times)
    if n_cells <= _MOST_TICK_ROWS and n_spikes <= _MOST_TICKS:
        _draw_ticks(ax, details)
        title = f"spikes of {who}"
    else:
        _draw_rates(ax, details, n_frames / result.fs)
        title = f"rates of {who}"
    duration = n_frames / result.fs
    mark_segments(ax, details.segments, result.fs, 0.0, duration)
    ax.set_xlim(0, max(duration, 1e-9))
    ax.set_ylim(n_cells - 0.5, -0.5)
    whole_numbers(ax.yaxis)
    return finish(ax, title, "time (s)", "row of the cell")


def _draw_ticks(ax: Axes, details: CaDeconDetails) -> None:
    for row, times in enumerate(details.spike_times):
        ax.vlines(times, row - 0.42, row + 0.42, color="black", lw=0.6)


def _draw_rates(ax: Axes, details: CaDeconDetails, duration: float) -> None:
    rate = details.rate
    # Some cells at a time, for the rates may be in a file.
    columns = [_averaged(slab, _MOST_COLUMNS, 1) for _, slab in slabs(rate, slab_size(rate))]
    shown = _averaged(np.concatenate(columns), _MOST_ROWS, 0)
    active = shown[shown > 0]
    top = float(np.quantile(active, _BRIGHTEST)) if active.size else 1.0
    image = ax.imshow(
        shown,
        aspect="auto",
        interpolation="nearest",
        cmap="magma_r",
        vmin=0,
        vmax=top,
        extent=(0, duration, rate.shape[0] - 0.5, -0.5),
    )
    bar = ax.figure.colorbar(image, ax=ax, pad=0.01, extend="max")
    unit = "spikes" if details.scale_known.all() else "spikes, or arbitrary units,"
    bar.set_label(f"{unit if details.scale_known.any() else 'arbitrary units'} per second")
    bar.outline.set_visible(False)


def _averaged(values: NDArray[Any], most: int, axis: int) -> NDArray[np.float64]:
    """Average neighbours, so that no more than `most` remain."""
    step = -(-values.shape[axis] // most)
    if step <= 1:
        return np.asarray(values, np.float64)
    starts = np.arange(0, values.shape[axis], step)
    sums = np.add.reduceat(values, starts, axis=axis, dtype=np.float64)
    widths = np.diff(np.append(starts, values.shape[axis]))
    averaged: NDArray[np.float64] = sums / (widths if axis else widths[:, None])
    return averaged
