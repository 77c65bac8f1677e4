"""Which cells to trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._axes import FIT, TRACE, TRUE, axes_for, finish

if TYPE_CHECKING:
    from calab_core import Quality
    from matplotlib.axes import Axes

__all__ = ["plot_quality"]


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
        (unknown, "x", TRACE, "scale unknown"),
    ):
        rows = chosen & drawn
        if rows.any():
            ax.scatter(
                quality.peak_snr[rows],
                quality.pve[rows],
                s=22,
                marker=marker,
                color=color,
                lw=1.1 if marker == "x" else 0,
                alpha=0.8,
                label=f"{label} ({int(chosen.sum())})",
            )
    ax.set_xscale("log")
    # A fit that is far worse than a constant would hide the rest.
    ax.set_ylim(max(float(quality.pve[drawn].min(initial=0.0)), -0.5) - 0.05, 1.05)
    title = f"{int((~flagged).sum())} of {flagged.size} cells without a flag"
    return finish(
        ax,
        title,
        "highest transient (noise standard deviations)",
        "variance explained",
        legend=True,
    )
