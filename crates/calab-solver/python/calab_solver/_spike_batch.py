"""What every function that finds events or spikes asks of its batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._parameters import as_count, as_number, check_progress
from ._traces import as_real, as_segments, as_traces

__all__ = ["as_spike_batch", "as_values", "split"]


def as_spike_batch(
    traces: ArrayLike,
    fs: float,
    tau_rise: ArrayLike,
    tau_decay: ArrayLike,
    n_kernels: int | None,
    upsample_factor: int,
    segments: Sequence[int] | NDArray[np.integer] | None,
    n_threads: int | None,
    progress: Callable[[int, int], object] | None,
) -> dict[str, Any]:
    """Check the arguments that all batches share and gather them for Rust.

    Parameters
    ----------
    traces, fs, tau_rise, tau_decay, upsample_factor, segments, n_threads, progress
        As :func:`calab_solver.find_events` takes them.
    n_kernels : int, optional
        Pairs of time constants that are expected: one per cell if None.

    Returns
    -------
    dict
        The arguments by name.

    Raises
    ------
    TypeError, ValueError
        As :func:`calab_solver.find_events`.
    """
    cells = as_traces("traces", traces)
    check_progress(progress)
    expected = len(cells) if n_kernels is None else n_kernels
    return {
        "traces": cells,
        "fs": as_number("fs", fs),
        "tau_rise": as_values("tau_rise", tau_rise, expected),
        "tau_decay": as_values("tau_decay", tau_decay, expected),
        "upsample_factor": as_count("upsample_factor", upsample_factor, 1),
        "segments": as_segments(segments),
        "n_threads": None if n_threads is None else as_count("n_threads", n_threads, 1),
        "progress": progress,
    }


def as_values(name: str, values: ArrayLike, length: int) -> NDArray[np.float64]:
    """Accept one number for all, or one each.

    Parameters
    ----------
    name : str
        How the caller knows the argument, for the message.
    values : float or array_like, shape (length,)
        What came.
    length : int
        How many are wanted.

    Returns
    -------
    numpy.ndarray, shape (length,), float64

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If there is neither one nor the wanted number.
    """
    array = as_real(name, values)
    if array.shape not in ((), (length,)):
        raise ValueError(f"{name}: expected a number or shape ({length},), got {array.shape}")
    return np.require(np.broadcast_to(array, (length,)), np.float64, "C")


def split(values: NDArray[Any], ends: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    """Cut the values of all cells, one after the other, into those of each.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        What all cells have.
    ends : numpy.ndarray, shape (n_cells,)
        Where each cell's values end.

    Returns
    -------
    tuple of numpy.ndarray
        One array per cell.
    """
    return tuple(np.split(values, ends[:-1])) if ends.size else ()
