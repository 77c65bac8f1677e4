"""The figures of the report, with a plain word on each."""

from __future__ import annotations

import base64
import io
from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from calab.plots import plot_convergence, plot_kernel, plot_quality, plot_raster, plot_trace

if TYPE_CHECKING:
    from calab_core import CaDeconResult, Quality
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["Picture", "example_figures", "figure", "overview_figures"]

_WINDOW_S = 40.0
_QUANTILES = (0.9, 0.5, 0.1)
_FLAGGED_EXAMPLES = 3


@dataclass(frozen=True)
class Picture:
    """A drawn figure and what is said with it.

    Attributes
    ----------
    axes : matplotlib.axes.Axes
        On a figure of its own.
    alt : str
        What it shows, for who does not see it.
    caption : str
        What it means.
    """

    axes: Axes
    alt: str
    caption: str


def figure(picture: Picture) -> str:
    """Turn a figure into HTML that holds it.

    Parameters
    ----------
    picture : Picture
        Drawn.

    Returns
    -------
    str
        A figure element with the drawing as SVG.
    """
    from matplotlib import rc_context

    drawing = picture.axes.get_figure(root=True)
    assert drawing is not None, "drawn on a figure of its own"
    buffer = io.BytesIO()
    # The same figure gives the same bytes.
    with rc_context({"svg.hashsalt": "calab"}):
        drawing.savefig(buffer, format="svg", dpi=150, metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<figure><div class="wide"><img alt="{escape(picture.alt)}" '
        f'src="data:image/svg+xml;base64,{data}"></div>\n'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>\n"
    )


def overview_figures(result: CaDeconResult, quality: Quality) -> list[Picture]:
    """Draw quality, kernel, convergence and raster.

    Parameters
    ----------
    result : CaDeconResult
        With its `details`.
    quality : Quality
        Of it.

    Returns
    -------
    list of Picture
    """
    return [
        Picture(
            plot_quality(quality),
            "Scatter of variance explained over the height of the highest transient, one point "
            "per cell.",
            "Each point is a cell. To the right the transients stand higher above the noise; "
            "further up the fit explains more of the trace. Cells at the lower left have little "
            "signal. A cell far below others of the same height is fitted badly.",
        ),
        Picture(
            plot_kernel(result),
            "The response to one spike over time, over the responses found in each subset.",
            "The fluorescence that follows one spike, as used for the spikes of all cells (blue; "
            "dots are frames), over what each subset of cells and time gave by itself (grey). "
            "Where the grey lines differ widely, the time constants are uncertain.",
        ),
        Picture(
            plot_convergence(result),
            "Change of kernel, rise time and decay time in each iteration, on a logarithmic axis.",
            "How much the estimate still moved from one iteration to the next. It should fall "
            "below the tolerance and stay there, unless a dotted line marks where a kernel "
            "averaged over explanations took over, which comes to rest by a rule of its own.",
        ),
        Picture(
            plot_raster(result),
            "Activity of all cells over time, one row per cell.",
            "When each cell was active. Vertical stripes over all cells are movements, or light "
            "that does not come from the cells, more often than they are synchrony.",
        ),
    ]


def example_figures(result: CaDeconResult, traces: ArrayLike, quality: Quality) -> list[Picture]:
    """Draw stretches of a few cells that stand for the rest.

    Parameters
    ----------
    result : CaDeconResult
        With its `details`.
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        The traces it was made from.
    quality : Quality
        Of them.

    Returns
    -------
    list of Picture
    """
    return [_example(result, traces, quality, cell) for cell in _chosen(quality)]


def _example(result: CaDeconResult, traces: ArrayLike, quality: Quality, cell: int) -> Picture:
    window = _stretch(result, cell)
    axes = plot_trace(result, traces, cell, window=window)
    name = str(quality.cell_ids[cell])
    said = ", ".join(quality.flags[cell]) or "no flag"
    if np.isfinite(quality.snr[cell]):
        said += f"; one spike is {quality.snr[cell]:.3g} times the noise"
    return Picture(
        axes,
        f"Trace, fit, baseline and spikes of cell {name}, second {window[0]:g} to {window[1]:g}.",
        f"Cell {name}: {said}.",
    )


def _chosen(quality: Quality) -> list[int]:
    good = [cell for cell, flags in enumerate(quality.flags) if not flags]
    good.sort(key=lambda cell: (-np.nan_to_num(quality.snr[cell]), cell))
    picks = [good[round((1 - q) * (len(good) - 1))] for q in _QUANTILES if good]
    frequent = Counter(flag for flags in quality.flags for flag in flags)
    for flag, _ in frequent.most_common():
        if len(set(picks)) >= len(_QUANTILES) + _FLAGGED_EXAMPLES:
            break
        # An excluded cell has no fit to show.
        fit = [
            c for c, flags in enumerate(quality.flags) if flag in flags and "excluded" not in flags
        ]
        picks += [cell for cell in fit if cell not in picks][:1]
    return list(dict.fromkeys(picks))


def _stretch(result: CaDeconResult, cell: int) -> tuple[float, float]:
    """Find the stretch with the median number of spikes among those that have any."""
    activity, fs = result.activity[cell], result.fs
    length = max(1, min(round(_WINDOW_S * fs), activity.size))
    counts = np.add.reduceat(activity, np.arange(0, activity.size - length + 1, length))
    busy = np.flatnonzero(counts) if counts.any() else np.arange(1)
    start = int(busy[np.argsort(counts[busy], kind="stable")[len(busy) // 2]]) * length
    return start / fs, (start + length) / fs
