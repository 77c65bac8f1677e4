"""The figure of `calab demo`. Needs matplotlib, the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ._demo import SMOOTHING_S
from ._score import smooth
from .plots._axes import FIT, INFERRED, TRACE, TRUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

    from ._demo import Demo

__all__ = ["draw_demo"]

_WINDOW_S = 40.0
_QUANTILES = (0.9, 0.5, 0.1)


def draw_demo(demo: Demo) -> Figure:
    """Draw example cells beside the kernel and the scores.

    Parameters
    ----------
    demo : Demo
        What was simulated and inferred.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window.
    """
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    cells, panels = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.6, 1))[0]
    _draw_cells(cells, demo)
    kernel, scores = panels.subplots(2, 1)
    _draw_kernel(kernel, demo)
    _draw_scores(scores, demo)
    for axes in (*cells.axes, kernel, scores):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_cells(panel: SubFigure, demo: Demo) -> None:
    examples = _examples(demo.rate_correlation)
    grid = panel.subplots(
        2 * len(examples), 1, sharex=True, squeeze=False, height_ratios=[2, 1] * len(examples)
    )[:, 0]
    for pair, cell in zip(grid.reshape(-1, 2), examples, strict=True):
        _draw_cell(pair[0], pair[1], demo, cell)
    for axes in grid[:-1]:
        axes.tick_params(labelbottom=False)
    grid[-1].set_xlabel("time in the window (s)")
    panel.align_ylabels()
    lines = [line for axes in grid[:2] for line in axes.get_legend_handles_labels()[0]]
    panel.legend(handles=lines, loc="outside upper center", ncols=5, frameon=False)


def _draw_cell(above: Axes, below: Axes, demo: Demo, cell: int) -> None:
    fs = demo.simulation.config.fs_hz
    spikes = demo.spikes[[cell]]
    window = _busiest(spikes[0], round(_WINDOW_S * fs))
    time = np.arange(window.stop - window.start) / fs
    above.plot(time, demo.simulation.traces[cell, window], color=TRACE, lw=0.7, label="trace")
    above.plot(time, demo.result.reconvolution[cell, window], color=FIT, lw=1.4, label="fit")
    above.set_ylabel("ΔF (a.u.)")
    score = demo.rate_correlation[cell]
    above.set_title(f"cell {cell}: correlation {score:.2f}", loc="left", fontsize=10)
    true, inferred = _rates(demo, cell)
    below.fill_between(time, true[window], color=TRUE, alpha=0.35, lw=0, label="true spike rate")
    below.plot(time, inferred[window], color=INFERRED, lw=1.4, label="inferred activity")
    frames = np.flatnonzero(spikes[0, window])
    top = 1.25 * max(true[window].max(), inferred[window].max(), 1e-9)
    below.vlines(frames / fs, 0.9 * top, top, color=TRUE, lw=0.8, label="true spikes")
    below.set_xlim(0, len(time) / fs)
    below.set_ylim(0, top)
    below.set_ylabel("rate (1/s)")


def _rates(demo: Demo, cell: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    fs = demo.simulation.config.fs_hz
    amplitude = demo.simulation.ground_truth[cell].alpha
    rows = np.stack([demo.spikes[cell], demo.result.activity[cell] / amplitude])
    true, inferred = fs * smooth(rows, SMOOTHING_S * fs)
    return true, inferred


def _draw_kernel(axes: Axes, demo: Demo) -> None:
    time = np.arange(demo.kernel.size) / demo.simulation.config.fs_hz
    axes.plot(time, demo.measured_kernel, "o", ms=3, color=TRUE, label="measured")
    axes.plot(time, demo.kernel, color=FIT, lw=1.6, label="used")
    axes.set_title("response to one spike", loc="left", fontsize=10)
    axes.set_xlabel("time after the spike (s)")
    axes.set_ylabel("amplitude (1 = peak)")
    axes.legend(frameon=False)


def _draw_scores(axes: Axes, demo: Demo) -> None:
    scores = demo.rate_correlation[np.isfinite(demo.rate_correlation)]
    lowest = np.floor(10 * scores.min(initial=0.9)) / 10
    axes.hist(scores, bins=np.linspace(lowest, 1, 26).tolist(), color=INFERRED)
    if scores.size:
        median = float(np.median(scores))
        axes.axvline(median, color="black", lw=1, ls="--", label=f"median {median:.2f}")
        axes.legend(frameon=False, loc="upper left")
    axes.set_title("agreement with the truth", loc="left", fontsize=10)
    axes.set_xlabel(f"correlation of rates ({SMOOTHING_S:g} s Gaussian)")
    axes.set_ylabel("cells")


def _examples(scores: NDArray[np.float64]) -> list[int]:
    """Choose a good, a middling and a poor cell, so that the figure does not flatter."""
    order = np.argsort(np.where(np.isfinite(scores), scores, -np.inf))
    ranked: list[int] = order[np.isfinite(scores[order])].tolist() or order.tolist()
    picks = [ranked[round(q * (len(ranked) - 1))] for q in _QUANTILES]
    return list(dict.fromkeys(picks))


def _busiest(spikes: NDArray[Any], length: int) -> slice:
    """Find the window with the median number of spikes among those that have any."""
    length = min(length, spikes.size)
    counts = np.add.reduceat(spikes, np.arange(0, spikes.size - length + 1, length))
    busy = np.flatnonzero(counts) if counts.any() else np.arange(1)
    start = int(busy[np.argsort(counts[busy])[len(busy) // 2]]) * length
    return slice(start, start + length)
