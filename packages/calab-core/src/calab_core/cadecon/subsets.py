"""Rectangles of cells x frames on which the kernel is found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .settings import CadeconSettings

__all__ = ["Subset", "place_subsets"]


@dataclass(frozen=True)
class Subset:
    """A rectangle, half open in both axes.

    Attributes
    ----------
    first_cell, end_cell, first_frame, end_frame : int
        Its borders.
    """

    first_cell: int
    end_cell: int
    first_frame: int
    end_frame: int

    @property
    def frames(self) -> slice:
        """Its frames."""
        return slice(self.first_frame, self.end_frame)

    def windows(self) -> NDArray[np.int64]:
        """Return its (cell, first frame, frame behind the last one), one row per cell."""
        cells = np.arange(self.first_cell, self.end_cell)
        frames = np.broadcast_to([self.first_frame, self.end_frame], (cells.size, 2))
        return np.column_stack([cells, frames]).astype(np.int64)


def place_subsets(n_cells: int, n_frames: int, settings: CadeconSettings) -> list[Subset]:
    """Cut the recording into slots and put a rectangle somewhere into each of some of them.

    The sides are the square root of coverage over number, stretched by the aspect ratio. Slots are
    shuffled; once they are all taken, further rectangles lie anywhere and may overlap.

    Parameters
    ----------
    n_cells, n_frames : int
        Shape of the recording.
    settings : CadeconSettings
        Number, coverage, aspect ratio and seed.

    Returns
    -------
    list of Subset
    """
    number, aspect = settings.num_subsets, math.sqrt(settings.aspect_ratio)
    scale = math.sqrt(settings.target_coverage / number)
    height = min(max(int(n_cells * scale / aspect), 1), n_cells)
    width = min(max(int(n_frames * scale * aspect), 1), n_frames)
    rows, columns = max(1, n_cells // height), max(1, n_frames // width)
    draw = _random(settings.seed)
    slots = [(row, column) for row in range(rows) for column in range(columns)]
    for last in range(len(slots) - 1, 0, -1):
        other = int(next(draw) * (last + 1))
        slots[last], slots[other] = slots[other], slots[last]
    placed = [
        (_slot(row, rows, n_cells), _slot(column, columns, n_frames))
        for row, column in slots[:number]
    ]
    placed += [((0, n_cells), (0, n_frames))] * (number - len(placed))
    subsets = []
    for cells, frames in placed:
        frame = _shifted(frames, width, next(draw))
        cell = _shifted(cells, height, next(draw))
        subsets.append(Subset(cell, cell + height, frame, frame + width))
    return subsets


def _slot(index: int, count: int, length: int) -> tuple[int, int]:
    size = length // count
    return index * size, length if index == count - 1 else (index + 1) * size


def _shifted(slot: tuple[int, int], length: int, uniform: float) -> int:
    first, end = slot
    return first + int(uniform * (end - first - length + 1))


def _random(seed: int) -> Iterator[float]:
    """Uniform numbers below 1, the same with every library and machine (Numerical Recipes)."""
    state = seed
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state / 2**32
