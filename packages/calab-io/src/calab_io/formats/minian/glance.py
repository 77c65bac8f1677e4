"""What some rows of traces look like, without reading all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...lazy import LazyTraces

__all__ = ["Glance", "glance_at"]

#: Bytes of traces that are looked at, in so many places where there are more.
MOST_BYTES, PLACES = 4 << 20, 8
#: A cell with a larger share of zeros was clipped: a trace with noise is hardly ever exactly 0.
MOST_ZEROS = 0.01


@dataclass(frozen=True)
class Glance:
    """What was seen of some cells.

    Attributes
    ----------
    cells : int
        How many were looked at.
    empty : int
        How many of them are NaN throughout.
    clipped : int
        How many of them are exactly 0 for more than `MOST_ZEROS` of their samples.
    zeros : float
        Share of the samples, but for NaN, that are exactly 0.
    """

    cells: int
    empty: int
    clipped: int
    zeros: float

    def notes(self, path: Path, clipped_by: str | None) -> list[str]:
        """Say what the user of the traces should know.

        Parameters
        ----------
        path : Path
            Where they come from.
        clipped_by : str or None
            What clips them at 0, as ``"Minian does with YrA"``; None where zeros are nothing
            special.

        Returns
        -------
        list of str
        """
        notes, looked = [], f"of {self.cells} cells looked at are"
        if self.empty:
            notes.append(
                f"{path}: {self.empty} {looked} NaN throughout, as merging in xarray pads those "
                "that an array lacks; they are left as they are"
            )
        if self.clipped and clipped_by is not None:
            notes.append(
                f"{path}: {self.clipped} {looked} clipped at 0, as {clipped_by} ({self.zeros:.1%} "
                "of all samples): their noise is measured too low, and lam='auto' and run_cadecon "
                "take more for activity than there is; run_deconvolution with a lam of your own "
                "does not ask the noise"
            )
        return notes


def glance_at(traces: LazyTraces) -> Glance:
    """Look at cells in some places, or at all of them where that is quick.

    Parameters
    ----------
    traces : LazyTraces
        They may be of any size.

    Returns
    -------
    Glance

    Raises
    ------
    CalabFormatError
        If what is looked at is damaged.
    """
    known, zeros = [], []
    for stretch in _stretches(traces):
        block = traces[stretch]
        known.append((~np.isnan(block)).sum(axis=1))
        zeros.append((block == 0).sum(axis=1))
    n_known, n_zeros = np.concatenate(known), np.concatenate(zeros)
    return Glance(
        cells=n_known.size,
        empty=int(np.count_nonzero(n_known == 0)),
        clipped=int(np.count_nonzero(n_zeros > MOST_ZEROS * n_known)),
        zeros=float(n_zeros.sum() / max(n_known.sum(), 1)),
    )


def _stretches(traces: LazyTraces) -> list[slice]:
    """Choose rows that lie together, which cost less than as many far apart."""
    n_cells, n_frames = traces.shape
    row = max(n_frames, 1) * traces.dtype.itemsize
    length = max(MOST_BYTES // (PLACES * row), 1)
    if n_cells <= PLACES * length:
        # Also without a cell there is one, so that there is something to count.
        starts = range(0, max(n_cells, 1), length)
    else:
        starts = np.linspace(0, n_cells - length, PLACES).astype(int).tolist()
    return [slice(start, start + length) for start in starts]
