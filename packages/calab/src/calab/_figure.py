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
# Rates below this, per second, are what rounding leaves.
_DUST = 1e-6


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
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    cells, panels = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.6, 1))[0]
    _draw_cells(cells, demo)
    kernel, counts, scores = panels.subplots(3, 1)
    _draw_kernel(kernel, demo)
    _draw_counts(counts, demo)
    _draw_scores(scores, demo)
    for axes in (*cells.axes, kernel, counts, scores):
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
    panel.legend(handles=lines, loc="outside upper center", ncols=6, fontsize=9, frameon=False)


def _draw_cell(above: Axes, below: Axes, demo: Demo, cell: int) -> None:
    fs = demo.simulation.config.fs_hz
    spikes = demo.spikes[[cell]]
    window = _busiest(spikes[0], round(_WINDOW_S * fs))
    time = np.arange(window.stop - window.start) / fs
    above.plot(time, demo.simulation.traces[cell, window], color=TRACE, lw=0.7, label="trace")
    fit = demo.result.details.reconvolution[cell, window]
    above.plot(time, fit, color=FIT, lw=1.4, label="fit")
    above.set_ylabel("ΔF (a.u.)")
    above.set_title(_verdict(demo, cell), loc="left", fontsize=10)
    true, inferred = _rates(demo, cell)
    below.fill_between(time, true[window], color=TRUE, alpha=0.35, lw=0, label="true spike rate")
    below.plot(time, inferred[window], color=INFERRED, lw=1.4, label="inferred rate")
    # Of silence smoothing leaves dust, on which no axis should be scaled.
    highest = float(max(true[window].max(), inferred[window].max()))
    top = 1.4 * highest if highest > _DUST else 1.0
    frames = np.flatnonzero(spikes[0, window])
    below.vlines(frames / fs, 0.9 * top, top, color=TRUE, lw=0.9, label="true spikes")
    found = demo.result.details.spike_times[cell] - window.start / fs
    found = found[(found >= 0) & (found < len(time) / fs)]
    below.vlines(found, 0.78 * top, 0.88 * top, color=INFERRED, lw=0.9, label="inferred spikes")
    below.set_xlim(0, len(time) / fs)
    below.set_ylim(0, top)
    below.set_ylabel("rate (1/s)")


def _verdict(demo: Demo, cell: int) -> str:
    score = demo.rate_correlation[cell]
    agreement = f"correlation {score:.2f}" if np.isfinite(score) else "nothing to correlate"
    text = f"cell {cell}: {agreement}"
    true, found = demo.spikes[cell].sum(), demo.result.activity[cell].sum()
    if demo.result.details.scale_known[cell]:
        return f"{text}, {found:.0f} spikes for {true:.0f}"
    return f"{text}, amplitude of one spike unknown"


def _rates(demo: Demo, cell: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # A rate without a scale is drawn at the true total: its shape is all that it claims.
    fs, details = demo.simulation.config.fs_hz, demo.result.details
    rows = np.stack([fs * demo.spikes[cell], details.rate[cell]]).astype(np.float64)
    true, inferred = smooth(rows, SMOOTHING_S * fs)
    if not details.scale_known[cell] and inferred.sum() > 0:
        inferred *= true.sum() / inferred.sum()
    return true, inferred


def _draw_kernel(axes: Axes, demo: Demo) -> None:
    time = np.arange(demo.kernel.size) / demo.simulation.config.fs_hz
    found = demo.result.metadata
    axes.plot(time, demo.measured_kernel, "o", ms=3, color=TRUE, label="measured by true spikes")
    assumed = found["kernel_method"] == "assumed"
    label = "assumed, without events" if assumed else "found in the traces"
    axes.plot(time, demo.kernel, color=FIT, lw=1.6, label=label)
    title = f"one spike: rise {found['tau_rise']:.3g} s, decay {found['tau_decay']:.3g} s"
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("time after the spike (s)")
    axes.set_ylabel("amplitude (1 = peak)")
    axes.legend(frameon=False)


def _draw_counts(axes: Axes, demo: Demo) -> None:
    true, found = demo.spikes.sum(axis=1), demo.result.activity.sum(axis=1)
    known = demo.result.details.scale_known
    largest = 1.05 * max(true.max(initial=0), found.max(initial=0), 1)
    axes.plot([0, largest], [0, largest], color="black", lw=0.8, ls="--")
    axes.plot(true[known], found[known], "o", ms=4, color=INFERRED, label="amplitude known")
    if not known.all():
        axes.plot(true[~known], found[~known], "x", ms=4, color=TRACE, label="unknown")
    axes.set_title("spikes per cell", loc="left", fontsize=10)
    axes.set_xlabel("true")
    axes.set_ylabel("inferred")
    axes.legend(frameon=False)


def _draw_scores(axes: Axes, demo: Demo) -> None:
    scores = demo.rate_correlation[np.isfinite(demo.rate_correlation)]
    lowest = np.floor(10 * scores.min(initial=0.9)) / 10
    axes.hist(scores, bins=np.linspace(lowest, 1, 26).tolist(), color=INFERRED)
    if scores.size:
        median = float(np.median(scores))
        axes.axvline(median, color="black", lw=1, ls="--", label=f"median {median:.2f}")
        axes.legend(frameon=False, loc="upper left")
    else:
        axes.text(0.5, 0.5, "no spikes to compare", transform=axes.transAxes, ha="center")
        axes.set_yticks([])
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
