"""The documented loaders, which read the array that is named, and every row of it.

`calab_io.read` is the better way in: it chooses the trace, the accepted cells and their ids.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .documents import as_path
from .errors import CalabFormatError, MissingKeyError, not_there
from .files.hdf5 import dataset, open_hdf5, scalar
from .files.stored import axes_of, look_at
from .formats.minian.labelled import EXTRA, names_in, open_labelled
from .formats.minian.reader import CELLS, FRAMES, store_of
from .read import as_rate

__all__ = ["load_caiman", "load_minian"]

#: Arrays that are fits of a model, and what is better.
DENOISED = {
    "estimates/C": "CaImAn's denoised fit; calab.read takes the raw trace C + YrA",
    "C": "Minian's denoised fit; calab.read takes the raw trace YrA where it was saved",
}


def load_caiman(
    path: str | os.PathLike[str],
    trace_key: str = "estimates/C",
    fs_key: str = "params/data/fr",
    fs: float | None = None,
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Load traces from a CaImAn HDF5 results file.

    Parameters
    ----------
    path : str or PathLike
        The file.
    trace_key : str
        Data set of the traces, cells x frames; all components are read, accepted or not.
    fs_key : str
        Data set of the frame rate in hertz.
    fs : float, optional
        Frame rate in hertz instead of the file's.

    Returns
    -------
    traces : numpy.ndarray, shape (n_cells, n_frames), float64
        In the unit of the file.
    metadata : dict
        ``source`` (the path), ``sampling_rate_hz`` (None where neither `fs` nor the file says it),
        ``num_cells`` and ``num_timepoints``.

    Raises
    ------
    ImportError
        If h5py is not installed.
    FileNotFoundError
        If there is no such file.
    KeyError
        If `trace_key` is not found in the file.
    CalabFormatError
        A ValueError, if the file is damaged or the data set holds no traces.

    Warns
    -----
    UserWarning
        If `trace_key` is the denoised trace, as by default, or there is no frame rate at `fs_key`.

    See Also
    --------
    read : Takes the raw trace of accepted cells.
    """
    path = as_path(path)
    with open_hdf5(path, "caiman") as file:
        item = dataset(file, trace_key)
        _check_axes(item.shape, path, trace_key)
        rate = scalar(file, fs_key) if fs is None else as_rate(fs)
        traces = np.asarray(item[()], dtype=np.float64)
    if rate is None:
        warnings.warn(f"{path}: no frame rate at {fs_key}; give fs in Hz", stacklevel=2)
    return _loaded(traces, path, trace_key, rate)


def load_minian(
    path: str | os.PathLike[str], trace_key: str = "C", fs: float | None = None
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Load traces from a Minian Zarr output directory.

    Parameters
    ----------
    path : str or PathLike
        The folder that Minian wrote, one store in it, or a single store of several arrays.
    trace_key : str
        Name of the array; its axes may stand in either order where they have names.
    fs : float, optional
        Frame rate in hertz, which Minian does not save.

    Returns
    -------
    traces : numpy.ndarray, shape (n_cells, n_frames), float64
        In the unit of the store.
    metadata : dict
        ``source`` (the path), ``sampling_rate_hz`` (`fs`), ``num_cells`` and ``num_timepoints``.

    Raises
    ------
    ImportError
        If zarr is not installed.
    FileNotFoundError
        If there is no such folder.
    KeyError
        If `trace_key` is not found in it.
    CalabFormatError
        A ValueError, if a store is damaged or the array holds no traces.

    Warns
    -----
    UserWarning
        If `trace_key` is the denoised trace, as by default.

    See Also
    --------
    read : Takes the raw trace where it was saved, with the ids of the cells.
    """
    path = as_path(path)
    if not path.exists():
        raise not_there(path, "folder")
    store = store_of(path, trace_key)
    if store is None:
        raise MissingKeyError(path, trace_key, names_in(path), "trace_key names another array")
    if axes_of(store, trace_key, EXTRA):
        array = open_labelled(store, trace_key, (CELLS, FRAMES))
        traces = np.asarray(array.traces(CELLS, np.arange(array.size(CELLS))), dtype=np.float64)
    else:
        # Not from xarray: nothing but the documentation says that rows are cells.
        stored = look_at(store, trace_key, EXTRA)
        _check_axes(stored.shape, path, trace_key)
        traces = np.asarray(stored.along(0), dtype=np.float64)
    return _loaded(traces, path, trace_key, None if fs is None else as_rate(fs))


def _check_axes(shape: tuple[int, ...], path: Path, key: str) -> None:
    if len(shape) != 2:
        raise CalabFormatError(path, f"expected cells x frames, got shape {shape}", key=key)


def _loaded(
    traces: NDArray[np.float64], path: Path, key: str, rate: float | None
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    if key in DENOISED:
        warnings.warn(f"{path}: {key} is {DENOISED[key]}", UserWarning, stacklevel=3)
    metadata = {
        "source": str(path),
        "sampling_rate_hz": rate,
        "num_cells": traces.shape[0],
        "num_timepoints": traces.shape[1],
    }
    return traces, metadata
