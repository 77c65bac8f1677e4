"""What is said of a file that cannot be read: where, what is wrong with it, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = [
    "CalabFormatError",
    "MissingKeyError",
    "MissingLibraryError",
    "needs",
    "not_there",
    "unreadable",
]

#: Keys of a file that an error lists at most.
MOST_LISTED = 20
#: An address as a path has it, with one slash; what comes before has more letters than a drive.
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\]+(.*)", re.DOTALL)


class CalabFormatError(ValueError):
    """A file or folder does not hold what its format says, or what was asked of it.

    Parameters
    ----------
    path : str or Path
        The file or folder.
    problem : str
        What was expected and what came.
    remedy : str, optional
        What to do about it.
    key : str, optional
        Where in the file.

    Attributes
    ----------
    path : Path
        The file or folder.
    key : str or None
        Where in the file.
    remedy : str or None
        What to do about it.
    """

    def __init__(
        self, path: str | Path, problem: str, remedy: str | None = None, *, key: str | None = None
    ) -> None:
        where = f"{path}" if key is None else f"{path}, {key}"
        super().__init__(f"{where}: {problem}" + (f"; {remedy}" if remedy else ""))
        self.path, self.key, self.remedy = Path(path), key, remedy


class MissingKeyError(CalabFormatError, KeyError):
    """A file lacks something that its format has, or that was asked for.

    Parameters
    ----------
    path : str or Path
        The file or folder.
    key : str
        What is missing.
    present : iterable of str
        What is there instead.
    remedy : str, optional
        What to do about it.
    """

    def __init__(
        self, path: str | Path, key: str, present: Iterable[str] = (), remedy: str | None = None
    ) -> None:
        names = sorted(name for name in present if name != key)
        listed = ", ".join(names[:MOST_LISTED]) + (", ..." if len(names) > MOST_LISTED else "")
        problem = f"not found (there is {listed})" if names else "not found"
        super().__init__(path, problem, remedy, key=key)

    def __str__(self) -> str:
        """Return the message itself; a KeyError would put it in quotes."""
        return str(self.args[0])


class MissingLibraryError(ImportError):
    """An optional library is not installed; the message says which extra brings it."""


def not_there(path: Path, expected: str = "file or folder") -> Exception:
    """Return the error about a path at which there is nothing, which may be no path at all.

    Parameters
    ----------
    path : Path
        Where there is nothing.
    expected : str, optional
        What should be there.

    Returns
    -------
    FileNotFoundError or CalabFormatError
        The second for an address such as ``s3://bucket/x.zarr``, which it says how to open.
    """
    address = ADDRESS.fullmatch(str(path))
    if address is None:
        return FileNotFoundError(f"{path}: no such {expected}")
    url = f"{address[1]}://{address[2]}"
    remedy = (
        f"open the array with zarr.open_array({url!r}, mode='r', storage_options={{...}}) and pass "
        "it as traces: see 'Read from and write to object storage' in the documentation"
    )
    return CalabFormatError(url, "is an address, and only files are read", remedy)


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Report what a library says of a damaged file as `CalabFormatError`.

    Only for calls into the library that parses: everything it raises over content is an error of
    the file, and which types these are differs between versions.

    Parameters
    ----------
    path : Path
        The file or folder.
    """
    try:
        yield
    except (CalabFormatError, FileNotFoundError, ImportError, PermissionError):
        raise
    except Exception as err:  # damaged files raise nearly anything
        said = " ".join(str(err).split()) or type(err).__name__
        remedy = "the file may be damaged or not complete"
        raise CalabFormatError(path, f"cannot be read: {said[:200]}", remedy) from err


def needs(module: str, extra: str, purpose: str) -> Any:
    """Import an optional library, or say how to get it.

    Parameters
    ----------
    module : str
        Name of the module.
    extra : str
        Extra of `calab` that brings it.
    purpose : str
        What it is needed for.

    Returns
    -------
    module

    Raises
    ------
    MissingLibraryError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as err:
        library = module.partition(".")[0]
        message = f"{purpose} needs {library}: install calab with its extra {extra!r}"
        raise MissingLibraryError(message, name=library) from err
