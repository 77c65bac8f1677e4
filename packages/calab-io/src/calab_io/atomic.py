"""Files that are either there completely or not at all.

A file is written under a temporary name in the folder where it will stay and renamed when it is
complete: `os.replace` is atomic within one file system, so a crash, a full disk or Ctrl-C leaves
the old file, or none, and never half of the new one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

__all__ = ["atomic_path", "atomic_paths"]


@contextmanager
def atomic_paths(targets: Sequence[str | Path]) -> Iterator[list[Path]]:
    """Yield one temporary path per target and move them all into place at the end.

    Parameters
    ----------
    targets : sequence of str or Path
        The files to write. Their folders must exist.

    Yields
    ------
    list of Path
        Paths in the targets' folders, with the targets' suffixes, to write to. Each of them
        must exist when the block ends. None is left behind when the block raises.

    Raises
    ------
    NotADirectoryError
        If the folder of a target is not there.
    """
    finals = [Path(target) for target in targets]
    for final in finals:
        if not final.parent.is_dir():
            raise NotADirectoryError(f"expected an existing folder, got {str(final.parent)!r}")
    # The suffix stays last because numpy and matplotlib choose the format by it.
    drafts = [f.with_name(f".{f.stem}.{uuid.uuid4().hex[:8]}{f.suffix}") for f in finals]
    with ExitStack() as cleanup:
        for draft in drafts:
            cleanup.callback(draft.unlink, missing_ok=True)
        try:
            yield drafts
            for draft, final in zip(drafts, finals, strict=True):
                os.replace(draft, final)
        except OSError as err:
            # The caller knows the file by the name that it will have.
            names = dict(zip(map(str, drafts), map(str, finals), strict=True))
            if str(err.filename) in names:
                err.filename, err.filename2 = names[str(err.filename)], None
            raise


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path and move it to `target` at the end.

    Parameters
    ----------
    target : str or Path
        The file to write. Its folder must exist.

    Yields
    ------
    Path
        A path in the target's folder to write to. It is removed when the block raises.

    Raises
    ------
    NotADirectoryError
        If the folder of the target is not there.
    """
    with atomic_paths([target]) as drafts:
        yield drafts[0]
