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
        A manifest (.csv with a column ``path`` and, where wanted, ``name`` and fields of
        `ReadSettings`, or .json with a list of such objects), or paths, or patterns like
        ``data/*/suite2p`` (``**`` for folders at any depth).
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
        If a manifest is not one, names a session twice, or says what reading does not know.
    """
    if len(sources) == 1 and _is_manifest(Path(sources[0])):
        return _listed(Path(sources[0]), read)
    paths = [path for source in sources for path in _matches(source)]
    unique = sorted(set(paths))
    return [Session(name, path, read) for name, path in zip(_names(unique), unique, strict=True)]


def _is_manifest(path: Path) -> bool:
    """Tell a manifest from traces in a text table: its first line names a column of paths."""
    if path.suffix.lower() not in MANIFESTS or glob.has_magic(str(path)):
        return False
    if path.suffix.lower() == ".json" or not path.is_file():
        return True
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return "path" in next(csv.reader(file), [])


def _matches(source: str) -> list[Path]:
    found = [source] if Path(source).exists() else glob.glob(source, recursive=True)
    if not found:
        raise FileNotFoundError(f"{source}: no file or folder is there, or matches")
    return [Path(path).absolute() for path in found]


def _names(paths: Sequence[Path]) -> list[str]:
    """Name each path by what tells it from the others."""
    if len(paths) < 2:
        return [path.stem for path in paths]
    above = Path(os.path.commonpath([path.parent for path in paths]))
    parts = [path.relative_to(above).parts for path in paths]
    # The last part where it is the same everywhere (`suite2p`) tells nothing.
    if len({part[-1] for part in parts}) == 1 and all(len(part) > 1 for part in parts):
        parts = [part[:-1] for part in parts]
    short = ["-".join((*part[:-1], Path(part[-1]).stem)) for part in parts]
    return short if len(set(short)) == len(short) else ["-".join(part) for part in parts]


def _listed(manifest: Path, read: ReadSettings) -> list[Session]:
    rows = _rows(manifest)
    if not rows:
        raise ValueError(f"{manifest}: expected a session per row, got none")
    sessions = []
    paths = [_path(row, manifest, number) for number, row in enumerate(rows, start=1)]
    names = _names(paths)
    for number, (row, path, name) in enumerate(zip(rows, paths, names, strict=True), start=1):
        own = {key: value for key, value in row.items() if key not in ("path", "name")}
        try:
            settings = ReadSettings.model_validate(read.model_dump() | own)
        except ValidationError as error:
            raise ValueError(f"{manifest}, session {number}: {in_words(error)}") from None
        sessions.append(Session(_name(row.get("name", name), manifest, number), path, settings))
    twice = [name for name, count in Counter(s.name for s in sessions).items() if count > 1]
    if twice:
        raise ValueError(
            f"{manifest}: expected a name of its own per session, got {twice[0]} twice"
        )
    return sessions


def _path(row: dict[str, Any], manifest: Path, number: int) -> Path:
    path = row.get("path")
    if not isinstance(path, str) or not path:
        raise ValueError(f"{manifest}, session {number}: expected a path, got {path!r}")
    # From where the manifest is, so that both can be moved together.
    return Path(os.path.normpath(manifest.absolute().parent / path))


def _name(name: Any, manifest: Path, number: int) -> str:
    if (
        not isinstance(name, str)
        or not name
        or name.startswith(".")
        or set(name) & set('/\\:*?"<>|')
    ):
        raise ValueError(
            f"{manifest}, session {number}: expected a name that a folder can have, got {name!r}"
        )
    return str(name)


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
    rows = []
    for row in csv.DictReader(text.splitlines(), strict=True):
        if None in row:
            raise ValueError(f"more fields than columns in a row: {row[None]}")
        rows.append({key: _value(key, text) for key, text in row.items() if text})
    return rows


def _value(key: str, text: str) -> Any:
    if key == "transpose":
        return _FLAGS.get(text.lower(), text)
    try:
        return _NUMBERS[key](text) if key in _NUMBERS else text
    except ValueError:
        # Refused with the row's number.
        return text
