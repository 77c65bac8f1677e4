"""Level-5 `.mat` files by hand, for what SciPy does not write."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

__all__ = ["array", "level5", "part"]


def part(order: str, kind: int, content: bytes) -> bytes:
    """Make a tagged piece."""
    filled = content.ljust(-(-len(content) // 8) * 8, b"\0")
    return struct.pack(f"{order}II", kind, len(content)) + filled


def array(
    order: str,
    number: int,
    shape: Sequence[int] | None,
    name: bytes,
    *parts: bytes,
) -> bytes:
    """Make an array of the class with this number; objects have no shape."""
    head = part(order, 6, struct.pack(f"{order}II", number, 0))
    if shape is not None:
        head += part(order, 5, struct.pack(f"{order}{len(shape)}i", *shape))
    body = head + part(order, 1, name) + b"".join(parts)
    return struct.pack(f"{order}II", 14, len(body)) + body


def level5(path: Path, *variables: bytes, order: str = "<") -> Path:
    """Write a file of these variables."""
    mark = {"<": b"\0\1IM", ">": b"\1\0MI"}[order]
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + mark + b"".join(variables))
    return path
