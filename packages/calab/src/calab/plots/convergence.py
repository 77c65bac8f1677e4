"""How the estimate of the kernel settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._axes import FIT, INFERRED, TRUE, axes_for, details_of, finish, whole_numbers

if TYPE_CHECKING:
    from calab_core import CaDeconResult
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_convergence"]

#: Factor by which the axis reaches above the changes.
HEADROOM = 20.0
#: Floor of the axis where nothing ever changed.
LEAST_CHANGE = 1e-3


def plot_convergence(result: CaDeconResult, *, ax: Axes | None = None) -> Axes:
    """Draw how much the kernel and its time constants changed in each iteration.

    Parameters
    ----------
    result : CaDeconResult
        With its ``metadata["history"]``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure, ``plot_convergence(...).figure``.

    Returns
    -------
    matplotlib.axes.Axes
        Changes relative to the iteration before, on a logarithmic axis; triangles on its floor
        where nothing changed, and a dotted line where the search ended and the average over
        explanations took its place. Without a history it says so and is empty.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `result` is no `CaDeconResult`.
    ValueError
        If `result` was made without details.
    """
    details_of(result)
    ax = axes_for(ax)
    history = result.metadata.get("history") or []
    # Neither an average nor a kernel that stands in is a step of the search: how far they lie from
    # where that ended is no change.
    searched = [entry for entry in history if entry.get("method", "searched") == "searched"]
    iterations = _column(searched, "iteration")
    series = [
        (_column(searched, "kernel_change"), FIT, "kernel"),
        *(
            (_steps(_column(searched, name)), color, f"{label} ({_last(_column(history, name))})")
            for name, color, label in (
                ("tau_rise", TRUE, "rise time"),
                ("tau_decay", INFERRED, "decay time"),
            )
        ),
    ]
    changes = np.concatenate([values for values, _, _ in series])
    if np.isfinite(changes).any():
        ax.set_yscale("log")
        tolerance = result.metadata.get("settings", {}).get("convergence_tol") or np.inf
        floor = _floor(np.append(changes, tolerance))
        for values, color, label in series:
            _draw(ax, iterations, values, floor, color, label)
        if np.isfinite(tolerance):
            ax.axhline(tolerance, color="black", lw=0.9, ls="--", label="tolerance")
        if _is_sampled(history):
            ax.axvline(iterations[-1] + 1, ls=":", lw=1, color="#555555", label="sampled")
        # Room for the legend above the first change, which is the largest.
        ax.set_ylim(top=ax.get_ylim()[1] * HEADROOM)
        if (changes == 0).any():
            ax.plot([], [], "v", ms=6, mfc="white", color="#555555", label="no change")
            ax.set_ylim(bottom=floor)
        whole_numbers(ax.xaxis)
    else:
        ax.text(0.5, 0.5, "no iterations", transform=ax.transAxes, ha="center", color="#555555")
        ax.set(xticks=[], yticks=[])
    title = _title(result.metadata, history)
    return finish(
        ax, title, "iteration", "change since the last\n(share of the value)", legend="inside"
    )


def _column(history: list[dict[str, Any]], name: str) -> NDArray[np.float64]:
    values = [one.get(name) for one in history]
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _steps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.full(values.shape, np.nan)
    steps[1:] = np.abs(np.diff(values)) / values[1:]
    return steps


def _floor(changes: NDArray[np.float64]) -> float:
    """Lowest of the axis: the power of ten at least a factor of two below every change."""
    positive = changes[(changes > 0) & np.isfinite(changes)]
    return float(10 ** np.floor(np.log10(positive.min() / 2))) if positive.size else LEAST_CHANGE


def _draw(
    ax: Axes,
    iterations: NDArray[np.float64],
    values: NDArray[np.float64],
    floor: float,
    color: str,
    label: str,
) -> None:
    """Draw a line whose zeros, which no logarithm reaches, stand on the floor of the axis."""
    if not np.isfinite(values).any():
        return
    still = values == 0
    shown = np.where(still, floor, values)
    ax.plot(iterations, shown, "-", lw=1.2, color=color)
    ax.plot(iterations, np.where(still, np.nan, values), "o-", ms=3.5, color=color, label=label)
    ax.plot(
        iterations[still],
        shown[still],
        "v",
        ms=6,
        mfc="white",
        color=color,
        clip_on=False,
        zorder=3,
    )


def _last(values: NDArray[np.float64]) -> str:
    return f"{values[-1]:.3g} s" if values.size else "unknown"


def _is_sampled(history: list[dict[str, Any]]) -> bool:
    """Tell whether the last kernel is an average over explanations and not the search's."""
    return bool(history) and history[-1].get("method") == "sampled"


def _title(metadata: dict[str, Any], history: list[dict[str, Any]]) -> str:
    # The history begins with the kernel before the first iteration.
    iterations = max(len(history) - 1, 0)
    if metadata.get("kernel_method") == "assumed":
        return "no events: the kernel is assumed"
    if _is_sampled(history):
        rested = "came to rest" if metadata.get("converged") else "did not come to rest"
        return f"sampled after {iterations - 1} iterations, {rested}"
    if metadata.get("converged"):
        at = metadata.get("converged_at_iteration")
        return "converged" if at is None else f"converged at iteration {at}"
    return f"not converged ({iterations} iterations)"
