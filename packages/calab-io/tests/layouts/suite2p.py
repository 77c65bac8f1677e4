"""The layout of suite2p's results, versions 0.x and 1.x: our own writer, not suite2p."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

__all__ = ["write_plane", "write_settings", "write_suite2p"]


def write_suite2p(
    path: Path, *, planes: int = 1, n_frames: int = 60, combined: bool = False, old: bool = False
) -> Path:
    """Write a folder with planes, each with 5 ROIs of which 0, 2 and 3 are cells.

    Version 0.x, `old`, has one flat dictionary of settings; 1.x two, both nested. As in suite2p,
    `combined` holds the ROIs of all planes.
    """
    for plane in range(planes):
        write_plane(path / f"plane{plane}", plane=plane, n_frames=n_frames, old=old)
    if combined:
        _combine(path, planes, old)
    return path


def write_plane(
    folder: Path, *, plane: int = 0, n_rois: int = 5, n_frames: int = 60, old: bool = False
) -> Path:
    """Write the folder of one plane."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(plane)
    neuropil = rng.gamma(2.0, 50, size=(n_rois, n_frames)).astype(np.float32)
    np.save(folder / "F.npy", 0.7 * neuropil + rng.gamma(4.0, 50, neuropil.shape).astype("f4"))
    np.save(folder / "Fneu.npy", neuropil)
    np.save(folder / "spks.npy", rng.gamma(0.5, 20, neuropil.shape).astype("f4"))
    flags = np.resize([1.0, 0.0, 1.0, 1.0, 0.0], n_rois)
    np.save(folder / "iscell.npy", np.column_stack([flags, np.linspace(0.1, 0.9, n_rois)]))
    np.save(folder / "redcell.npy", np.column_stack([1 - flags, np.linspace(0.5, 0.6, n_rois)]))
    stat = [{"ypix": np.arange(3), "xpix": np.arange(3), "med": (1, 1)} for _ in range(n_rois)]
    np.save(folder / "stat.npy", np.array(stat, dtype=object), allow_pickle=True)
    write_settings(folder, old=old, n_frames=n_frames)
    return folder


def write_settings(
    folder: Path, *, old: bool, n_frames: int = 60, fs: float = 10.0, coefficient: float = 0.6
) -> None:
    """Write the settings of a plane as one of the versions has them."""
    outputs: dict[str, Any] = {
        "Ly": 8,
        "Lx": 8,
        "nframes": n_frames,
        "meanImg": np.ones((2, 2), np.float32),
        "yrange": [0, 8],
        "badframes": np.arange(n_frames) < 4,
    }
    if old:
        ops = {
            "suite2p_version": "0.14.4",
            "data_path": ["/data"],
            "fs": fs,
            "tau": 1.0,
            "neucoeff": coefficient,
            "baseline": "maximin",
            **outputs,
        }
        _save(folder / "ops.npy", ops)
        return
    settings = {
        "fs": fs,
        "tau": 1.0,
        "torch_device": "cpu",
        "extraction": {"neuropil_extract": True, "neuropil_coefficient": coefficient},
        "dcnv_preprocess": {"baseline": "maximin", "sig_baseline": 10.0},
    }
    db = {"data_path": [PurePosixPath("/data")], "nplanes": 1}
    _save(folder / "settings.npy", settings)
    _save(folder / "db.npy", db)
    _save(folder / "ops.npy", {**db, **settings, **outputs, "version": "1.1.0"})


def _save(path: Path, settings: dict[str, Any]) -> None:
    np.save(path, np.array(settings, dtype=object), allow_pickle=True)


def _combine(path: Path, planes: int, old: bool) -> None:
    folder = path / "combined"
    folder.mkdir()
    for name in ("F", "Fneu", "spks", "iscell", "redcell"):
        parts = [np.load(path / f"plane{plane}" / f"{name}.npy") for plane in range(planes)]
        np.save(folder / f"{name}.npy", np.concatenate(parts))
    write_settings(folder, old=old)
