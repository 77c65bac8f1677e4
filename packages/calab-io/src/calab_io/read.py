"""One way into every format: find out which it is, read it, and check what came."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from calab_solver._parameters import as_choice, as_count, as_flag, as_number
from numpy.typing import NDArray

from .documents import as_path
from .errors import CalabFormatError
from .formats import FORMATS, LAYOUTS, locate
from .names import SAME_RATE
from .recording import Contents, Recording, Request

__all__ = ["as_rate", "cell_ids", "look", "read", "requested", "selected"]

KINDS = ("auto", "raw", "dff", "denoised", "deconvolved")


def read(
    path: str | os.PathLike[str],
    format: str = "auto",
    trace: Literal["auto", "raw", "dff", "denoised", "deconvolved"] = "auto",
    cells: Literal["accepted", "all"] | Sequence[int] | Sequence[str] | NDArray[Any] = "accepted",
    fs: float | None = None,
    *,
    key: str | None = None,
    transpose: bool | None = None,
    plane: int | None = None,
    skip_rows: int | None = None,
) -> Recording:
    """Read a recording from the file or folder that another tool left behind.

    Parameters
    ----------
    path : str or PathLike
        A file, or a folder as the tool wrote it, or one that holds a single such file or folder.
    format : str
        One of `calab_io.FORMATS`; ``"auto"`` finds it out.
    trace : {"auto", "raw", "dff", "denoised", "deconvolved"}
        Kind of trace. ``"auto"`` is the one that spikes should be inferred from: the raw trace,
        which still has its noise, where the format has it.
    cells : {"accepted", "all"} or sequence of int or str
        Cells that the source calls accepted, or all of them, or those with these ids.
    fs : float, optional
        Sampling rate in hertz; required where the source does not say. Given, it wins.
    key : str, optional
        Where in the file the traces are, in formats that may hold several arrays.
    transpose : bool, optional
        Whether rows are frames, in formats that do not say; never guessed. Default False.
    plane : int, optional
        Imaging plane, where there are several.
    skip_rows : int, optional
        Header lines of a text table. Default 0.

    Returns
    -------
    Recording
        Its traces stay in the file until they are asked for, where the format allows.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    CalabFormatError
        If the format is not known, the content is not what the format says, or the path is an
        address. It names the file, the key and the remedy.
    MissingKeyError
        A `CalabFormatError` that is also a KeyError: something is not in the file.
    ImportError
        If the library of the format is not installed.
    ValueError, TypeError
        For an argument out of range or of the wrong kind.

    Warns
    -----
    UserWarning
        For what the user should know of the source, as `Recording.notes` has it.
    """
    wanted = cells if isinstance(cells, str) else "all"
    request = requested(
        trace=trace,
        cells=wanted,
        fs=fs,
        key=key,
        transpose=transpose,
        plane=plane,
        skip_rows=skip_rows,
    )
    contents, name, found = look(path, format, request)
    if not isinstance(cells, str):
        contents = selected(contents, cells, found)
    if contents.fs is None:
        raise CalabFormatError(found, "the frame rate is not in it", contents.fs_remedy)
    for note in contents.notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    return Recording(
        traces=contents.traces,
        fs=contents.fs,
        cell_ids=cell_ids(contents),
        timestamps=contents.timestamps,
        source=found,
        format=name,
        trace=contents.trace,
        why=contents.why,
        cells=contents.cells,
        provenance=contents.provenance,
        notes=contents.notes,
    )


def requested(
    *,
    trace: str,
    cells: str,
    fs: float | None,
    key: str | None,
    transpose: bool | None,
    plane: int | None,
    skip_rows: int | None,
) -> Request:
    """Check what was asked for.

    Parameters
    ----------
    trace, cells, fs, key, transpose, plane, skip_rows
        As for `read`.

    Returns
    -------
    Request

    Raises
    ------
    ValueError, TypeError
        As `read`.
    """
    if key is not None and not isinstance(key, str):
        raise TypeError(f"key: expected the name of an array, got {key!r}")
    return Request(
        trace=as_choice("trace", trace, KINDS),
        cells=as_choice("cells", cells, ("accepted", "all")),
        fs=None if fs is None else as_rate(fs),
        key=key,
        transpose=None if transpose is None else as_flag("transpose", transpose),
        plane=None if plane is None else as_count("plane", plane, 0),
        skip_rows=None if skip_rows is None else as_count("skip_rows", skip_rows, 0),
    )


def look(path: str | os.PathLike[str], format: str, request: Request) -> tuple[Contents, str, Path]:
    """Read without asking for a frame rate or warning of anything.

    Parameters
    ----------
    path : str or PathLike
        As for `read`.
    format : str
        As for `read`.
    request : Request
        What is asked for.

    Returns
    -------
    contents : Contents
        Checked: at least a cell and a frame, every cell once, and the user's rate if there is one.
    format : str
        One of `FORMATS`.
    path : Path
        Where the recording was found.

    Raises
    ------
    FileNotFoundError, CalabFormatError, ImportError
        As `read`.
    """
    as_choice("format", format, ("auto", *FORMATS))
    name, reader, found = locate(as_path(path), format)
    for option in ("key", "transpose", "plane", "skip_rows"):
        if getattr(request, option) is not None and option not in reader.OPTIONS:
            raise ValueError(f"{option}: does not apply to {name} ({found})")
    contents = reader.read(found, request)
    _check_size(contents, found, some=request.cells == "accepted" and name in LAYOUTS)
    return _checked(contents, found, request), name, found


def _check_size(contents: Contents, path: Path, *, some: bool) -> None:
    """Refuse nothing at all, `some` telling whether only some cells were asked for."""
    n_cells, n_frames = contents.traces.shape
    if n_cells == 0:
        remedy = "cells='all' reads the others" if some else "choose another file"
        raise CalabFormatError(path, f"no {'accepted ' * some}cells", remedy)
    if n_frames == 0:
        raise CalabFormatError(path, f"{n_cells} cells without a frame", "choose another file")


def _checked(contents: Contents, path: Path, request: Request) -> Contents:
    n_cells, n_frames = contents.traces.shape
    ids = cell_ids(contents)
    if ids.shape != (n_cells,) or np.unique(ids).size != n_cells:
        problem = f"expected an id of its own for each of {n_cells} cells, got {ids[:5]} ..."
        raise CalabFormatError(path, problem, "save it again from the tool that wrote it")
    times = contents.timestamps
    if times is not None and times.shape != (n_frames,):
        problem = f"expected a time stamp per frame, got {times.size} for {n_frames} frames"
        raise CalabFormatError(path, problem, "save it again from the tool that wrote it")
    if contents.fs is not None and not (np.isfinite(contents.fs) and contents.fs > 0):
        problem = f"expected a frame rate above 0, got {contents.fs}"
        if request.fs is None:
            raise CalabFormatError(path, problem, "give fs in Hz")
        contents = replace(contents, fs=None)
    return _with_rate(contents, path, request.fs)


def _with_rate(contents: Contents, path: Path, fs: float | None) -> Contents:
    """Let the user's rate win, and say so where the source has another."""
    if fs is None:
        return contents
    notes = contents.notes
    if contents.fs is not None and abs(contents.fs / fs - 1) > SAME_RATE:
        notes = (*notes, f"{path}: says {contents.fs:g} Hz; {fs:g} Hz is used, as given")
    return replace(contents, fs=fs, notes=notes)


