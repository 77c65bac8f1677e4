"""What is not in memory is saved some cells at a time."""

from __future__ import annotations

from typing import Any

from calab_core.slabs import Source, slab_size, slabs

__all__ = ["copy"]


def copy(source: Source, target: Any, step: int) -> None:
    """Copy cells x frames, each slab read while the one before is written.

    Parameters
    ----------
    source : Source
        Where they are.
    target : array of h5py or zarr
        Where they go, of the same shape and type.
    step : int
        Cells of a chunk of the target, of which a slab has whole ones: none is written twice.
    """
    for cells, values in slabs(source, _cells(source, step)):
        target[cells] = values


def _cells(source: Source, step: int) -> int:
    try:
        wanted = slab_size(source)
    except ValueError:
        # Its chunks are so large that each has to be read at once, whatever memory that takes.
        return source.shape[0]
    return -(-wanted // step) * step
