"""`calab versions`."""

from __future__ import annotations

from ._options import Json
from ._output import print_json, print_pairs

__all__ = ["versions"]


def versions(json: Json = False) -> None:
    """List the installed parts of CaLab."""
    import platform

    from calab._versions import versions as installed

    found = {**installed(), "python": platform.python_version()}
    if json:
        print_json(found)
    else:
        print_pairs(found)
