"""What is written and said of a deconvolution with a given kernel."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calab_core import DeconvolutionResult

__all__ = ["full_arrays", "shown", "summarize"]


def full_arrays(result: DeconvolutionResult) -> dict[str, Any]:
    """Name every array of a result, for an `.npz` file.

    Parameters
    ----------
    result : DeconvolutionResult
        Of any number of cells.

    Returns
    -------
    dict of str to numpy.ndarray
        The documented fields and those of `result.details`.
    """
    import numpy as np

    found = {field.name: getattr(result.details, field.name) for field in fields(result.details)}
    found |= dict(zip(result._fields, result, strict=True))
    arrays = {name: np.asarray(value) for name, value in found.items()}
    # None becomes an array of objects, which could only be read back by unpickling.
    return {name: array for name, array in arrays.items() if array.dtype != object}


def summarize(
    result: DeconvolutionResult, settings: dict[str, Any], seconds: float, target: Path
) -> dict[str, Any]:
    """Gather what is worth knowing of a run.

    Parameters
    ----------
    result : DeconvolutionResult
        Of any number of cells.
    settings : dict
        Kernel, rate and sparsity weight.
    seconds : float
        Time taken.
    target : Path
        Where the result went.

    Returns
    -------
    dict of str to object
        Ready for JSON.
    """
    import numpy as np

    from calab._score import largest_relative_gap

    n_cells, n_frames = result.activity.shape
    missing = np.asarray(result.details.masked_fraction)
    return {
        "cells": n_cells,
        "frames": n_frames,
        "fs_hz": settings["fs"],
        "tau_rise_s": settings["tau_rise"],
        "tau_decay_s": settings["tau_decay"],
        "lam": settings["lambda_"],
        "converged": int(np.count_nonzero(result.converged)),
        "largest_relative_gap": largest_relative_gap(result.details),
        "missing_share": float(missing.mean()) if n_cells else 0.0,
        "seconds": seconds,
        "output": str(target),
    }


def shown(summary: dict[str, Any]) -> dict[str, str]:
    """Put a summary into words.

    Parameters
    ----------
    summary : dict
        As `summarize` makes it.

    Returns
    -------
    dict of str to str
        For a table.
    """
    s = summary
    return {
        "recording": f"{s['cells']} cells x {s['frames']} frames at {s['fs_hz']:g} Hz, "
        f"{s['missing_share']:.1%} missing",
        "kernel": f"tau_rise {s['tau_rise_s']:g} s, tau_decay {s['tau_decay_s']:g} s",
        "sparsity weight": str(s["lam"]),
        "converged": f"{s['converged']} of {s['cells']} cells, relative gap at most "
        f"{s['largest_relative_gap']:.1e}",
        "time": f"{s['seconds']:.3f} s",
        "written to": s["output"],
    }
