"""One computation on cells, wherever their traces are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import fields
from typing import Any

import numpy as np
from calab_solver import Deconvolution, deconvolve
from numpy.typing import NDArray

from .labelled import (
    as_plain,
    is_dask,
    is_labelled,
    map_cells,
    map_dask,
    refuse_what_holds_traces,
)
from .slabs import (
    MakeSink,
    Sink,
    Writer,
    checked_sink,
    is_source,
    made_sinks,
    numbered,
    slab_size,
    slabs,
)

__all__ = ["in_memory", "infer", "is_elsewhere", "is_streamed", "loaded", "stream"]

#: What has a value per frame; the activity is always made.
PER_FRAME = ("activity", "reconvolution", "removed_baseline")

Progress = Callable[[int, int], object]


def is_elsewhere(traces: Any) -> bool:
    """Tell whether traces are labelled, lazy or not in memory; refuse what only holds traces."""
    refuse_what_holds_traces(traces)
    return is_labelled(traces) or is_dask(traces) or is_source(traces)


def is_streamed(traces: Any) -> bool:
    """Tell whether traces lie elsewhere and can be read slab by slab."""
    if is_labelled(traces) or is_dask(traces) or not is_source(traces):
        return False
    try:
        slab_size(traces)
    except ValueError:
        return False
    return True


def loaded(traces: Any) -> Any:
    """Bring traces into memory, frames along the last axis, labels off.

    Parameters
    ----------
    traces : object
        What was passed as traces.

    Returns
    -------
    array_like
    """
    if not is_elsewhere(traces):
        return traces
    return np.asarray(as_plain(traces))


def infer(
    traces: Any, options: Mapping[str, Any], *, out: Sink | None, progress: Progress | None
) -> Any:
    """Infer the activity behind traces that are labelled, lazy or not in memory.

    Parameters
    ----------
    traces : xarray.DataArray, dask.array.Array, or array of h5py, zarr or calab-io
        Cells x frames.
    options : mapping
        Arguments of `calab_solver.deconvolve`.
    out : array, optional
        Where the activity is written as it comes.
    progress : callable, optional
        As for `calab_solver.deconvolve`; not called for lazy traces.

    Returns
    -------
    xarray.DataArray, dask.array.Array, numpy.ndarray or `out`
        Lazy for lazy traces without `out`.
    """
    plain = as_plain(traces) if is_elsewhere(traces) else np.asanyarray(traces)
    if out is None and is_labelled(traces):
        compute = _Activity(options, lazy=is_dask(plain))
        return map_cells(traces, compute, compute.checked(plain.shape), "activity")
    if out is None and is_dask(plain):
        compute = _Activity(options, lazy=True)
        return map_dask(plain, compute, compute.checked(plain.shape))
    make = in_memory if out is None else _given(out)
    return stream(plain, options, make, progress, full=False).activity


def stream(
    traces: Any, options: Mapping[str, Any], out: MakeSink, progress: Progress | None, *, full: bool
) -> Deconvolution:
    """Deconvolve some cells at a time.

    Parameters
    ----------
    traces : xarray.DataArray, dask.array.Array, or array of h5py, zarr, calab-io or NumPy
        Cells x frames.
    options : mapping
        Arguments of `calab_solver.deconvolve`.
    out : callable
        Makes the arrays that have a value per frame.
    progress : callable, optional
        As for `calab_solver.deconvolve`.
    full : bool
        Whether the fit and what was taken off are made, too.

    Returns
    -------
    Deconvolution
        With what `out` made, and in memory what has a value per cell.
    """
    source = as_plain(traces) if is_elsewhere(traces) else np.asanyarray(traces)
    if len(source.shape) != 2:
        raise ValueError(f"traces: expected cells x frames to stream, got shape {source.shape}")
    # No cells tell bad options, and the types, before anything is read.
    nothing = deconvolve(np.empty((0, source.shape[1])), **options, full=full)
    parts = [_figures(nothing)]
    types = {name: getattr(nothing, name).dtype for name in PER_FRAME[: 3 if full else 1]}
    size, total = slab_size(source), source.shape[0]
    sinks = made_sinks(out, types, source.shape, size)
    with ExitStack() as stack:
        writers = {name: stack.enter_context(Writer(sink)) for name, sink in sinks.items()}
        for cells, block in slabs(source, size):
            counted = _counted(progress, cells.start, total)
            with numbered(cells):
                found = deconvolve(block, **options, full=full, progress=counted)
            for name, writer in writers.items():
                writer.write(cells, getattr(found, name))
            parts.append(_figures(found))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    made: dict[str, Any] = {**dict.fromkeys(PER_FRAME), **joined, **sinks}
    return Deconvolution(**made, method=nothing.method)


def _figures(found: Deconvolution) -> dict[str, NDArray[Any]]:
    """Take what has a value per cell."""
    names = {field.name for field in fields(Deconvolution)} - {*PER_FRAME, "method"}
    return {name: getattr(found, name) for name in names}


def _given(out: Sink) -> MakeSink:
    """Take the array that was given for the activity."""
    return lambda _, shape, dtype, __: checked_sink("out", out, shape, dtype)


def in_memory(name: str, shape: tuple[int, int], dtype: np.dtype[Any], cells: int) -> Sink:
    """Make an array in memory, as `MakeSink`."""
    del name, cells
    return np.empty(shape, dtype)


def _counted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Count the cells of a slab on from those before it."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)


class _Activity:
    """The activity of cells in memory; can be sent to other processes."""

    def __init__(self, options: Mapping[str, Any], *, lazy: bool = False) -> None:
        self.options = dict(options)
        if lazy and self.options.get("n_threads") is None:
            # The scheduler runs as many blocks at a time as there are cores.
            self.options["n_threads"] = 1

    def __call__(self, block: NDArray[Any]) -> NDArray[Any]:
        return deconvolve(block, **self.options).activity

    def checked(self, shape: tuple[int, ...]) -> np.dtype[Any]:
        """Refuse bad options at once, not when a lazy result is computed; return the type."""
        return self(np.empty((0, shape[-1]))).dtype
