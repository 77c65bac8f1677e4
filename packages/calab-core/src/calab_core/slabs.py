"""Traces that are not in memory: read, worked on and written some cells at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MakeSink",
    "Sink",
    "Source",
    "Writer",
    "checked_sink",
    "is_source",
    "made_sinks",
    "numbered",
    "slab_size",
    "slabs",
]

#: Bytes that a slab should have: large enough that reading is not all overhead, small beside the
#: memory of the solver.
SLAB_BYTES = 32 << 20
#: Bytes of a slab beyond which chunks are refused: a slab is as high as a chunk at least, and
#: chunks that cut time have to be read whole for every slab.
MOST_SLAB_BYTES = 1 << 30


class Source(Protocol):
    """Cells x frames that are read by slices of cells: an array of h5py, zarr or calab-io."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells and frames."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""

    def __getitem__(self, rows: slice, /) -> Any:
        """Read some cells."""


class Sink(Protocol):
    """Cells x frames that are written by slices of cells: an array of NumPy, h5py or zarr."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells and frames."""

    def __setitem__(self, rows: slice, values: Any, /) -> None:
        """Write some cells."""


#: Makes an array for a result: its name, shape, type, and the cells that are written at a time.
MakeSink = Callable[[str, tuple[int, int], np.dtype[Any], int], Sink]


def is_source(traces: Any) -> bool:
    """Tell whether traces lie elsewhere and are read by slices of cells.

    Parameters
    ----------
    traces : object
        What was passed as traces.

    Returns
    -------
    bool
        Also False for arrays in memory, memory-mapped ones included.
    """
    if isinstance(traces, np.ndarray | np.generic) or not hasattr(traces, "__getitem__"):
        return False
    dtype, shape = getattr(traces, "dtype", None), getattr(traces, "shape", None)
    return isinstance(dtype, np.dtype) and isinstance(shape, tuple) and len(shape) == 2


