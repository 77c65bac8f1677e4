"""Traces of cells, in memory or elsewhere, some at a time; and where results per frame go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from calab_solver._traces import LARGEST, as_batch
from numpy.typing import NDArray

from ..blockwise import loaded
from ..labelled import as_plain, refuse_what_holds_traces
from ..slabs import MakeSink, is_source, made_sinks, numbered, slab_size, slabs
from .working import block_cells, blocks

__all__ = ["Frames", "Rows"]


class Rows:
    """Cells x frames that are looked at in slabs, however many there are.

    Parameters
    ----------
    traces : object
        What was passed as traces.
    gaps : bool
        Whether NaN marks a frame that was not recorded, or is refused.
    """

    def __init__(self, traces: Any, *, gaps: bool) -> None:
        refuse_what_holds_traces(traces)
        plain = as_plain(traces)
        self._gaps = gaps
        self._source = plain if is_source(plain) else None
        if self._source is None:
            self._batch = self._checked(loaded(traces))
            self.shape: tuple[int, int] = self._batch.shape
        else:
            self.shape = tuple(plain.shape)

    def slabs(self) -> Iterator[tuple[slice, NDArray[np.floating]]]:
        """Yield the cells of each slab, and their traces."""
        if self._source is None:
            for cells in blocks(self.shape):
                yield cells, _together(self._batch[cells])
            return
        for cells, traces in slabs(self._source, self.slab_cells):
            cells = slice(cells.start, cells.start + len(traces))
            with numbered(cells):
                checked = self._checked(traces)
            yield cells, _together(checked)

    @property
    def slab_cells(self) -> int:
        """Cells of a slab: as many as are worked on at a time, or as the source keeps together."""
        size = block_cells(self.shape)
        return size if self._source is None else slab_size(self._source, size)

    def take(self, cells: NDArray[np.int64], frames: slice = slice(None)) -> NDArray[np.floating]:
        """Return the traces of some cells, in memory.

        Parameters
        ----------
        cells : numpy.ndarray of int
            Which, at least one, from low to high.
        frames : slice
            Which frames.

        Returns
        -------
        numpy.ndarray, shape (len(cells), n_frames)
        """
        if self._source is None:
            whole = cells.size == self.shape[0]
            return _together(self._batch[:, frames] if whole else self._batch[cells, frames])
        return as_batch("traces", _picked(self._source, cells, frames, self.slab_cells))

    def _checked(self, traces: Any) -> NDArray[np.floating]:
        batch = as_batch("traces", traces, gaps=self._gaps)
        for trace in batch:
            largest = max(np.fmax.reduce(trace, initial=0.0), -np.fmin.reduce(trace, initial=0.0))
            if largest > LARGEST:
                raise ValueError(f"traces: expected values up to {LARGEST:g}, got {largest:g}")
        return batch


def _together(traces: NDArray[Any]) -> NDArray[Any]:
    """Keep each trace together, for it is gone through many times; files may have it otherwise."""
    return traces if traces.strides[1] == traces.itemsize else np.ascontiguousarray(traces)


class Frames:
    """Results per cell and frame, in memory or where they are wanted.

    Parameters
    ----------
    shape : tuple of int
        Cells and frames.
    slab_cells : int
        Cells that are written at a time.
    out : callable, optional
        Makes the arrays that they are written to.
    """

    NAMES = ("activity", "rate", "reconvolution", "removed_baseline")

    def __init__(self, shape: tuple[int, int], slab_cells: int, out: MakeSink | None) -> None:
        self._in_memory, self._slab_cells = out is None, slab_cells
        types = dict.fromkeys(self.NAMES, np.dtype(np.float32))
        self.arrays: dict[str, Any] = (
            {name: np.zeros(shape, dtype) for name, dtype in types.items()}
            if out is None
            else made_sinks(out, types, shape, slab_cells)
        )

    def room(self, name: str, cells: slice) -> NDArray[np.float32]:
        """Return zeros to be filled for some cells."""
        if self._in_memory:
            return np.asarray(self.arrays[name][cells])
        return np.zeros((cells.stop - cells.start, self.arrays[name].shape[1]), np.float32)

    def get(self, name: str, cells: slice) -> NDArray[np.float32]:
        """Return what was put for some cells."""
        return np.asarray(self.arrays[name][cells])

    def put(self, name: str, cells: slice, values: NDArray[np.float32]) -> None:
        """Write what was filled."""
        if not self._in_memory:
            self.arrays[name][cells] = values

    def take(self, name: str, cells: NDArray[np.int64], frames: slice) -> NDArray[np.float32]:
        """Return what was put for single cells, at least one, from low to high."""
        if self._in_memory:
            return np.asarray(self.arrays[name][cells, frames])
        return _picked(self.arrays[name], cells, frames, self._slab_cells)


def _picked(source: Any, cells: NDArray[np.int64], frames: slice, size: int) -> NDArray[Any]:
    """Read single cells, those of a slab in one go: what is kept together is read once."""
    parts = []
    for slab in np.split(cells, np.flatnonzero(np.diff(cells // size)) + 1):
        first, last = int(slab[0]), int(slab[-1]) + 1
        parts.append(np.asarray(source[first:last])[slab - first, frames])
    return np.concatenate(parts)
