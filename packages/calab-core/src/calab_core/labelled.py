"""Labelled arrays of xarray, and lazy ones of dask: the same computation, block by block."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .slabs import SLAB_BYTES

__all__ = [
    "as_plain",
    "cell_names",
    "is_dask",
    "is_labelled",
    "map_cells",
    "map_dask",
    "refuse_what_holds_traces",
    "warn_of_another_rate",
]

#: Names by which a dimension is known to be time.
FRAME_NAMES = ("frame", "frames", "time", "t")

#: Seconds in a unit of time; times in others say nothing.
SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
}

#: Share by which two rates may differ that are the same.
SAME_RATE = 0.01

#: A chunk of so many slabs of cells is left as it is.
MOST_SLABS = 8

#: Takes and returns cells x frames.
Compute = Callable[[NDArray[Any]], NDArray[Any]]


def is_labelled(traces: Any) -> bool:
    """Tell whether traces are a DataArray, without importing xarray."""
    return _comes_from(traces, "xarray", "DataArray")


def is_dask(traces: Any) -> bool:
    """Tell whether traces are a dask array, without importing dask."""
    return _comes_from(traces, "dask.array", "Array")


def frame_dim(traces: Any) -> str:
    """Find the dimension that is time.

    Parameters
    ----------
    traces : xarray.DataArray
        The traces.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If no dimension, or more than one, is named as one of time.
    """
    named = [dim for dim in traces.dims if str(dim).lower() in FRAME_NAMES]
    if len(named) != 1:
        raise ValueError(
            f"traces: expected one dimension named {' or '.join(FRAME_NAMES)}, got {traces.dims}; "
            "rename it with traces.rename({'...': 'frame'})"
        )
    return str(named[0])


def as_plain(traces: Any) -> Any:
    """Take the labels off, with frames along the last axis.

    Parameters
    ----------
    traces : object
        What was passed as traces.

    Returns
    -------
    object
        The array below a DataArray, turned if need be; anything else as it came.
    """
    return traces.transpose(..., frame_dim(traces)).data if is_labelled(traces) else traces


def refuse_what_holds_traces(traces: Any) -> None:
    """Say what to pass instead of something that only holds traces, or names them.

    Parameters
    ----------
    traces : object
        What was passed as traces.

    Raises
    ------
    TypeError
        For a path, a recording of `calab_io.read`, or a Dataset.
    """
    instead = None
    if isinstance(traces, str | os.PathLike):
        instead = "a path; read it first, with recording = calab.read(path)"
    elif _comes_from(traces, "calab_io", "Recording"):
        instead = "a Recording; pass recording.traces, recording.fs"
    elif _comes_from(traces, "xarray", "Dataset"):
        instead = "a Dataset; pass one of its variables"
    if instead is not None:
        raise TypeError(f"traces: expected an array of cells x frames, got {instead}")


def cell_names(traces: Any) -> NDArray[Any] | None:
    """Return how a DataArray knows its cells.

    Parameters
    ----------
    traces : object
        What was passed as traces.

    Returns
    -------
    numpy.ndarray or None
        The coordinate along cells, if there is one of whole numbers or strings.
    """
    if not is_labelled(traces):
        return None
    dims = [dim for dim in traces.dims if dim != frame_dim(traces)]
    if len(dims) != 1 or dims[0] not in traces.coords:
        return None
    names = np.asarray(traces.coords[dims[0]].values)
    names = names.astype(str) if names.dtype.kind == "O" else names
    return names if names.dtype.kind in "iuU" else None


def warn_of_another_rate(traces: Any, fs: Any) -> None:
    """Warn where the times along a DataArray mean another rate than `fs`.

    Parameters
    ----------
    traces : object
        What was passed as traces.
    fs : object
        What was passed as sampling rate in hertz.

    Warns
    -----
    UserWarning
        If times in seconds, or points in time, differ by more than `SAME_RATE`.
    """
    if not is_labelled(traces) or not isinstance(fs, int | float):
        return
    frames = frame_dim(traces)
    if frames not in traces.coords:
        return
    known = traces.coords[frames]
    times: NDArray[Any] = np.asarray(known.values)
    unit = SECONDS.get(str(known.attrs.get("units", "s")).partition(" ")[0].lower(), 0.0)
    if times.dtype.kind in "mM":
        times = (times - times[:1]).astype("timedelta64[ns]").astype(np.float64)
        unit = SECONDS["ns"]
    # Whole numbers count the frames.
    if times.dtype.kind != "f" or times.size < 2:
        return
    step = unit * float(np.median(np.diff(times)))
    if step > 0 and abs(step * fs - 1) > SAME_RATE:
        said = f"traces: the times along {frames} mean {1 / step:g} Hz, but fs is {fs:g} Hz"
        warnings.warn(f"{said}, which is used", UserWarning, stacklevel=3)


def map_cells(traces: Any, compute: Compute, dtype: np.dtype[Any], name: str) -> Any:
    """Compute cell by cell on a DataArray; lazily if it is lazy.

    Parameters
    ----------
    traces : xarray.DataArray
        With a dimension of time, in any place.
    compute : callable
        Takes and returns cells x frames.
    dtype : numpy.dtype
        Type of what it returns.
    name : str
        Name of the result.

    Returns
    -------
    xarray.DataArray
        Of the same dimensions and coordinates, in the unit of the traces.
    """
    # It is there, for it made the traces; type checkers need not have it.
    xarray: Any = import_module("xarray")
    frames = frame_dim(traces)
    turned = traces.transpose(..., frames)
    if is_dask(turned.data):
        turned = turned.copy(data=_coalesced(turned.data))
    found = xarray.apply_ufunc(
        _Flattened(compute),
        turned,
        input_core_dims=[[frames]],
        output_core_dims=[[frames]],
        dask="parallelized",
        output_dtypes=[dtype],
        keep_attrs=False,
    )
    about = {"long_name": name, "units": traces.attrs.get("units", "unit of the traces")}
    return found.transpose(*traces.dims).rename(name).assign_attrs(about)


def map_dask(traces: Any, compute: Compute, dtype: np.dtype[Any]) -> Any:
    """Compute cell by cell on a dask array, lazily.

    Parameters
    ----------
    traces : dask.array.Array, shape (..., n_frames)
        Cells x frames.
    compute : callable
        Takes and returns cells x frames.
    dtype : numpy.dtype
        Type of what it returns.

    Returns
    -------
    dask.array.Array
        Of the same shape.
    """
    whole = _coalesced(traces)
    return whole.map_blocks(
        _Flattened(compute), dtype=dtype, meta=np.empty((0,) * traces.ndim, dtype)
    )


class _Flattened:
    """Let a computation on cells x frames take any axes before the frames.

    A class, for dask sends it to other processes, and by its content names what it computes.
    """

    def __init__(self, compute: Compute) -> None:
        self.compute = compute

    def __call__(self, block: NDArray[Any]) -> NDArray[Any]:
        cells = block.reshape(-1, block.shape[-1])
        return self.compute(cells).reshape(block.shape)


def _coalesced(traces: Any) -> Any:
    """Rechunk a dask array to whole traces, and small chunks of cells to larger ones.

    A task per cell takes three to four times as long as the cell.
    """
    if traces.ndim == 1:
        return traces.rechunk(-1)
    row_bytes = max(1, traces.shape[-1] * traces.dtype.itemsize)
    size = max(1, SLAB_BYTES // row_bytes)
    whole = len(traces.chunks[-1]) <= 1
    if whole and size <= max(traces.chunks[0], default=0) <= MOST_SLABS * size:
        return traces
    # Chunks of all cells and some frames would become one block of everything.
    return traces.rechunk({0: size, -1: -1})


def _comes_from(value: Any, module: str, name: str) -> bool:
    return any(
        base.__name__ == name and base.__module__.startswith(module) for base in type(value).__mro__
    )
