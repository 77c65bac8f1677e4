"""The table of traces that Inscopix Data Processing exports: our own writer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .tables import FS, example

__all__ = ["STATUS", "write_inscopix"]

STATUS = ("accepted", "rejected", "undecided", "accepted")


def write_inscopix(
    path: Path,
    *,
    status: Sequence[str] | None = STATUS,
    start: float = 0.0,
    corner: str = " ",
    n_cells: int = 4,
    n_frames: int = 50,
) -> Path:
    """Write cells with their status, or without as older versions did; fields have spaces."""
    traces = example(n_cells, n_frames)
    times = start + np.arange(traces.shape[1]) / FS
    names = [f"C{at:03}" for at in range(len(traces))]
    lines = [[corner, *names]]
    if status is not None:
        lines.append(["Time(s)/Cell Status", *np.resize(status, n_cells)])
    lines += [[f"{number:.12g}" for number in row] for row in np.column_stack([times, *traces])]
    path.write_text("".join(f"{', '.join(line)}\n" for line in lines), encoding="utf-8")
    return path
