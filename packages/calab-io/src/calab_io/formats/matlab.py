"""Arrays in MATLAB's `.mat` files of every version since 5."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import CalabFormatError, MissingKeyError
from ..files.mat import Element, MatFile, open_mat
from ..files.mat5 import NUMBERS
from ..files.tree import Array
from ..recording import Contents, Request
from ..traces import doubtful_orientation
from .beside import Beside, with_beside

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS = frozenset({"key", "transpose"})
#: What CASCADE reads, which nobody calls anything else by.
PREFERRED = "dF_traces"
#: Arrays that an error lists at most.
MOST_LISTED = 10
REMEDY = f"name the array of cells x frames, as in key={PREFERRED!r}"


def recognises(path: Path) -> bool:
    """Tell whether a file is named as MATLAB's."""
    return path.suffix.lower() == ".mat" and not path.is_dir()


def read(path: Path, request: Request) -> Contents:
    """Read an array whose rows are cells, unless it is to be transposed.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Where the array is (fields of structs after dots), kind of trace, and orientation.

    Returns
    -------
    Contents
        With the only matrix of the file, unless a key is given; and with the rate, times and ids
        that are beside it, the rate also from among the variables.

    Raises
    ------
    MissingKeyError
        If there is nothing at the key, or no matrix.
    CalabFormatError
        If there are several matrices and no key, or something else is at it.
    """
    transpose = bool(request.transpose)
    with open_mat(path) as file:
        key, why = _choose(file) if request.key is None else (request.key, "as asked")
        array = file.matrix(key, REMEDY)
        shape = array.shape[::-1] if transpose else array.shape
        doubt = doubtful_orientation(shape, path, transpose)
        group = key.rpartition(".")[0]
        beside = Beside(
            path,
            partial(_array, file, group),
            tuple(partial(_array, file, place) for place in (group, "", "ops")),
        )
        traces = file.traces(array, axis=int(transpose))
        found = with_beside(traces, key, beside, request, doubt)
        return replace(
            found,
            why=f"{key}, {why}",
            provenance={"key": key, "mat_version": file.version},
            notes=(*found.notes, *_notes(file, array)),
        )


def _choose(file: MatFile) -> tuple[str, str]:
    """Find the one matrix, and say why it is taken."""
    if file.find(PREFERRED) is not None:
        return PREFERRED, "which is what CASCADE reads"
    found = [element for element in file.walk() if _is_matrix(element)]
    if len(found) == 1:
        return found[0].key, "the only matrix in the file"
    if not found:
        raise MissingKeyError(file.path, PREFERRED, file.names(), REMEDY)
    listed = ", ".join(f"{at.key} ({at.shape[0]} x {at.shape[1]})" for at in found[:MOST_LISTED])
    more = ", ..." * (len(found) > MOST_LISTED)
    problem = f"expected one matrix, got {len(found)}: {listed}{more}"
    raise CalabFormatError(file.path, problem, f"name one of them, as in key={found[0].key!r}")


def _array(file: MatFile, struct: str, name: str) -> Array | None:
    """Return a variable or field as other formats have it: a vector has one axis."""
    key = f"{struct}.{name}" if struct else name
    element = file.find(key)
    if element is None:
        return None
    if element.kind == "char":
        return Array(key, (), np.dtype(np.str_), lambda: np.array(file.text(key)))
    if element.kind not in NUMBERS or (element.size == 1 and file.scalar(key) is None):
        return None
    shape, dtype = element.shape, NUMBERS[element.kind]
    if sum(length != 1 for length in shape) < 2:
        shape = (element.size,)
    return Array(key, shape, dtype, lambda: np.asarray(file.numbers(key)).astype(dtype))


def _is_matrix(element: Element) -> bool:
    return element.kind in NUMBERS and len(element.shape) == 2 and min(element.shape) > 1


def _notes(file: MatFile, array: Element) -> list[str]:
    notes = []
    if file.is_foreign(array):
        rows, columns = array.shape
        notes.append(
            f"{file.path}, {array.key}: not written by MATLAB; taken to have {rows} rows and "
            f"{columns} columns, as MATLAB would show it"
        )
    if file.find("iscell") is not None:
        notes.append(
            f"{file.path}: iscell tells cells from other ROIs in suite2p, but all are read; "
            "name the folder with F.npy to read cells only"
        )
    return notes
