"""The response to one spike, and how far the data agree on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._axes import FIT, INFERRED, TRACE, axes_for, details_of, finish

if TYPE_CHECKING:
    from calab_core import CaDeconResult
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_kernel", "time_constant"]

_LEAST_SHOWN = 0.01


def plot_kernel(result: CaDeconResult, *, ax: Axes | None = None) -> Axes:
    """Draw the kernel that made the activity, over the free-form kernels of the subsets.

    Parameters
    ----------
    result : CaDeconResult
        With its `details`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure, ``plot_kernel(...).figure``.

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
    ax = axes_for(ax)
    for number, free in enumerate(details.subset_kernels):
        time = np.arange(free.size) / details.kernel_fs
        label = f"subsets ({len(details.subset_kernels)})"
        ax.plot(time, free, color=TRACE, lw=0.9, alpha=0.8, label=None if number else label)
    slow, fast = np.asarray(result.kernel_slow), np.asarray(result.kernel_fast)
    for kernel, color, label in ((slow, FIT, "kernel"), (fast, INFERRED, "fast part")):
        if kernel.size:
            time = np.arange(kernel.size) / result.fs
            ax.plot(time, kernel, "o-", ms=3, color=color, lw=1.4, label=label)
    ax.axhline(0, color="black", lw=0.6)
    ax.set_xlim(0, _reach(slow) / result.fs)
    title = f"rise {_times(details.tau_rise)}, decay {_times(details.tau_decay)}"
    if result.metadata.get("kernel_method") == "assumed":
        title = f"assumed: {title}"
    return finish(ax, title, "time after the spike (s)", "response (1 = peak)", legend="above")


def _reach(kernel: NDArray[np.floating[Any]]) -> int:
    """Find how many samples there is something to see in."""
    above = np.flatnonzero(kernel > _LEAST_SHOWN)
    return int(above[-1]) + 2 if above.size else max(kernel.size, 1)


def _times(values: NDArray[np.float64]) -> str:
    known = values[np.isfinite(values)]
    if known.size == 0:
        return "unknown"
    low, middle, high = (time_constant(v) for v in np.quantile(known, [0.1, 0.5, 0.9]))
    return middle if low == high else f"{middle} ({low} to {high})"


def time_constant(seconds: float) -> str:
    """Write a time constant with its unit, milliseconds below a second."""
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
