"""One series of responses in an NWB file: its samples and its times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalabFormatError
from ...files.hdf5 import dataset, open_hdf5, rows_of
from ...files.hdf5_links import resolve
from ...lazy import pieces
from ...timestamps import rate_of
from .tree import EXTRA, attribute

__all__ = ["Samples", "Sum", "Times", "samples_of", "times_of"]

#: Cells that are read in the time of one from frames x cells without chunks, as measured.
MOST_TOGETHER = 256


@dataclass(frozen=True)
class Samples:
    """Where the samples of a series are, and how they become traces.

    Attributes
    ----------
    key : str
        Path of the data set.
    shape : tuple of int
        Cells and frames.
    frames_first : bool
        Whether the data set is frames x cells, as NWB has it, or only frames.
    factor, offset : float
        From what is stored to its unit.
    dtype : numpy.dtype
        float32 or float64.
    slab : int
        Cells that the file keeps together.
    """

    key: str
    shape: tuple[int, int]
    frames_first: bool
    factor: float
    offset: float
    dtype: np.dtype[Any]
    slab: int

    def load(self, item: Any, rows: NDArray[np.intp], frames: slice = slice(None)) -> NDArray[Any]:
        """Read some cells of the data set, shape (n_rows, n_frames)."""
        if item.ndim == 1:
            values = np.asarray(item[frames])[np.newaxis][rows]
        else:
            values = rows_of(item, rows, int(self.frames_first), frames)
        values = values.astype(self.dtype, copy=False)
        if (self.factor, self.offset) == (1, 0):
            return values
        return values * self.factor + self.offset

    def stretches(self, item: Any, traces: NDArray[Any]) -> Iterator[slice]:
        """Cut frames so that those of all cells stay in caches, where that reads none twice."""
        if item.chunks is None and self.frames_first and item.ndim == 2:
            yield from pieces(traces.T)
        else:
            yield slice(None)


@dataclass(frozen=True)
class Sum:
    """Some cells of a weighted sum of samples, read when called with rows of them."""

    path: Path
    parts: tuple[tuple[float, Samples], ...]
    cells: NDArray[np.intp]

    def __call__(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Read some of the cells, shape (n_rows, n_frames)."""
        (_, first), *others = self.parts
        cells = self.cells[rows]
        with open_hdf5(self.path, EXTRA) as file:
            total = first.load(file[first.key], cells)
            for weight, part in others:
                item = file[part.key]
                total = total.astype(np.result_type(total, part.dtype), copy=False)
                for frames in part.stretches(item, total):
                    values = part.load(item, cells, frames)
                    total[:, frames] += values if weight == 1 else weight * values
            return total


def samples_of(file: Any, key: str, n_cells: int, n_frames: int | None = None) -> Samples:
    """Find out how the samples of a series lie.

    NWB has frames x cells. Older versions of suite2p wrote cells x frames, which the number of
    cells tells; where both would do, it is as NWB has it.

    Parameters
    ----------
    file : h5py.File
        The file.
    key : str
        Path of the series.
    n_cells : int
        Cells that the series is of.
    n_frames : int, optional
        Frames, where they are known.

    Returns
    -------
    Samples

    Raises
    ------
    MissingKeyError
        If it has no data.
    CalabFormatError
        If they are not of that many cells, or their conversion is not a number.
    """
    item = dataset(file, f"{key}/data")
    shape = (*item.shape, 1) if item.ndim == n_cells == 1 else item.shape
    frames_first = _frames_first(shape, n_cells, n_frames)
    if frames_first is None:
        frames = "frames" if n_frames is None else f"{n_frames} frames"
        problem = f"expected {frames} x {n_cells} cells, got shape {item.shape}"
        remedy = "save it again from the tool that wrote it"
        raise CalabFormatError(file.filename, problem, remedy, key=f"{key}/data")
    together = MOST_TOGETHER if frames_first else 1
    if item.chunks:
        together = item.chunks[-1 if frames_first else 0]
    single = item.dtype.kind == "f" and item.dtype.itemsize == 4
    return Samples(
        key=item.name.strip("/"),
        shape=(shape[1], shape[0]) if frames_first else shape,
        frames_first=frames_first,
        factor=_factor(file, item, "conversion", 1.0),
        offset=_factor(file, item, "offset", 0.0),
        dtype=np.dtype(np.float32 if single else np.float64),
        slab=max(1, min(n_cells, together)),
    )


def _frames_first(shape: tuple[int, ...], n_cells: int, n_frames: int | None) -> bool | None:
    if len(shape) != 2:
        return None
    if shape[1] == n_cells and n_frames in (None, shape[0]):
        return True
    return False if shape[0] == n_cells and n_frames in (None, shape[1]) else None


def _factor(file: Any, item: Any, name: str, default: float) -> float:
    value = attribute(item, name)
    if value is None:
        return default
    if not _is_number(value) or not np.isfinite(value) or (value == 0 and default):
        problem = f"expected {name} by a finite number, got {value!r}"
        raise CalabFormatError(file.filename, problem, key=item.name.strip("/"))
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


@dataclass(frozen=True)
class Times:
    """When a series was taken.

    Attributes
    ----------
    fs : float or None
        In hertz.
    stamps : numpy.ndarray, shape (n_frames,), or None
        In seconds, where the file has them.
    start : float or None
        In seconds, where the file has a rate instead.
    notes : tuple of str
        What its user should know.
    """

    fs: float | None = None
    stamps: NDArray[np.float64] | None = None
    start: float | None = None
    notes: tuple[str, ...] = ()


def times_of(file: Any, key: str, fs: float | None) -> Times:
    """Find the rate of a series.

    Parameters
    ----------
    file : h5py.File
        The file.
    key : str
        Path of the series.
    fs : float or None
        Rate from the user, beside which time stamps need not say one.

    Returns
    -------
    Times

    Raises
    ------
    CalabFormatError
        If there are time stamps that say no rate, and the user gave none.
    """
    path = Path(file.filename)
    where = resolve(file, f"{key}/timestamps")
    if where is not None:
        try:
            stamps, rate, notes = rate_of(dataset(file, where)[()], path, where)
            return Times(rate, stamps, notes=notes)
        except CalabFormatError:
            if fs is None:
                raise
        note = f"{path}, {where}: no time stamps that increase; they are left out"
        return Times(notes=(note,))
    where = resolve(file, f"{key}/starting_time")
    if where is None:
        return Times()
    item = dataset(file, where)
    start = float(item[()]) if item.shape == () and np.isfinite(item[()]) else None
    rate = attribute(item, "rate")
    return Times(float(rate) if _is_number(rate) else None, start=start)
