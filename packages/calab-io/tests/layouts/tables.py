"""Traces in formats that are of no tool, each written by the library that people write it with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["example", "write_csv", "write_npz", "write_parquet"]

FS = 20.0


def example(n_cells: int = 4, n_frames: int = 50) -> NDArray[np.float64]:
    """Make traces that are exact in single precision and in a text table."""
    rng = np.random.default_rng(1)
    return np.round(rng.gamma(2.0, size=(n_cells, n_frames)) * 64) / 64


def write_npz(path: Path, *, compressed: bool = False, **arrays: Any) -> Path:
    """Write traces with all that may be beside them, or other arrays."""
    if not arrays:
        traces = example()
        arrays = {
            "traces": traces.astype(np.float32),
            "fs": FS,
            "cell_ids": np.arange(len(traces)) * 3,
            "timestamps": np.arange(traces.shape[1]) / FS,
            "unit": "dF/F",
        }
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def write_csv(path: Path, *, columns: bool = False, delimiter: str = ",") -> Path:
    """Write a row per cell, or a row per frame under the names of columns."""
    traces = example()
    if columns:
        times = np.arange(traces.shape[1]) / FS
        names = ["Time (s)", *(f"cell {at}" for at in range(len(traces)))]
        traces, header = np.column_stack([times, *traces]), delimiter.join(names)
    else:
        header = ""
    np.savetxt(path, traces, "%.8g", delimiter, header=header, comments="")
    return path


def write_parquet(path: Path, *, columns: dict[str, Any] | None = None, **options: Any) -> Path:
    """Write a row per frame, with times, in single precision, or other columns."""
    if columns is None:
        traces = example().astype(np.float32)
        cells = {f"cell_{at}": trace for at, trace in enumerate(traces)}
        columns = {"time": np.arange(traces.shape[1]) / FS, **cells}
    pq.write_table(pa.table(columns), path, **options)
    return path
