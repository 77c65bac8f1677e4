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
        Changes relative to the iteration before, on a logarithmic axis. Without a history it says
        so and is empty.

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
    iterations = _column(history, "iteration")
    rise, decay = _column(history, "tau_rise"), _column(history, "tau_decay")
    drawn = False
    for values, color, label in (
        (_column(history, "kernel_change"), FIT, "kernel"),
        (_steps(rise), TRUE, f"rise time ({_last(rise)})"),
        (_steps(decay), INFERRED, f"decay time ({_last(decay)})"),
    ):
        # Nothing changed is further down than a logarithm reaches.
        shown = np.where(values > 0, values, np.nan)
        if np.isfinite(shown).any():
            ax.plot(iterations, shown, "o-", ms=3.5, lw=1.2, color=color, label=label)
            drawn = True
    if drawn:
        _mark_tolerance(ax, result.metadata)
        ax.set_yscale("log")
        whole_numbers(ax.xaxis)
    else:
        ax.text(0.5, 0.5, "no iterations", transform=ax.transAxes, ha="center", color="#555555")
        ax.set(xticks=[], yticks=[])
    title = _title(result.metadata, len(history))
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


def _last(values: NDArray[np.float64]) -> str:
    return f"{values[-1]:.3g} s" if values.size else "unknown"


def _mark_tolerance(ax: Axes, metadata: dict[str, Any]) -> None:
    tolerance = metadata.get("settings", {}).get("convergence_tol")
    if tolerance:
        ax.axhline(tolerance, color="black", lw=0.9, ls="--", label="tolerance")


def _title(metadata: dict[str, Any], n_iterations: int) -> str:
    if metadata.get("converged"):
        at = metadata.get("converged_at_iteration")
        return "converged" if at is None else f"converged at iteration {at}"
    return f"not converged ({n_iterations} iterations)"
