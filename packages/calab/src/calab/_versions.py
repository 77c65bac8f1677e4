"""Which parts of CaLab are installed."""

from __future__ import annotations

__all__ = ["versions"]

_DISTRIBUTIONS = (
    "calab",
    "calab-solver",
    "calab-core",
    "calab-sim",
    "calab-io",
    "calab-bridge",
)


def versions() -> dict[str, str]:
    """List the installed distributions of CaLab.

    Returns
    -------
    dict of str to str
        Version by name of distribution. One that is not installed is absent.
    """
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
