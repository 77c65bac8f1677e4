"""Folders that are either there completely or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_folder"]


@contextmanager
def atomic_folder(target: str | Path) -> Iterator[Path]:
    """Yield the path of a folder to make, and move it to `target` at the end.

    A folder cannot be replaced by another in one step: the old one is moved aside first, and back
    if the new one cannot take its place.

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
    token = uuid.uuid4().hex[:8]
    draft, old = (final.with_name(f".{final.stem}.{token}{n}{final.suffix}") for n in ("", ".old"))
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
    shutil.rmtree(old, ignore_errors=True)