def slab_size(source: Source, cells: int | None = None) -> int:
    """Choose how many cells are read at a time: whole chunks of them.

    Parameters
    ----------
    source : Source
        The traces.
    cells : int, optional
        About how many; by default what fits `SLAB_BYTES`.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the chunks are cut such that a slab would take more than a gigabyte.
    """
    n_cells, n_frames = source.shape
    together = _cells_per_chunk(source)
    row_bytes = max(1, n_frames * source.dtype.itemsize)
    if min(together, n_cells) * row_bytes > MOST_SLAB_BYTES:
        raise ValueError(
            f"traces: expected chunks of few whole traces, got chunks {_chunks(source)} of shape "
            f"{source.shape}; rechunk it first, with dask: "
            "dask.array.from_array(traces).rechunk({0: 64, 1: -1}).to_zarr(path)"
        )
    # What calab-io reads says how many cells are read in the time of one; more need not fit.
    hint = min(int(getattr(source, "slab", 1)), MOST_SLAB_BYTES // row_bytes)
    together = max(together, hint)
    wanted = SLAB_BYTES // row_bytes if cells is None else cells
    return max(1, wanted // together) * together


def slabs(source: Source, size: int) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Read slabs of cells one after the other, the next one while its predecessor is worked on.

    Parameters
    ----------
    source : Source
        The traces.
    size : int
        Cells of a slab.

    Yields
    ------
    cells : slice
        Which cells.
    traces : numpy.ndarray, shape (n_cells_of_slab, n_frames)
        Their traces.
    """
    parts = [slice(first, first + size) for first in range(0, source.shape[0], size)]
    with ThreadPoolExecutor(1, thread_name_prefix="calab-read") as reader:
        ahead: Future[NDArray[Any]] | None = None
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            traces = _read(source, part) if ahead is None else ahead.result()
            ahead = None if following is None else reader.submit(_read, source, following)
            yield part, traces


def checked_sink(name: str, sink: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Sink:
    """Refuse what results cannot be written to.

    Parameters
    ----------
    name : str
        What is to be written, for the message.
    sink : object
        What came.
    shape : tuple of int
        Shape that it must have.
    dtype : numpy.dtype
        Type of what is written; the sink's may be another of the same kind.

    Returns
    -------
    Sink

    Raises
    ------
    TypeError
        If it is no array, or its numbers are of another kind.
    ValueError
        If it has another shape.
    """
    theirs = getattr(sink, "dtype", None)
    if not isinstance(theirs, np.dtype) or not hasattr(sink, "__setitem__"):
        raise TypeError(f"{name}: expected an array of NumPy, h5py or zarr, got {sink!r:.60}")
    if not np.can_cast(dtype, theirs, "same_kind"):
        raise TypeError(f"{name}: expected numbers like {dtype}, got an array of {theirs}")
    if tuple(sink.shape) != tuple(shape):
        raise ValueError(f"{name}: expected shape {tuple(shape)}, got {tuple(sink.shape)}")
    written: Sink = sink
    return written


def made_sinks(
    out: MakeSink,
    types: Mapping[str, np.dtype[Any]],
    shape: tuple[int, int],
    slab_cells: int,
) -> dict[str, Any]:
    """Let the caller make the arrays of a result.

    Parameters
    ----------
    out : callable
        What was passed as `out`.
    types : mapping of str to numpy.dtype
        Type of each array by its name.
    shape : tuple of int
        Cells and frames.
    slab_cells : int
        Cells that are written at a time.

    Returns
    -------
    dict of str to Sink
        As they were made.

    Raises
    ------
    TypeError, ValueError
        If `out` cannot be called, or what it makes cannot be written to.
    """
    if not callable(out):
        expected = "a function that makes an array, given name, shape, type and cells"
        raise TypeError(f"out: expected {expected}, got {type(out).__name__}")
    made = {name: out(name, shape, dtype, slab_cells) for name, dtype in types.items()}
    for name, array in made.items():
        checked_sink(f"out, {name}", array, shape, types[name])
    return made


class Writer:
    """Write slabs to a sink, one while the next one is computed.

    Parameters
    ----------
    sink : Sink
        Where to.

    Notes
    -----
    A context manager: at its end everything is written, or the error of a write is raised.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="calab-write")
        self._last: Future[None] | None = None

    def write(self, cells: slice, values: NDArray[Any]) -> None:
        """Hand a slab over, and wait for the one before.

        Parameters
        ----------
        cells : slice
            Which cells.
        values : numpy.ndarray
            Their rows, which must not change any more.
        """
        self._wait()
        self._last = self._thread.submit(self._sink.__setitem__, cells, values)

    def __enter__(self) -> Writer:
        """Begin."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Finish what was handed over, also when something else went wrong."""
        try:
            self._wait()
        finally:
            self._thread.shutdown()

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()


@contextmanager
def numbered(cells: slice) -> Iterator[None]:
    """Count the cells of an error from the first cell of all instead of the slab's.

    Parameters
    ----------
    cells : slice
        The slab.
    """
    try:
        yield
    except ValueError as error:
        message = re.sub(
            r"\bcell (\d+)\b", lambda found: f"cell {int(found[1]) + cells.start}", str(error)
        )
        error.args = (message,)
        raise


def _read(source: Source, cells: slice) -> NDArray[Any]:
    # A masked array keeps its mask; a lazy one is computed.
    return np.asanyarray(source[cells])


def _chunks(source: Source) -> Sequence[int] | None:
    """Return the shape of a chunk where there are chunks; of dask's, which differ, the largest."""
    chunks = getattr(source, "chunks", None)
    if not isinstance(chunks, tuple) or len(chunks) != 2:
        return None
    return tuple(max(along, default=1) if isinstance(along, tuple) else along for along in chunks)


def _cells_per_chunk(source: Source) -> int:
    # Sharded zarr arrays are written and best read by shards.
    shards = getattr(source, "shards", None)
    chunks = shards if isinstance(shards, tuple) and len(shards) == 2 else _chunks(source)
    return 1 if chunks is None else max(1, int(chunks[0]))
