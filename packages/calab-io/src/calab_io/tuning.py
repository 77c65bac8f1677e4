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

from .atomic import atomic_paths
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
        Calcium traces. NaN marks a missing sample and is kept.
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
        If `traces` is not one- or two-dimensional or holds an infinite value, or `fs` is not
        positive and finite.
    TypeError
        If `traces` is not real-valued or `metadata` holds what JSON cannot express.
    NotADirectoryError
        If the folder of `path` is not there.
    """
    array = _as_saved(traces)
    if not (math.isfinite(fs) and fs > 0):
        raise ValueError(f"expected a positive, finite fs in Hz, got {fs}")
    sidecar = {
        **(metadata or {}),
        "schema_version": _SCHEMA_VERSION,
        "sampling_rate_hz": float(fs),
        "num_cells": array.shape[0],
        "num_timepoints": array.shape[1],
        "dtype": _DTYPE,
    }
    text = json.dumps(_jsonable(sidecar), indent=2, allow_nan=False)
    with atomic_paths(_pair(path)) as (array_draft, sidecar_draft):
        np.save(array_draft, array, allow_pickle=False)
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


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file whose top level is an object.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not JSON or not an object.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as err:
        raise ValueError(f"{path}: expected a JSON file: {err}") from err
    if not isinstance(document, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(document).__name__}")
    return document


def _pair(stem: str | Path) -> tuple[Path, Path]:
    # Appended, not with_suffix: a stem may hold dots ("mouse.3").
    return Path(f"{stem}.npy"), Path(f"{stem}_metadata.json")


def _as_saved(traces: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(traces)
    if array.ndim not in (1, 2):
        raise ValueError(f"expected traces of 1 or 2 dimensions, got shape {array.shape}")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected real-valued traces, got dtype {array.dtype}")
    saved = np.ascontiguousarray(np.atleast_2d(array), dtype=_DTYPE)
    infinite = np.argwhere(np.isinf(saved))
    if infinite.size:
        row, frame = infinite[0]
        raise ValueError(
            f"expected finite traces (NaN marks a missing sample), got {saved[row, frame]} "
            f"at row {row}, index {frame}"
        )
    return saved


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
