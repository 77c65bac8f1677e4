"""CaLab: from calcium-imaging traces to neural activity.

Every documented name is found here and loaded from its own package when it is first used, so
that importing `calab` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._names import HOME
from ._versions import versions

if TYPE_CHECKING:
    from calab_core import *  # noqa: F403
    from calab_io import *  # noqa: F403
    from calab_sim import *  # noqa: F403

    from . import compat as compat
    from .batch import *  # noqa: F403
    from .plots import *  # noqa: F403
    from .report import *  # noqa: F403

    __version__: str

__all__ = [*HOME, "versions"]


if not TYPE_CHECKING:
    # Hidden from type checkers, which would take any misspelt name for an existing one.
    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return versions()["calab"]
        if name == "compat":
            return import_module("calab.compat")
        if name not in HOME:
            raise AttributeError(f"module 'calab' has no attribute {name!r}")
        value = getattr(import_module(HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
