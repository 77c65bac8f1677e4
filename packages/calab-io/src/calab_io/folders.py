"""Folders that are either there completely or not at all.

A folder cannot be replaced by another in one step: the old one steps aside first. Who is killed at
that very moment leaves it there, and `recover` brings it back.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["atomic_folder", "clean", "recover", "whereabouts"]

#: How folders begin that are being written, and that stepped aside; a token and the name follow.
DRAFT, ASIDE = ".calab-draft-", ".calab-aside-"


@contextmanager
def atomic_folder(target: str | Path) -> Iterator[Path]:
    """Yield the path of a folder to make, and move it to `target` at the end.

    Parameters
    ----------
    target : str or Path
        The folder to write, which replaces one of this name. Its parent must exist.

    Yields
    ------
    Path
        A path beside it, with its suffix, that must be a folder when the block ends. It is removed
        when the block raises.

    Raises
    ------
    NotADirectoryError
        If the parent of the target is not there.
    """
    # Where a link leads: moving the link would not move the folder.
    final = Path(os.path.realpath(target))
    if not final.parent.is_dir():
        raise NotADirectoryError(f"expected an existing folder, got {str(final.parent)!r}")
    recover(final)
    token = uuid.uuid4().hex[:8]
    draft, old = (final.with_name(f"{kind}{token}-{final.name}") for kind in (DRAFT, ASIDE))
    try:
        yield draft
        if final.is_dir():
            os.replace(final, old)
        try:
            os.replace(draft, final)
        except BaseException:
            if old.is_dir():
                os.replace(old, final)
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _remove_aside(old)


def whereabouts(target: Path) -> Path:
    """Find a folder for reading, without moving it: also one that stepped aside is read.

    Parameters
    ----------
    target : Path
        The folder.

    Returns
    -------
    Path
        What stepped aside where the folder itself is not there, else the folder.
    """
    if target.exists():
        return target
    # Where a link leads, as in `atomic_folder`.
    final = Path(os.path.realpath(target))
    return next(iter(_aside(final)), target)


def recover(target: Path) -> None:
    """Bring back a folder whose replacement was killed between its going and the other's coming.

    Only who writes the folder may do so: another writer may be about to put the new one there.

    Parameters
    ----------
    target : Path
        The folder. Where it is there, what stepped aside is removed.
    """
    final = Path(os.path.realpath(target))
    for entry in _aside(final):
        if final.exists():
            # Its writer was killed after the new folder came.
            _remove_aside(entry)
            continue
        with suppress(FileNotFoundError):
            os.replace(entry, final)


def clean(parent: Path, names: Collection[str]) -> None:
    """Bring back what stepped aside, and remove what was left half done.

    Parameters
    ----------
    parent : Path
        The folder of the folders.
    names : collection of str
        Folders in it that nobody else writes; what is of others stays.
    """
    for kind in (ASIDE, DRAFT):
        for entry in parent.glob(f"{kind}*"):
            if _name(entry, kind) in names:
                recover(parent / _name(entry, kind))
                shutil.rmtree(entry, ignore_errors=True)


def _aside(final: Path) -> list[Path]:
    """List what stepped aside for a folder, the newest first."""
    there = [entry for entry in final.parent.glob(f"{ASIDE}*") if _name(entry, ASIDE) == final.name]
    return sorted(there, key=_changed, reverse=True)


def _changed(entry: Path) -> int:
    """Return when an entry changed last, 0 for one that its writer has just removed."""
    try:
        return entry.stat().st_mtime_ns
    except OSError:
        return 0


def _remove_aside(entry: Path) -> None:
    """Remove what stepped aside; a kill on the way leaves a draft, which nobody brings back."""
    doomed = entry.with_name(entry.name.replace(ASIDE, DRAFT, 1))
    with suppress(OSError):
        os.replace(entry, doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _name(entry: Path, kind: str) -> str:
    """Return the name that a folder had, or will have."""
    return entry.name.removeprefix(kind).partition("-")[2]
