"""What is finished: a folder per session, which is there completely or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calab_io.documents import read_json_object
from calab_io.folders import atomic_folder
from calab_io.locks import locked

__all__ = ["RECORD", "exclusive", "finished", "folder_in_place", "is_replaceable"]

#: What a finished folder holds; it says from what, and with which settings, the rest was made.
RECORD = "session.json"
#: Held while a run works on a folder; the system lets go of it when the run ends, however it does.
LOCK = ".calab-batch.lock"


def finished(folder: Path) -> dict[str, Any] | None:
    """Return the record of a finished session.

    Parameters
    ----------
    folder : Path
        Its output folder.

    Returns
    -------
    dict or None
        None if it is not finished, or its record cannot be read.
    """
    try:
        return read_json_object(folder / RECORD)
    except (OSError, ValueError):
        return None


def is_replaceable(folder: Path) -> bool:
    """Tell whether a folder is ours, empty or not there.

    Parameters
    ----------
    folder : Path
        Where results are to go.

    Returns
    -------
    bool
    """
    if not folder.exists():
        return True
    return folder.is_dir() and (finished(folder) is not None or not any(folder.iterdir()))


@contextmanager
def folder_in_place(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes its final name when everything is in it.

    Parameters
    ----------
    target : Path
        The final name; a folder of ours that is there is replaced at the end, and not before.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    FileExistsError
        If something is there that is not ours.
    """
    with atomic_folder(target) as draft:
        draft.mkdir()
        yield draft
        if not is_replaceable(target):
            raise FileExistsError(f"{target}: is no result of a batch; choose another --out")


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Keep a second run away from a folder.

    Parameters
    ----------
    out : Path
        The folder of the batch.

    Raises
    ------
    RuntimeError
        If another run works on it.
    """
    with locked(out / LOCK) as held:
        if held is False:
            problem = "another run works on it; wait for it, or choose another folder"
            raise RuntimeError(f"{out}: {problem}")
        yield
