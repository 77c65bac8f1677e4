"""Deconvolution with the parameters that were tuned by eye in CaTune.

The export is a JSON document; its `parameters` hold the two time constants of the kernel, the
sparsity weight and the sampling rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from calab_core import bandpass_filter, run_deconvolution, run_deconvolution_full
from calab_core.labelled import as_plain
from calab_core.slabs import is_source

from .documents import as_path, read_json_object

if TYPE_CHECKING:
    from calab_core import DeconvolutionResult
    from numpy.typing import ArrayLike, NDArray

__all__ = ["deconvolve_from_export", "load_export_params"]

_NUMBERS = {
    "tau_rise": "tau_rise_s",
    "tau_decay": "tau_decay_s",
    "lambda_": "lambda",
    "fs": "sampling_rate_hz",
}


def load_export_params(path: str | Path) -> dict[str, Any]:
    """Load deconvolution parameters from a CaTune export.

    Reads every 1.x version of the schema; only `parameters` is looked at.

    Parameters
    ----------
    path : str or Path
        The exported JSON file.

    Returns
    -------
    dict
        `tau_rise` and `tau_decay` in seconds, `lambda_` (as `lam` of `run_deconvolution`),
        `fs` in Hz, `filter_enabled` (False where the export does not say).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    KeyError
        If a required field is missing.
    IsADirectoryError
        If it is a folder.
    TypeError
        If `path` is not a path.
    ValueError
        If the file is not JSON, or a field does not hold a finite number.
    """
    path = as_path(path)
    parameters = read_json_object(path).get("parameters")
    if not isinstance(parameters, dict):
        raise KeyError(f"{path}: no object 'parameters': expected a CaTune export")
    params = {name: _number(parameters, field, path) for name, field in _NUMBERS.items()}
    enabled = parameters.get("filter_enabled", False)
    if not isinstance(enabled, bool):
        raise ValueError(f"{path}: expected filter_enabled true or false, got {enabled!r}")
    return {**params, "filter_enabled": enabled}


@overload
def deconvolve_from_export(
    traces: ArrayLike, params_path: str | Path, return_full: Literal[False] = False, **options: Any
) -> NDArray[np.floating[Any]]: ...


@overload
def deconvolve_from_export(
    traces: ArrayLike, params_path: str | Path, return_full: Literal[True], **options: Any
) -> DeconvolutionResult: ...


def deconvolve_from_export(
    traces: ArrayLike, params_path: str | Path, return_full: bool = False, **options: Any
) -> NDArray[np.floating[Any]] | DeconvolutionResult:
    """Run deconvolution using parameters from a CaTune export.

    Where the export says so, each trace is band-pass filtered first; baseline and reconvolution
    then describe the filtered trace.

    Parameters
    ----------
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        Calcium traces, sampled at the exported rate. NaN, and what a masked array masks, marks
        a missing sample.
    params_path : str or Path
        The exported JSON file.
    return_full : bool, optional
        Return a `DeconvolutionResult` instead of the activity alone.
    **options
        Further keywords of `run_deconvolution`, or with `return_full` of `run_deconvolution_full`:
        `method`, `baseline_mode`, `on_nan`, `out`, ... Neither the filter nor the solver looks
        across the borders of `segments`.

    Returns
    -------
    numpy.ndarray or DeconvolutionResult
        Activity in the shape of `traces`, or everything. Without filter and `return_full` what
        xarray or dask hold stays theirs, as in `run_deconvolution`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    KeyError
        If the export lacks a required field.
    ValueError
        If the export or the traces are not valid.
    TypeError
        If the traces do not hold real numbers.
    """
    params = load_export_params(params_path)
    tau_rise, tau_decay, fs = params["tau_rise"], params["tau_decay"], params["fs"]
    if params["filter_enabled"]:
        band = partial(
            bandpass_filter,
            tau_rise=tau_rise,
            tau_decay=tau_decay,
            fs=fs,
            segments=options.get("segments"),
        )
        plain = as_plain(traces)
        traces = _Filtered(plain, band) if is_source(plain) else band(plain)
    run = run_deconvolution_full if return_full else run_deconvolution
    result: Any = run(traces, fs, tau_rise, tau_decay, params["lambda_"], **options)
    return result  # type: ignore[no-any-return]


class _Filtered:
    """Traces that are filtered as they are read."""

    def __init__(self, source: Any, band: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        self.source, self.band = source, band
        self.shape, self.dtype = source.shape, np.dtype(np.float64)
        self.chunks, self.slab = getattr(source, "chunks", None), getattr(source, "slab", 1)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return self.band(np.asanyarray(self.source[rows]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[slice(None)].astype(dtype or self.dtype, copy=False)


def _number(parameters: dict[str, Any], field: str, path: Path) -> float:
    if field not in parameters:
        raise KeyError(f"{path}: no field parameters.{field}")
    value = parameters[field]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{path}: expected a finite number in parameters.{field}, got {value!r}")
    return float(value)
