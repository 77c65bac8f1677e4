"""Which sessions there are: a manifest, or what patterns match."""

from __future__ import annotations

import csv
import glob
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calab_core.cadecon.settings import in_words
from pydantic import ValidationError

from .ledger import RECORD
from .settings import ReadSettings

__all__ = ["Session", "find_sessions"]

#: Suffixes of manifests.
MANIFESTS = {".csv", ".json"}
#: Characters that folders cannot have in their names everywhere.
NOT_IN_NAMES = set('/\\:*?"<>|')
_NUMBERS = {"fs": float, "plane": int, "skip_rows": int}
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class Session:
    """One recording of a batch.

    Attributes
    ----------
    name : str
        Its output folder.
    path : Path
        File or folder, absolute.
    read : ReadSettings
        How it is read.
    """

    name: str
    path: Path
    read: ReadSettings


def find_sessions(sources: Sequence[str], read: ReadSettings) -> list[Session]:
    """Find the sessions of a batch.

    Parameters
    ----------
    sources : sequence of str
        A manifest (.csv, also with semicolons or tabs, with a column ``path`` and, where wanted,
        ``name`` and fields of `ReadSettings`, or .json with a list of such objects), or paths, or
        patterns like ``data/*/suite2p`` (``**`` for folders at any depth).
    read : ReadSettings
        Holds where a manifest says nothing.

    Returns
    -------
    list of Session
        In the order of the manifest, or by path.

    Raises
    ------
    FileNotFoundError
        If a manifest is not there or a pattern matches nothing.
    ValueError
        If a manifest is not one or says what reading does not know, or two sessions would have
        one name. A session's name follows from its path and the pattern or manifest alone.
    """
    if len(sources) == 1 and _is_manifest(Path(sources[0])):
        return _unique(_listed(Path(sources[0]), read), sources[0])
    found = {path: name for source in sources for path, name in _matches(source)}
    kept = [path for path in sorted(found) if not _is_result(path)]
    if not kept:
        raise FileNotFoundError(f"{', '.join(sources) or 'no source'}: no session is there")
    sessions = [Session(_name(found[path], path), path, read) for path in kept]
    return _unique(sessions, "these sources")


def _is_result(path: Path) -> bool:
    """Tell what a batch has written, which is no session of the next one."""
    return any((above / RECORD).exists() for above in (path, *path.parents))


def _unique(sessions: list[Session], source: str) -> list[Session]:
    """Refuse two sessions of one name, also where letters differ by their case only."""
    count = Counter(session.name.casefold() for session in sessions)
    twice = [session for session in sessions if count[session.name.casefold()] > 1]
    if twice:
        first, second = twice[0].path, twice[1].path
        raise ValueError(
            f"{source}: expected a name of its own per session, got {twice[0].name} for {first} "
            f"and {second}; name them in a manifest"
        )
    return sessions


def _is_manifest(path: Path) -> bool:
    """Tell a manifest from traces in a text table: its first line names a column of paths."""
    if path.suffix.lower() not in MANIFESTS or glob.has_magic(str(path)):
        return False
    if path.suffix.lower() == ".json" or not path.is_file():
        return True
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return "path" in next(csv.reader([head := file.readline()], delimiter=_delimiter(head)), [])


def _matches(source: str) -> list[tuple[Path, str]]:
    """Find what a path or pattern means, and name each match by itself, not by the others."""
    if Path(source).exists():
        path = _absolute(source)
        return [(path, "-".join((*path.parent.parts[1:][-1:], path.stem)))]
    found = glob.glob(source, recursive=True)
    if not found:
        raise FileNotFoundError(f"{source}: no file or folder is there, or matches")
    parts = Path(source).parts
    fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    # A last part that is the same for all (`suite2p`) tells nothing.
    tail = not glob.has_magic(parts[-1])
    return [(_absolute(path), _told(Path(path).parts[fixed:], tail)) for path in found]


def _told(parts: Sequence[str], tail: bool) -> str:
    """Name a match by the parts of its path that the pattern leaves open."""
    kept = parts[:-1] if tail and len(parts) > 1 else (*parts[:-1], Path(parts[-1]).stem)
    return "-".join(kept)


def _absolute(path: str | Path) -> Path:
    return Path(os.path.abspath(path))


def _listed(manifest: Path, read: ReadSettings) -> list[Session]:
    rows = _rows(manifest)
    if not rows:
        raise ValueError(f"{manifest}: expected a session per row, got none")
    sessions = []
    for number, row in enumerate(rows, start=1):
        path = _path(row, manifest, number)
        own = {key: value for key, value in row.items() if key not in ("path", "name")}
        try:
            settings = ReadSettings.model_validate(read.model_dump() | own)
        except ValidationError as error:
            raise ValueError(f"{manifest}, session {number}: {in_words(error)}") from None
        where = f"{manifest}, session {number}"
        sessions.append(Session(_name(row.get("name", _said(row["path"])), where), path, settings))
    return sessions


def _said(path: str) -> str:
    """Name a session by its path as the manifest has it."""
    parts = [part for part in Path(path).parts if part not in ("..", os.sep)]
    return "-".join((*parts[:-1], Path(parts[-1]).stem)) if parts else ""


def _path(row: dict[str, Any], manifest: Path, number: int) -> Path:
    path = row.get("path")
    if not isinstance(path, str) or not path:
        raise ValueError(f"{manifest}, session {number}: expected a path, got {path!r}")
    # From where the manifest is, so that both can be moved together.
    return _absolute(manifest.absolute().parent / path)


def _name(name: Any, where: object) -> str:
    if isinstance(name, str) and name and name.strip(" .") == name and not set(name) & NOT_IN_NAMES:
        return name
    raise ValueError(f"{where}: expected a name that a folder can have, got {name!r}")


def _rows(manifest: Path) -> list[dict[str, Any]]:
    if not manifest.is_file():
        raise FileNotFoundError(f"{manifest}: no such file")
    try:
        text = manifest.read_text(encoding="utf-8-sig")
        rows = json.loads(text) if manifest.suffix.lower() == ".json" else _table(text)
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{manifest}: expected a manifest: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{manifest}: expected a list of sessions, each an object with a path")
    return rows


def _table(text: str) -> list[dict[str, Any]]:
    """Read rows of text; empty fields say nothing."""
    rows, lines = [], text.splitlines()
    for row in csv.DictReader(lines, strict=True, delimiter=_delimiter(lines[0] if lines else "")):
        if None in row:
            raise ValueError(f"more fields than columns in a row: {row[None]}")
        rows.append({key: _value(key, text) for key, text in row.items() if text})
    return rows


def _delimiter(head: str) -> str:
    """Tell what is between the columns by their names; spreadsheets of some countries use ``;``."""
    return next((mark for mark in ";\t" if mark in head), ",")


def _value(key: str, text: str) -> Any:
    if key == "transpose":
        return _FLAGS.get(text.lower(), text)
    try:
        return _NUMBERS[key](text) if key in _NUMBERS else text
    except ValueError:
        # Refused with the row's number.
        return text
