"""Reading an array of traces from a file or store that holds arrays under names, in groups."""

from __future__ import annotations

from functools import partial
from itertools import islice

from calab_core.labelled import FRAME_NAMES

from ..errors import MOST_LISTED, CalabFormatError, MissingKeyError
from ..files.missing import without
from ..files.stored import axes_of, look_at
from ..files.tree import Array, Tree, joined
from ..names import RESULTS, TRACES
from ..recording import Contents, Request, Traces
from ..traces import doubtful_orientation, oriented
from ..writers.saved.layout import FORMAT
from .beside import Beside, listed, only_one, shown, with_beside

__all__ = ["OPTIONS", "read_array"]

OPTIONS = frozenset({"key", "transpose"})


def read_array(tree: Tree, request: Request) -> Contents:
    """Read one array, and the rate, times and ids that are beside it.

    Parameters
    ----------
    tree : Tree
        The file or store.
    request : Request
        Which array, what kind of trace it is, and its orientation, which the names of its axes tell
        where there are any.

    Returns
    -------
    Contents
        With the only array of two axes, unless a key is given. It stays in its file.

    Raises
    ------
    MissingKeyError
        If there is no such array.
    CalabFormatError
        If the array is none of cells x frames, or the file does not tell which it is, or is one of
        CaLab's results.
    """
    key = _choose(tree, None if request.key is None else request.key.strip("/"))
    array = tree.array(key)
    if array is None:
        names = [shown(one.key) for one in islice(tree.arrays(), MOST_LISTED + 1)]
        raise MissingKeyError(tree.path, key, names, "key names one of them")
    axes = axes_of(tree.path, key, tree.extra) or ()
    traces, axis, doubt = _traces(tree, array, axes, request.transpose)
    group = key.rpartition("/")[0]
    beside = Beside(
        tree.path,
        lambda name: tree.array(joined(group, name)),
        tuple(partial(_number, tree, place) for place in (key, group, "")),
        labels=axes[axis] if len(axes) == 2 else None,
        names=RESULTS if _is_result(tree) else TRACES,
    )
    return with_beside(traces, key, beside, request, doubt)


def _choose(tree: Tree, key: str | None) -> str:
    """Return the key that was asked for, or that of the only array that can be traces."""
    if tree.array("") is not None:
        if key:
            raise CalabFormatError(tree.path, "is one array, without names", "leave out key")
        return ""
    if key is not None:
        return key
    arrays = list(tree.arrays())
    if _is_result(tree):
        problem = f"is one of CaLab's results, with the arrays {listed(arrays)}"
        remedy = "calab.load reads results; key names one of these arrays to be read all the same"
        raise CalabFormatError(tree.path, problem, remedy)
    try:
        return only_one(arrays, tree.path)
    except MissingKeyError:
        if tree.elsewhere is not None:
            # Which says better what is missing: it is in another file.
            tree.array(tree.elsewhere)
        raise


def _is_result(tree: Tree) -> bool:
    version = tree.number("", FORMAT)
    return version is not None and version.is_real


def _number(tree: Tree, key: str, name: str) -> Array | None:
    """Return a number that is an attribute, or else an array in a group, or else text."""
    said = tree.number(key, name)
    return said if said is not None and said.is_real else tree.array(joined(key, name)) or said


def _traces(
    tree: Tree, array: Array, axes: tuple[str, ...], transpose: bool | None
) -> tuple[Traces, int, str | None]:
    """Return cells x frames, which axis has the cells, and what is doubtful about that."""
    path, key = tree.path, array.key
    if not array.is_real:
        problem = f"expected real numbers, got {array.dtype}"
        raise CalabFormatError(path, problem, "name another array as key", key=key or None)
    if len(array.shape) == 1:
        marks = look_at(path, key, tree.extra).marks
        return oriented(without(array.load(), marks), path, False, key or None), 0, None
    if len(array.shape) != 2:
        problem = f"expected cells x frames, got shape {array.shape}"
        raise CalabFormatError(path, problem, "name another array as key", key=key or None)
    named = _cells_by_name(tree, key, axes, transpose)
    axis = int(bool(transpose)) if named is None else named
    traces = look_at(path, key, tree.extra).along(axis)
    if named is not None:
        return traces, axis, None
    return traces, axis, doubtful_orientation(traces.shape, path, bool(transpose))


def _cells_by_name(
    tree: Tree, key: str, axes: tuple[str, ...], transpose: bool | None
) -> int | None:
    """Return which of two axes has the cells, as far as the names of the axes tell."""
    frames = [at for at, name in enumerate(axes) if name.lower() in FRAME_NAMES]
    if len(axes) != 2 or len(frames) != 1:
        return None
    cells = 1 - frames[0]
    if transpose is not None and transpose != bool(cells):
        said = f"the axes are named {axes[0]} and {axes[1]}, so its {('columns', 'rows')[cells]}"
        problem = f"{said} are frames, but transpose is {transpose}"
        raise CalabFormatError(tree.path, problem, "leave out transpose", key=key or None)
    return cells
