"""What the footprints of cells tell of their traces: which axis has the cells."""

from __future__ import annotations

from ..errors import CalabFormatError
from ..files.mat import Element, MatFile
from ..files.mat5 import NUMBERS

__all__ = ["axis_of_cells"]

#: Classes of arrays that footprints come in.
ARRAYS = {*NUMBERS, "logical", "sparse"}


def axis_of_cells(
    file: MatFile, traces: Element, footprints: str, axes: int, usual: int | None
) -> tuple[int, tuple[str, ...]]:
    """Tell which axis of a matrix has the cells, which the number of footprints decides.

    Parameters
    ----------
    file : MatFile
        The file.
    traces : Element
        The matrix.
    footprints : str
        Key of the array of footprints, whose last axis has the cells.
    axes : int
        How many axes it has; MATLAB leaves out the third where there is one cell.
    usual : int or None
        The axis by the description of the format, None where there is none.

    Returns
    -------
    axis : int
        0 or 1.
    notes : tuple of str
        A sentence where there are no footprints to check it against.

    Raises
    ------
    CalabFormatError
        If neither axis fits, or nothing says which it is.
    """
    count = _count(file.find(footprints), axes)
    fitting = [axis for axis in (0, 1) if count is None or traces.shape[axis] == count]
    if usual in fitting:
        notes = () if count is not None else (_unchecked(file, traces, footprints, usual),)
        return usual, notes
    if len(fitting) == 1:
        return fitting[0], ()
    problem = f"nothing tells whether its rows are cells, got shape {traces.shape}"
    if not fitting:
        problem = f"expected {count} cells as in {footprints}, got shape {traces.shape}"
    remedy = f"format='matlab' with key={traces.key!r} and transpose reads it"
    raise CalabFormatError(file.path, problem, remedy, key=traces.key)


def _count(footprints: Element | None, axes: int) -> int | None:
    """Count footprints, or return None where there are none or an object hides them."""
    if footprints is None or footprints.kind not in ARRAYS or not footprints.size:
        return None
    return footprints.shape[-1] if len(footprints.shape) >= axes else 1


def _unchecked(file: MatFile, traces: Element, footprints: str, axis: int) -> str:
    cells, frames = traces.shape[axis], traces.shape[1 - axis]
    return (
        f"{file.path}, {traces.key}: read as {cells} cells x {frames} frames, as the format has "
        f"it; there is no {footprints} to check this against"
    )
