"""Arrays as `numpy.save` writes them, from a file or a member of an archive, not trusted."""

from __future__ import annotations

import math
import warnings
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

__all__ = ["MAGIC", "Header", "load_array", "read_header"]

MAGIC = b"\x93NUMPY"
#: By the version of the file, with the bytes that tell the header's length; a third version is for
#: names of fields, which no array of numbers has.
READERS = {
    MAGIC + b"\x01\x00": (npy_format.read_array_header_1_0, 2),
    MAGIC + b"\x02\x00": (npy_format.read_array_header_2_0, 4),
}
#: NumPy refuses longer headers itself, but only after having read them.
LONGEST_HEADER = 10_000


class Header(NamedTuple):
    """What an array claims to be.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    offset : int
        Where its content begins, in bytes.
    fortran_order : bool
        Whether its columns are kept together, not its rows.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    fortran_order: bool

    @property
    def is_real(self) -> bool:
        """Whether it holds real numbers, among which booleans are not."""
        return self.dtype.kind in "fiu"


def read_header(file: IO[bytes]) -> Header:
    """Read the header at the beginning of a file.

    Parameters
    ----------
    file : binary file
        Open for reading, at its beginning.

    Returns
    -------
    Header

    Raises
    ------
    Exception
        Of nearly any kind, if it is damaged.
    """
    start = file.read(12)
    read, size = READERS.get(start[:8], (None, 0))
    if read is None:
        raise ValueError("expected the header of a plain array")
    if int.from_bytes(start[8 : 8 + size], "little") > LONGEST_HEADER:
        raise ValueError("the header is too long for an array of numbers")
    file.seek(8)
    with warnings.catch_warnings():
        # Python's parser warns of what is damaged, NumPy of files from Python 2.
        warnings.simplefilter("ignore")
        shape, fortran_order, dtype = read(file)
    if min(shape, default=0) < 0:
        raise ValueError(f"expected a shape, got {str(shape)[:60]}")
    return Header(shape, dtype, file.tell(), fortran_order)


def load_array(file: IO[bytes], most_bytes: int) -> NDArray[Any]:
    """Load an array, if it can be there.

    Parameters
    ----------
    file : binary file
        Open for reading, at its beginning, and able to go back there.
    most_bytes : int
        Bytes that its content can have at most.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    Exception
        Of nearly any kind, if it is damaged, not complete, or holds Python objects.
    """
    header = read_header(file)
    if header.dtype.hasobject:
        raise ValueError("it holds Python objects, which are not unpickled")
    if math.prod(header.shape) * header.dtype.itemsize > most_bytes:
        problem = f"shape {str(header.shape)[:60]} of {header.dtype} takes more than there is"
        raise ValueError(f"{problem}, {most_bytes} bytes")
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded: NDArray[Any] = np.load(file, allow_pickle=False)
    return loaded
