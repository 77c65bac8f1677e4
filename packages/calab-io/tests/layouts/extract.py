"""The layouts of EXTRACT's output in MATLAB: our own writer, not EXTRACT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from layouts.matlab import write_mat

__all__ = ["write_extract"]


def write_extract(
    path: Path,
    *,
    old: bool = False,
    version: str = "7.3",
    n_cells: int = 4,
    n_frames: int = 30,
    **changes: Any,
) -> Path:
    """Write `output`, whose traces are frames x cells; a change to None leaves a field out."""
    traces = np.random.default_rng(0).normal(size=(n_frames, n_cells)).astype(np.float32)
    footprints = np.zeros((5, 6, n_cells), np.float32)
    footprints[0, 0] = 1
    fields: dict[str, Any] = {
        "temporal_weights": traces,
        "spatial_weights": footprints,
        "config": {"avg_cell_radius": 6.0, "trace_output_option": "raw", "smooth_T": 0.0},
        "info": {"version": "1.1.0", "runtime": 55.0},
    }
    if old:
        fields = {"traces": traces.T, "filters": footprints, "time": {"totalTime": 1234.5}}
    kept = {name: value for name, value in (fields | changes).items() if value is not None}
    name = "extractAnalysisOutput" if old else "output"
    return write_mat(path, {name: kept}, version=version)
