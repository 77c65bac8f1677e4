"""JSON documents that are read with errors naming the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["as_path", "read_json_object"]


def as_path(path: str | os.PathLike[str]) -> Path:
    """Accept the path of a file.

    Parameters
    ----------
    path : str or os.PathLike
        What came.

    Returns
    -------
    Path

    Raises
    ------
    TypeError
        If it is not a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path: expected a path, got {path!r}")
    return Path(path)


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file whose top level is an object.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If it is a folder.
    ValueError
        If it is not JSON or not an object.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected a file, got a folder")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as err:
        raise ValueError(f"{path}: expected a JSON file: {err}") from err
    if not isinstance(document, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(document).__name__}")
    return document
