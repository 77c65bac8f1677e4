"""Traces that stay in their file until rows of them are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["LazyTraces", "pieces"]

#: Bytes that are worked on at a time where a trace is made of several arrays: they stay in caches.
PIECE_BYTES = 4 << 20


class LazyTraces:
    """Cells x frames in a file; slices, rows and lists of rows come as NumPy arrays.

    The file is opened anew for each request, so the object can be sent to other processes, and
    nothing stays locked.

    Parameters
    ----------
    shape : tuple of int
        Cells and frames.
    dtype : dtype
        float32 or float64.
    load : callable
        Given rows as an array of int, returns them, shape (n_rows, n_frames).
    slab : int, optional
        Cells that the file keeps together: reading fewer of them at a time costs as much.
    chunks : tuple of int, optional
        Cells and frames of the pieces that the file is cut into, where it is.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    slab : int
    chunks : tuple of int or None
    """

    ndim = 2

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: DTypeLike,
        load: Callable[[NDArray[np.intp]], NDArray[Any]],
        *,
        slab: int = 1,
        chunks: tuple[int, int] | None = None,
    ) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.slab = slab
        self.chunks = chunks
        self._load = load

    @property
    def size(self) -> int:
        """Samples in total."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that all of it takes in memory."""
        return self.size * self.dtype.itemsize

    def take(self, rows: NDArray[np.intp]) -> LazyTraces:
        """Return some of the cells, still in their file.

        Parameters
        ----------
        rows : numpy.ndarray of int
            Which, in the order in which they will stand.

        Returns
        -------
        LazyTraces
        """
        shape = (rows.size, self.shape[1])
        load = _Taken(self._load, rows)
        return LazyTraces(shape, self.dtype, load, slab=self.slab, chunks=self.chunks)

    def __len__(self) -> int:
        """Return the number of cells."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read rows, or frames of rows."""
        row_key, frame_key = key if isinstance(key, tuple) else (key, slice(None))
        rows = np.arange(self.shape[0])[row_key]
        loaded = self._rows(np.atleast_1d(rows))
        # What was asked for with one number has one axis less.
        return (loaded if np.ndim(rows) else loaded[0])[..., frame_key]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        if copy is False:
            raise ValueError("traces in a file cannot become an array without being copied")
        return self._rows(np.arange(self.shape[0])).astype(dtype or self.dtype, copy=False)

    def __repr__(self) -> str:
        """Name shape and type."""
        return f"LazyTraces({self.shape[0]} cells x {self.shape[1]} frames, {self.dtype})"

    def _rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        if rows.size == 0:
            return np.empty((0, self.shape[1]), dtype=self.dtype)
        return self._load(rows).astype(self.dtype, copy=False)


class _Taken:
    """Rows of rows; a class, since what is sent to other processes cannot be a closure."""

    def __init__(
        self, load: Callable[[NDArray[np.intp]], NDArray[Any]], rows: NDArray[np.intp]
    ) -> None:
        self.load, self.rows = load, rows

    def __call__(self, which: NDArray[np.intp]) -> NDArray[Any]:
        return self.load(self.rows[which])


def pieces(traces: NDArray[Any]) -> Iterator[slice]:
    """Cut cells x frames into stretches of cells that stay in the processor's caches.

    Parameters
    ----------
    traces : numpy.ndarray
        What is worked on.

    Yields
    ------
    slice
    """
    size = max(1, PIECE_BYTES * len(traces) // max(1, traces.nbytes))
    for first in range(0, len(traces), size):
        yield slice(first, first + size)
