"""How the cells of a result are known, of which several may say something."""

from __future__ import annotations

from typing import Any

import numpy as np
from calab_core.labelled import cell_names
from numpy.typing import ArrayLike, NDArray

from ..recording import Recording

__all__ = ["agreed_ids", "per_cell"]

#: Names that an error lists at most.
MOST_LISTED = 5


def agreed_ids(
    given: ArrayLike | None, recording: Recording | None, result: Any, n_cells: int
) -> NDArray[Any]:
    """Return the names of the cells on which all agree that know any.

    Parameters
    ----------
    given : sequence of int or str, optional
        What the caller says.
    recording : Recording, optional
        What the result was made from.
    result : CaDeconResult, DeconvolutionResult or array_like
        Knows names if they are not just its rows; of arrays those of xarray may.
    n_cells : int
        How many there are.

    Returns
    -------
    numpy.ndarray, shape (n_cells,), int64 or str
        The rows where nobody knows better.

    Raises
    ------
    ValueError
        If there are more or fewer, one occurs twice, or some contradict others.
    TypeError
        If they are neither whole numbers nor strings.
    """
    said = {
        "cell_ids": given,
        "the recording": None if recording is None else recording.cell_ids,
        "the result": _own(result),
    }
    names = {who: _checked(ids, n_cells) for who, ids in said.items() if ids is not None}
    if not names:
        return np.arange(n_cells)
    (first, ids), *others = names.items()
    for who, other in others:
        if not np.array_equal(ids, other):
            raise ValueError(
                f"cell_ids: {first} and {who} name the cells differently, {_some(ids)} and "
                f"{_some(other)}; give the cells of the result, in their order"
            )
    return ids


def per_cell(name: str, values: ArrayLike, n_cells: int) -> NDArray[Any]:
    """Accept one value for each cell.

    Parameters
    ----------
    name : str
        What they are, for the message.
    values : array_like
        What came.
    n_cells : int
        How many there are to be.

    Returns
    -------
    numpy.ndarray, shape (n_cells,)

    Raises
    ------
    ValueError
        If there are more or fewer.
    """
    array = np.asarray(values)
    if array.shape != (n_cells,):
        raise ValueError(
            f"{name}: expected one for each of {n_cells} cells, got shape {array.shape}"
        )
    return array


def _own(result: Any) -> Any:
    from calab_core import CaDeconResult

    if not isinstance(result, CaDeconResult):
        return cell_names(result)
    details = getattr(result, "details", None)
    names = result.metadata.get("cell_ids") if details is None else details.cell_ids
    rows = np.arange(result.activity.shape[0])
    return None if names is None or np.array_equal(names, rows) else names


def _checked(values: ArrayLike, n_cells: int) -> NDArray[Any]:
    ids = per_cell("cell_ids", values, n_cells)
    if ids.dtype.kind not in "iuU":
        raise TypeError(f"cell_ids: expected whole numbers or strings, got dtype {ids.dtype}")
    if np.unique(ids).size != n_cells:
        raise ValueError(f"cell_ids: expected every cell once, got {_some(ids)}")
    return ids if ids.dtype.kind == "U" else ids.astype(np.int64)


def _some(ids: NDArray[Any]) -> str:
    return f"{ids[:MOST_LISTED].tolist()}" + (" ..." if ids.size > MOST_LISTED else "")
