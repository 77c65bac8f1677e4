"""One computation on cells, wherever their traces are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from calab_solver import deconvolve
from numpy.typing import NDArray

from .labelled import as_plain, is_dask, is_labelled, map_cells, map_dask
from .slabs import Sink, Writer, checked_sink, is_source, numbered, slab_size, slabs

__all__ = ["infer", "is_elsewhere", "loaded"]

Progress = Callable[[int, int], object]


def is_elsewhere(traces: Any) -> bool:
    """Tell whether traces are labelled, lazy or not in memory."""
    return is_labelled(traces) or is_dask(traces) or is_source(traces)


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
    return _streamed(plain, options, out, progress)


def _streamed(
    source: Any, options: Mapping[str, Any], out: Sink | None, progress: Progress | None
) -> Any:
    if len(source.shape) != 2:
        raise ValueError(f"traces: expected cells x frames to stream, got shape {source.shape}")
    dtype = _Activity(options).checked(source.shape)
    sink: Sink = np.empty(source.shape, dtype)
    if out is not None:
        sink = checked_sink("out", out, source.shape, dtype)
    total = source.shape[0]
    with Writer(sink) as writer:
        for cells, block in slabs(source, slab_size(source)):
            with numbered(cells):
                found = deconvolve(
                    block, **options, progress=_counted(progress, cells.start, total)
                )
            writer.write(cells, found.activity)
    return sink


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
