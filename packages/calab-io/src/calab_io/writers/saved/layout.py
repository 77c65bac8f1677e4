"""What a saved result consists of, whichever kind of file it is in.

Version 1 is a flat set of arrays with named axes, and attributes that are text or numbers, so that
xarray opens it as a Dataset:

- ``activity`` and the other arrays of `calab_io.writers.fields`, by the names of their attributes;
- coordinates ``cell`` (names of the cells), ``time`` (seconds, of each frame) and, with a kernel,
  ``lag`` (seconds);
- what has another length for each cell or kernel is one array after the other in ``spike_times``
  and ``subset_kernels``, with the place where each ends in ``..._index``, as NWB has it;
- ``result_cell_ids`` where the result knows its cells by other names than ``cell``;
- dicts and lists, as JSON, and single numbers in the attributes.

The attribute ``numpy_dtype`` of an array is the type that it had. A single trace has an axis of one
cell, and the attribute ``single`` is 1. In HDF5 the names of the axes are also in the attribute
``axes``, text is of a fixed length in UTF-8, and booleans are whole numbers of 8 bits.

What changes the meaning of any of this makes a new `VERSION`, which older versions refuse; more
arrays or attributes do not, for readers ignore what they do not know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from calab_core.slabs import Source
from numpy.typing import NDArray

from ..fields import CELL

__all__ = [
    "CHUNK_BYTES",
    "FORMAT",
    "INDEX",
    "KINDS",
    "OWN_IDS",
    "RAGGED",
    "TYPE",
    "VERSION",
    "Content",
    "Head",
    "Ragged",
    "Stored",
    "Variable",
    "chunk_shape",
]

#: Attribute whose value is the version, and by which a file is known as a saved result.
FORMAT, VERSION = "calab_result_version", 1
#: What was saved.
KINDS = ("cadecon", "deconvolution", "activity")
#: Attribute of an array: its type in NumPy.
TYPE = "numpy_dtype"
#: Name of the variable of a result's own names of its cells.
OWN_IDS = "result_cell_ids"
#: What is appended to the name of a ragged array for the variable of its ends.
INDEX = "_index"
#: Bytes of a chunk before compression: enough to keep files few, and a cell quick to read.
CHUNK_BYTES = 2 * 2**20


class Ragged(NamedTuple):
    """A tuple of arrays of any length, stored one after the other.

    Attributes
    ----------
    axis : str
        Along all of their elements.
    outer : str
        Along the arrays.
    unit, long_name : str
        As in `calab_io.writers.fields.Field`.
    """

    axis: str
    outer: str
    unit: str
    long_name: str


#: The tuples of arrays in the details of a CaDeconResult.
RAGGED = {
    "spike_times": Ragged("spike", CELL, "s", "times since the start of the first frame"),
    "subset_kernels": Ragged("subset_lag", "subset", "1", "free-form kernels of subsets"),
}


@dataclass(frozen=True, eq=False)
class Variable:
    """An array with named axes.

    Attributes
    ----------
    axes : tuple of str
    values : numpy.ndarray or Source
        Of real numbers, booleans or text; cells x frames may be where they are read by slices.
    attributes : mapping of str to str
    """

    axes: tuple[str, ...]
    values: NDArray[Any] | Source
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Content:
    """What is to be in a file.

    Attributes
    ----------
    variables : mapping of str to Variable
        An axis that several have is of one length.
    attributes : mapping of str to (str, int or float)
    """

    variables: Mapping[str, Variable]
    attributes: Mapping[str, str | int | float]

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis."""
        return {
            axis: size
            for one in self.variables.values()
            for axis, size in zip(one.axes, one.values.shape, strict=True)
        }


class Head(NamedTuple):
    """What an array in a file is like.

    Attributes
    ----------
    axes : tuple of str
    shape : tuple of int
    type : str
        Type in NumPy that it had.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    type: str


class Stored(Protocol):
    """A file that is open for reading."""

    path: Path
    attributes: Mapping[str, Any]

    def names(self) -> list[str]:
        """List the variables."""

    def head(self, name: str) -> Head:
        """Tell what a variable is like, without reading it."""

    def values(self, name: str) -> NDArray[Any]:
        """Read a variable."""


def chunk_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return how much is kept together: whole rows, so that a cell is read in one go.

    Parameters
    ----------
    shape : tuple of int
        Of the array, not empty.
    itemsize : int
        Bytes of a number.

    Returns
    -------
    tuple of int
        At least a row, and of more no more than `CHUNK_BYTES`.
    """
    row = itemsize * math.prod(shape[1:])
    return (min(shape[0], max(1, CHUNK_BYTES // row)), *shape[1:])
