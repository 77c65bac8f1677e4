"""Deconvolution with the parameters that were tuned by eye in CaTune.

The export is a JSON document; its `parameters` hold the two time constants of the kernel, the
sparsity weight and the sampling rate.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from calab_core import bandpass_filter, run_deconvolution_full

from .tuning import read_json_object

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
    ValueError
        If the file is not JSON, or a field does not hold a finite number.
    """
    path = Path(path)
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
        Calcium traces, sampled at the exported rate. NaN marks a missing sample.
    params_path : str or Path
        The exported JSON file.
    return_full : bool, optional
        Return a `DeconvolutionResult` instead of the activity alone.
    **options
        Further keywords of `run_deconvolution_full`: `method`, `baseline_mode`, `on_nan`, ...

    Returns
    -------
    numpy.ndarray or DeconvolutionResult
        Activity in the shape of `traces`, or everything.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    KeyError
        If the export lacks a required field.
    ValueError
        If the export or the traces are not valid.
    """
    params = load_export_params(params_path)
    tau_rise, tau_decay, fs = params["tau_rise"], params["tau_decay"], params["fs"]
    array = np.asarray(traces)
    if params["filter_enabled"]:
        array = _filter_rows(array, tau_rise, tau_decay, fs)
    result = run_deconvolution_full(array, fs, tau_rise, tau_decay, params["lambda_"], **options)
    return result if return_full else result.activity


def _number(parameters: dict[str, Any], field: str, path: Path) -> float:
    if field not in parameters:
        raise KeyError(f"{path}: no field parameters.{field}")
    value = parameters[field]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{path}: expected a finite number in parameters.{field}, got {value!r}")
    return float(value)


def _filter_rows(
    traces: NDArray[Any], tau_rise: float, tau_decay: float, fs: float
) -> NDArray[np.float64]:
    if traces.ndim not in (1, 2):
        raise ValueError(f"expected traces of 1 or 2 dimensions, got shape {traces.shape}")
    filtered = np.array(traces, dtype=np.float64)
    for row in np.atleast_2d(filtered):
        missing = np.isnan(row)
        if missing.all():
            continue
        # The filter runs in the frequency domain and needs every sample: gaps are bridged
        # by straight lines for the filter only, and are gaps again for the solver.
        frames = np.arange(row.size)
        row[missing] = np.interp(frames[missing], frames[~missing], row[~missing])
        row[:] = bandpass_filter(row, tau_rise, tau_decay, fs)
        row[missing] = np.nan
    return filtered
