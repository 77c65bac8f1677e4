"""The layouts of CNMF-E's results in MATLAB: our own writer, not CNMF-E."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from layouts.matlab import write_mat

__all__ = ["neuron", "write_cnmfe"]


def write_cnmfe(
    path: Path,
    *,
    layout: str = "neuron",
    version: str = "7.3",
    n_cells: int = 4,
    n_frames: int = 30,
    **changes: Any,
) -> Path:
    """Write `neuron` as a struct, or ``"ciatah"``'s struct; a change to None leaves a field out."""
    fields = (ciatah if layout == "ciatah" else neuron)(n_cells, n_frames) | changes
    name = "cnmfeAnalysisOutput" if layout == "ciatah" else "neuron"
    kept = {field: value for field, value in fields.items() if value is not None}
    return write_mat(path, {name: kept}, version=version)


def neuron(n_cells: int, n_frames: int) -> dict[str, Any]:
    """Make the fields of a `neuron`, with sparse footprints of one pixel."""
    raw, fit, spikes = traces(n_cells, n_frames)
    pixels = (np.ones(n_cells), (np.arange(n_cells) % 25, np.arange(n_cells)))
    return {
        "A": scipy.sparse.csc_matrix(pixels, shape=(25, n_cells)),
        "C": fit,
        "C_raw": raw,
        "S": spikes,
        "Fs": 10.0,
        "ids": np.arange(1.0, n_cells + 1)[None] * 2,
        "file": "movie.tif",
        "options": {"d1": 5.0, "d2": 5.0},
        "P": {"sn": np.ones((25, 1))},
        "C_df": np.empty((0, 0)),
    }


def ciatah(n_cells: int, n_frames: int) -> dict[str, Any]:
    """Make the fields that CIAtah saves."""
    raw, fit, spikes = traces(n_cells, n_frames)
    images = np.zeros((5, 5, n_cells))
    images[0, 0] = 1
    return {
        "Cn": np.ones((5, 5)),
        "extractedImages": images,
        "extractedSignals": fit,
        "extractedSignalsEst": raw,
        "extractedPeaks": spikes,
        "inputOptions": {"Fs": 20.0},
        "time": {"totalTime": 1234.5},
    }


def traces(n_cells: int, n_frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make traces with noise, without, and spikes."""
    rng = np.random.default_rng(0)
    fit = rng.gamma(2.0, size=(n_cells, n_frames))
    return fit + rng.normal(size=fit.shape), fit, np.maximum(fit - 3, 0)
