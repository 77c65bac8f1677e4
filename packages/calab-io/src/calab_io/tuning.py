"""The pair of files that CaTune opens: an array and its description.

`{stem}.npy` holds float64 traces, little-endian, C order, cells x frames; `{stem}_metadata.json`
holds the sampling rate and the dimensions.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from calab_solver._parameters import as_number
from calab_solver._traces import as_traces

from .atomic import atomic_paths
from .documents import read_json_object
from .traces import read_npy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["load_tuning_data", "save_for_tuning"]

_SCHEMA_VERSION = "1.0.0"
_DTYPE = "<f8"


def save_for_tuning(
    traces: ArrayLike, fs: float, path: str | Path, metadata: dict[str, Any] | None = None
) -> None:
    """Save calcium traces in the format that CaTune opens.

    Both files are complete before either takes its final name.

    Parameters
    ----------
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        Calcium traces. NaN marks a missing sample and is kept; what a masked array masks
        becomes NaN.
    fs : float
        Sampling rate in Hz.
    path : str or Path
        Path stem: creates `{path}.npy` and `{path}_metadata.json`, replacing older ones.
    metadata : dict, optional
        More to keep in the JSON file. The built-in keys take precedence. Numbers that JSON
        cannot hold (NaN, infinity) become null.

    Raises
    ------
    ValueError
        If `traces` is not one- or two-dimensional, has rows of unequal length or holds an infinite
        value, or `fs` is not positive and finite.
    TypeError
        If `traces` or `fs` is not real-valued (booleans are not), or `metadata`
        is not a dict or holds what JSON cannot express.
    NotADirectoryError
        If the folder of `path` is not there.
    """
    array = as_traces("traces", traces)
    rate = as_number("fs", fs)
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"fs: expected a positive, finite fs in Hz, got {rate}")
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError(f"metadata: expected a dict, got {type(metadata).__name__}")
    sidecar = {
        **(metadata or {}),
        "schema_version": _SCHEMA_VERSION,
        "sampling_rate_hz": rate,
        "num_cells": array.shape[0],
        "num_timepoints": array.shape[1],
        "dtype": _DTYPE,
    }
    text = _encoded(sidecar)
    with atomic_paths(_pair(path)) as (array_draft, sidecar_draft):
        np.save(array_draft, array.astype(_DTYPE, copy=False), allow_pickle=False)
        sidecar_draft.write_text(text + "\n", encoding="utf-8")


def load_tuning_data(path: str | Path) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Load calcium traces and metadata saved by `save_for_tuning`.

    Parameters
    ----------
    path : str or Path
        Path stem, without extension, as given to `save_for_tuning`.

    Returns
    -------
    traces : numpy.ndarray, shape (n_cells, n_frames), float64
    metadata : dict
        Content of the JSON file.

    Raises
    ------
    FileNotFoundError
        If `{path}.npy` or `{path}_metadata.json` is missing.
    ValueError
        If a file is not readable as what it should be, or the two do not belong together.
    """
    array_path, sidecar_path = _pair(path)
    for file in (array_path, sidecar_path):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file (expected the stem without .npy)")
    metadata = read_json_object(sidecar_path)
    traces = read_npy(array_path).astype(np.float64, copy=False)
    described = (metadata.get("num_cells"), metadata.get("num_timepoints"))
    if None not in described and described != traces.shape:
        raise ValueError(
            f"{array_path}: expected {described[0]} cells x {described[1]} frames as in "
            f"{sidecar_path.name}, got {traces.shape[0]} x {traces.shape[1]}"
        )
    return traces, metadata


def _pair(stem: str | Path) -> tuple[Path, Path]:
    # Appended, not with_suffix: a stem may hold dots ("mouse.3").
    return Path(f"{stem}.npy"), Path(f"{stem}_metadata.json")


def _encoded(sidecar: dict[str, Any]) -> str:
    try:
        return json.dumps(_jsonable(sidecar), indent=2, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as err:
        raise TypeError(f"metadata: expected what JSON can express: {err}") from err


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return _jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value