def selected(contents: Contents, cells: Any, path: Path) -> Contents:
    """Take the cells with these ids, in this order.

    Parameters
    ----------
    contents : Contents
        With all cells.
    cells : sequence of int or str
        Their ids.
    path : Path
        Where they were read from, for errors.

    Returns
    -------
    Contents

    Raises
    ------
    CalabFormatError
        If one of them is not there.
    TypeError, ValueError
        For what are no ids, or one twice.
    """
    ids, wanted = cell_ids(contents), np.asarray(cells)
    if wanted.ndim != 1 or wanted.size == 0 or wanted.dtype.kind not in "iuU":
        raise TypeError(f"cells: expected 'accepted', 'all' or a list of ids, got {cells!r}")
    row = {name: at for at, name in enumerate(ids.tolist())}
    missing = [name for name in wanted.tolist() if name not in row]
    if missing:
        listed = f"{ids[:5].tolist()}" + (" ..." if ids.size > 5 else "")
        raise CalabFormatError(path, f"no cell {missing[0]!r} (there is {listed})", "choose others")
    rows = np.array([row[name] for name in wanted.tolist()], dtype=np.intp)
    if np.unique(rows).size != rows.size:
        raise ValueError("cells: expected every id once, got the same one twice")
    return replace(
        contents,
        traces=contents.traces[rows]
        if isinstance(contents.traces, np.ndarray)
        else contents.traces.take(rows),
        cell_ids=ids[rows],
        cells={name: values[rows] for name, values in contents.cells.items()},
    )


def cell_ids(contents: Contents) -> NDArray[Any]:
    """Return how the source names the cells.

    Parameters
    ----------
    contents : Contents
        What was found.

    Returns
    -------
    numpy.ndarray, shape (n_cells,)
        Their rows where it does not.
    """
    if contents.cell_ids is None:
        return np.arange(contents.traces.shape[0])
    return contents.cell_ids


def as_rate(fs: float) -> float:
    """Accept a frame rate.

    Parameters
    ----------
    fs : float
        In hertz.

    Returns
    -------
    float

    Raises
    ------
    ValueError, TypeError
        If it is none.
    """
    rate = as_number("fs", fs)
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"fs: expected a positive, finite rate in Hz, got {rate}")
    return rate
