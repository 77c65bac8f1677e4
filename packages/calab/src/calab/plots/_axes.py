"""What the figures share: colours, where they are drawn, and how they look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calab_core import CaDeconDetails, CaDeconResult
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = [
    "FIT",
    "INFERRED",
    "TRACE",
    "TRUE",
    "axes_for",
    "details_of",
    "finish",
    "mark_segments",
    "whole_numbers",
]

# Told apart with any colour vision: Okabe and Ito's palette (Wong, Nature Methods 2011,
# doi:10.1038/nmeth.1618).
TRACE, FIT, TRUE, INFERRED = "#9a9a9a", "#0072B2", "#D55E00", "#009E73"


def axes_for(ax: Axes | None, height: float = 3.0) -> Axes:
    """Return the axes to draw on.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, optional
        Those of the caller; by default new ones.
    height : float
        Height of a new figure in inches.

    Returns
    -------
    matplotlib.axes.Axes
        New ones are on a figure of their own that no window and no list of figures holds.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `ax` is something else.
    """
    try:
        from matplotlib.axes import Axes
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('matplotlib is needed to draw: pip install "calab[plot]"') from error
    if ax is not None:
        if not isinstance(ax, Axes):
            raise TypeError(f"ax: expected axes of matplotlib, got {type(ax).__name__}")
        return ax
    return Figure(figsize=(7.2, height), layout="constrained").add_subplot()


def details_of(result: CaDeconResult) -> CaDeconDetails:
    """Return the details of a result.

    Parameters
    ----------
    result : CaDeconResult
        What is to be drawn.

    Returns
    -------
    CaDeconDetails

    Raises
    ------
    TypeError
        If it is no `CaDeconResult`.
    ValueError
        If it was made without details.
    """
    from calab_core import CaDeconResult

    if not isinstance(result, CaDeconResult):
        raise TypeError(f"result: expected a CaDeconResult, got {type(result).__name__}")
    if not hasattr(result, "details"):
        raise ValueError("result: expected a result with its details, got one made without")
    return result.details


def finish(ax: Axes, title: str, x: str, y: str, *, legend: str | None = None) -> Axes:
    """Name the axes and take off what frames them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With all that is drawn.
    title : str
        What is seen; above, at the left.
    x, y : str
        What the axes show, with units.
    legend : {"above", "inside"}, optional
        Where a legend stands: above at the right, beside the title, or where there is room.

    Returns
    -------
    matplotlib.axes.Axes
        The same.
    """
    # A dollar sign in the name of a cell is no formula.
    ax.set_title(title.replace("$", r"\$"), loc="left", fontsize=10)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
    if legend == "inside" and ax.get_legend_handles_labels()[0]:
        ax.legend(
            frameon=False, fontsize=9, ncols=3 if len(ax.get_legend_handles_labels()[0]) > 4 else 1
        )
    if legend == "above" and ax.get_legend_handles_labels()[0]:
        ax.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 0.985),
            ncols=4,
            frameon=False,
            fontsize=9,
            handlelength=1.4,
            columnspacing=1.2,
        )
    return ax


def mark_segments(ax: Axes, starts: Sequence[int], fs: float, start: float, stop: float) -> None:
    """Draw a line where a joined recording begins.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Whose first axis is time in seconds.
    starts : sequence of int
        Start frames of the segments.
    fs : float
        Sampling rate in hertz.
    start, stop : float
        What is shown, in seconds.
    """
    borders = np.array([frame / fs for frame in starts if frame])
    for border in borders[(borders > start) & (borders < stop)]:
        ax.axvline(border, color="black", lw=0.8, ls=":")


def whole_numbers(axis: Axis) -> None:
    """Put ticks at whole numbers only.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        Counts something.
    """
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
