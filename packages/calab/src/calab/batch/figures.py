"""Quality over sessions, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from calab._page.figures import Picture, figure
from calab.plots._axes import FIT, axes_for, finish

from .session import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["overview"]

_FIGURES = {
    "tau_decay_s": ("Decay time (s)", "Sessions of one indicator have one decay; one that stands "
    "apart has another indicator, a wrong frame rate, or little activity."),
    "snr_median": ("One spike over the noise", "Median over the cells whose amplitude of one "
    "spike is known. Below about 3 single spikes are missed."),
    "spikes_per_s": ("Spikes per second", "Median over the same cells."),
    "pve_median": ("Variance explained", "Median over cells, of the trace without its baseline."),
}  # fmt: skip


def overview(outcomes: Sequence[Outcome]) -> str:
    """Draw a figure per quality, a point per session.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of sessions with results.

    Returns
    -------
    str
        HTML.
    """
    drawn = []
    for key, (label, meaning) in _FIGURES.items():
        values = [outcome.summary.get(key) for outcome in outcomes]
        numbers = np.array([np.nan if value is None else value for value in values], float)
        if not np.isfinite(numbers).any():
            continue
        missing = int(np.isnan(numbers).sum())
        unknown = f" Unknown in {missing} of {numbers.size} sessions." if missing else ""
        axes = _points(numbers, [outcome.name for outcome in outcomes], label)
        alt = f"{label} of {numbers.size} sessions"
        drawn.append(figure(Picture(axes, alt, f"{label}. {meaning}{unknown}")))
    return "".join(drawn)


def _points(values: np.ndarray, names: Sequence[str], label: str) -> Axes:
    axes = axes_for(None, 2.4)
    axes.plot(np.arange(values.size), values, "o", ms=5, color=FIT)
    axes.axhline(float(np.nanmedian(values)), color="#bbbbbb", lw=1, zorder=0)
    few = values.size <= 12
    shown = list(names) if few else []
    axes.set_xticks(np.arange(len(shown)), shown, rotation=30, ha="right")
    axes.set_xlim(-0.5, values.size - 0.5)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low >= 0:
        axes.set_ylim(0, 1.1 * high if high > 0 else 1)
    order = "" if few else f"{values.size} sessions, in their order"
    return finish(axes, "", order, label)
