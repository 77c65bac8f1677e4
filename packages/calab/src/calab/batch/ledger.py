"""What is finished: a folder per session, which is there completely or not at all."""

from __future__ import annotations

import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calab_io.documents import read_json_object

__all__ = ["RECORD", "clean", "exclusive", "finished", "folder_in_place"]

#: What a finished folder holds; it says from what, and with which settings, the rest was made.
RECORD = "session.json"
DRAFT = ".draft-"
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


@contextmanager
def folder_in_place(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes its final name when everything is in it.

    Parameters
    ----------
    target : Path
        The final name; a folder that is there is replaced at the end, and not before.

    Yields
    ------
    Path
        Where to write.
    """
    draft = target.with_name(f"{DRAFT}{target.name}-{uuid.uuid4().hex[:8]}")
    draft.mkdir(parents=True)
    try:
        yield draft
        # A folder can only take the place of none, so the old one steps aside first.
        aside = target.with_name(f"{DRAFT}{target.name}-old-{uuid.uuid4().hex[:8]}")
        if target.exists():
            os.replace(target, aside)
        os.replace(draft, target)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def clean(out: Path) -> None:
    """Remove what runs that were killed have left half done.

    Parameters
    ----------
    out : Path
        The folder of the batch, which no other run works on.
    """
    for entry in out.glob(f"{DRAFT}*"):
        name, _, kind = entry.name.removeprefix(DRAFT).rpartition("-")
        target = out / name.removesuffix("-old")
        if name.endswith("-old") and not target.exists():
            # Killed between both renames: the old result comes back.
            os.replace(entry, target)
        else:
            shutil.rmtree(entry, ignore_errors=True)
        del kind


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Keep a second run away from a folder; the lock of one that was killed is taken over.

    Parameters
    ----------
    out : Path
        The folder of the batch.

    Raises
    ------
    RuntimeError
        If another run works on it.
    """
    lock = out / LOCK
    while True:
        try:
            with lock.open("x", encoding="utf-8") as file:
                json.dump({"pid": os.getpid(), "host": socket.gethostname()}, file)
            break
        except FileExistsError:
            owner = _owner(lock)
            if owner is not None:
                raise RuntimeError(
                    f"{out}: another run works on it ({owner}); wait for it, or choose another "
                    f"folder, or delete {lock.name} if that run is no more"
                ) from None
            lock.unlink(missing_ok=True)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _owner(lock: Path) -> str | None:
    """Name the run that holds a lock, None if it was killed."""
    try:
        held = json.loads(lock.read_text(encoding="utf-8"))
        pid, host = int(held["pid"]), str(held["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return "its lock cannot be read"
    if host == socket.gethostname() and not _runs(pid):
        return None
    return f"process {pid} on {host}"


def _runs(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
