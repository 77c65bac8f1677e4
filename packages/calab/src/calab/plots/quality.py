"""Which cells to trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._axes import FIT, TRUE, axes_for, finish

if TYPE_CHECKING:
    from calab_core import Quality
    from matplotlib.axes import Axes

__all__ = ["plot_quality"]

# A fit that is far worse than a constant would squeeze the rest; it is drawn here.
_LOWEST = -0.5


def plot_quality(quality: Quality, *, ax: Axes | None = None) -> Axes:
    """Draw the share of variance that the fit explains over the height of the trace.

    Parameters
    ----------
    quality : Quality
        Of `calab.quality`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure, ``plot_quality(...).figure``.

    Returns
    -------
    matplotlib.axes.Axes
        One point per cell that has both figures; the shape and colour tell cells without a flag,
        with a flag, and of unknown scale apart.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `quality` is no `Quality`.
    """
    from calab_core import Quality

    if not isinstance(quality, Quality):
        raise TypeError(f"quality: expected a Quality, got {type(quality).__name__}")
    ax = axes_for(ax)
    flagged = np.array([bool(flags) for flags in quality.flags], bool)
    unknown = np.array(["scale unknown" in flags for flags in quality.flags], bool)
    drawn = np.isfinite(quality.pve) & (quality.peak_snr > 0)
    for chosen, marker, color, label in (
        (~flagged, "o", FIT, "no flag"),
        (flagged & ~unknown, "^", TRUE, "flagged"),
        (unknown, "x", "black", "scale unknown"),
    ):
        rows = chosen & drawn
        if rows.any():
            ax.scatter(
                quality.peak_snr[rows],
                np.maximum(quality.pve[rows], _LOWEST),
                s=22,
                marker=marker,
                color=color,
                lw=1.1 if marker == "x" else 0,
                alpha=0.8,
                label=f"{label} ({int(chosen.sum())})",
            )
    _logarithmic(ax)
    lowest = max(float(quality.pve[drawn].min(initial=0.0)), _LOWEST)
    ax.set_ylim(lowest - 0.08, 1.05)
    title = f"cells without a flag: {int((~flagged).sum())} of {flagged.size}"
    return finish(
        ax,
        title,
        "highest transient (noise standard deviations)",
        "variance explained",
        legend="above",
    )


def _logarithmic(ax: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    # Few values lie close together; then powers of ten would leave the axis without numbers.
    subs = (1.0, 2.0, 5.0) if high > 10 * low else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
