"""The settings that suite2p leaves in a folder: flat in versions 0.x, nested in 1.x."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CalabFormatError
from ...files.pickled import read_pickled_dict

__all__ = ["Settings", "read_settings"]

#: Where they are: from version 1.0 on in the first, and in the second unless that is switched off.
FILES = ("settings.npy", "ops.npy")
#: Keys that lead to the same value, one in another; what suite2p uses now comes first.
COEFFICIENT = (("extraction", "neuropil_coefficient"), ("neucoeff",))
VERSION = (("suite2p_version",), ("version",))
#: No rate, time constant or coefficient is as large.
LARGEST = 1e9


@dataclass(frozen=True)
class Settings:
    """What the settings say of the traces; None where they do not.

    Attributes
    ----------
    fs : float or None
        Sampling rate of one plane in hertz.
    coefficient : float or None
        Share of the neuropil that is subtracted.
    tau : float or None
        Decay time in seconds for which suite2p deconvolved.
    version : str or None
        Of suite2p.
    bad_frames : int or None
        How many frames suite2p left out when it looked for cells.
    notes : tuple of str
        On files that cannot be read.
    """

    fs: float | None
    coefficient: float | None
    tau: float | None
    version: str | None
    bad_frames: int | None
    notes: tuple[str, ...]


def read_settings(folders: Iterable[Path]) -> Settings:
    """Read the settings in the first folder that has some which can be read.

    Parameters
    ----------
    folders : iterable of Path
        Folders of planes.

    Returns
    -------
    Settings
        A file that is damaged counts as one that is not there, with a note.
    """
    found: list[dict[Any, Any]] = []
    notes: list[str] = []
    for folder in folders:
        for path in (folder / name for name in FILES if (folder / name).is_file()):
            try:
                found.append(read_pickled_dict(path))
            except CalabFormatError as err:
                notes.append(f"{err}; its settings are not used")
        if found:
            break
    texts = (value for value in _values(found, VERSION) if isinstance(value, str))
    return Settings(
        fs=_number(found, (("fs",),)),
        coefficient=_number(found, COEFFICIENT),
        tau=_number(found, (("tau",),)),
        version=next(texts, None),
        bad_frames=_count(found, (("badframes",),)),
        notes=tuple(notes),
    )


def _values(found: list[dict[Any, Any]], ways: Iterable[tuple[str, ...]]) -> Iterator[Any]:
    """Give what is there by any of the ways."""
    for settings in found:
        for way in ways:
            value: Any = settings
            for key in way:
                value = value.get(key) if isinstance(value, dict) else None
            yield value


def _number(found: list[dict[Any, Any]], ways: Iterable[tuple[str, ...]]) -> float | None:
    for value in _values(found, ways):
        # Some versions keep a number as an array of one.
        one = value.ravel()[0] if isinstance(value, np.ndarray) and value.size == 1 else value
        is_number = isinstance(one, int | float | np.integer | np.floating)
        if is_number and not isinstance(one, bool) and -LARGEST < one < LARGEST:
            return float(one)
    return None


def _count(found: list[dict[Any, Any]], ways: Iterable[tuple[str, ...]]) -> int | None:
    for value in _values(found, ways):
        if isinstance(value, np.ndarray) and value.dtype == bool:
            return int(np.count_nonzero(value))
    return None
