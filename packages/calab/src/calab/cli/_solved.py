"""What is written and said of a deconvolution with a given kernel."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

if TYPE_CHECKING:
    from calab_core import DeconvolutionResult

__all__ = ["save_full", "shown", "summarize"]


def save_full(result: DeconvolutionResult, settings: dict[str, Any], path: Path) -> None:
    """Write every array of a result to an `.npz` file, as `numpy.savez` does.

    Parameters
    ----------
    result : DeconvolutionResult
        Of any number of cells; what is in `.npy` files is copied, not read.
    settings : dict
        Numbers that are written, too.
    path : Path
        The file.
    """
    import numpy as np
    from calab_io.files.npy_array import NpyArray

    found = {field.name: getattr(result.details, field.name) for field in fields(result.details)}
    found |= dict(zip(result._fields, result, strict=True)) | settings
    with ZipFile(path, "w") as archive:
        for name, value in found.items():
            member = f"{name}.npy"
            if isinstance(value, NpyArray):
                archive.write(value.path, member)
            # None would be an array of objects, which could only be read back by unpickling.
            elif (array := np.asarray(value)).dtype != object:
                with archive.open(member, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)


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
