"""What stands where in the files of `layouts.nwb`, and how tests change it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from calab_io import Recording, read

__all__ = [
    "FIT",
    "FLUORESCENCE",
    "NOT_SUBTRACTED",
    "RESIDUALS",
    "SUBTRACTED",
    "TABLE",
    "F",
    "N",
    "change",
    "quiet",
    "raw_of_suite2p",
    "set_attribute",
    "stored",
    "untype",
]

FLUORESCENCE = "processing/ophys/Fluorescence"
#: suite2p's traces and neuropil.
F = f"{FLUORESCENCE}/plane0"
N = "processing/ophys/Neuropil/plane0"
#: CaImAn's fit, which is neuroconv's raw trace.
FIT = f"{FLUORESCENCE}/RoiResponseSeries"
RESIDUALS = "processing/ophys/residuals"
TABLE = "processing/ophys/ImageSegmentation/PlaneSegmentation"
#: Warnings that files of suite2p and of neuroconv give.
SUBTRACTED = "ignore:.*is subtracted, suite2p's default"
NOT_SUBTRACTED = "ignore:.*is not subtracted"


def stored(path: Path, key: str) -> Any:
    """Read what a series holds, as cells x frames."""
    with h5py.File(path) as file:
        return file[f"{key}/data"][:].T


def raw_of_suite2p(path: Path, plane: int = 0) -> Any:
    """Subtract suite2p's share of the neuropil from what a plane holds."""
    neuropil = stored(path, f"processing/ophys/Neuropil/plane{plane}")
    return stored(path, f"{FLUORESCENCE}/plane{plane}") - np.float32(0.7) * neuropil


def change(path: Path, key: str, value: Any) -> None:
    """Put something else at a key, with the attributes of what was there; None takes it away."""
    with h5py.File(path, "r+") as file:
        was = file.get(key)
        kept = {} if was is None else dict(was.attrs)
        if key in file:
            del file[key]
        if value is not None:
            file[key] = value
        if kept and isinstance(file.get(key, getlink=True), h5py.HardLink):
            file[key].attrs.update(kept)


def set_attribute(path: Path, key: str, name: str, value: Any) -> None:
    """Give an attribute a value."""
    with h5py.File(path, "r+") as file:
        file[key].attrs[name] = value


def untype(path: Path, *keys: str) -> None:
    """Let series be none of responses, and stay where others link to what they hold."""
    for key in keys:
        set_attribute(path, key, "neurodata_type", "TimeSeries")


def quiet(path: Path, **options: Any) -> Recording:
    """Read without warnings; the notes are in the recording."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return read(path, **options)
