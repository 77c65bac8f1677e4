"""The layout of Minian's `save_minian`, written by xarray and zarr; our own writer, not Minian."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["save_minian", "variables", "write_minian", "write_timestamps", "write_timestamps_3"]

#: Cells that are left in the end; between them some were merged or filtered.
FINAL = (0, 2, 3, 7)
#: Cells at the time when YrA was computed.
EARLIER = (0, 1, 2, 3, 5, 7)


def write_minian(
    path: Path, *, zarr_format: int = 2, n_frames: int = 120, final_only: bool = False
) -> Path:
    """Write a folder of stores, with `YrA` in the folder `minian_intermediate` inside.

    The intermediate folder has two cells more. The rate of the time stamps is 20 Hz. With
    `final_only` there is neither that folder nor time stamps.
    """
    final, earlier = variables(FINAL, n_frames), variables(EARLIER, n_frames)
    for name in ("A", "C", "S"):
        save_minian(final[name], path, zarr_format=zarr_format)
    if final_only:
        return path
    for name in ("YrA", "C"):
        save_minian(earlier[name], path / "minian_intermediate", zarr_format=zarr_format)
    write_timestamps(path / "timeStamps.csv", n_frames)
    return path


def variables(cells: tuple[int, ...] = FINAL, n_frames: int = 120) -> dict[str, xr.DataArray]:
    """Return A, C, S and YrA of these cells; a cell's traces depend on its id alone.

    YrA contains C and is high enough that nothing of it is clipped at 0.
    """
    frames = np.arange(n_frames)
    fit = np.stack([3 + 2 * np.sin(0.1 * (cell + 1) * frames) for cell in cells])
    noise = np.stack([np.random.default_rng(cell).uniform(-0.5, 0.5, n_frames) for cell in cells])
    footprints = np.ones((len(cells), 3, 4))
    along = {"unit_id": list(cells), "animal": "mouse01", "session": "session_1"}
    axes, coords = ("unit_id", "frame"), {**along, "frame": frames}
    return {
        "A": xr.DataArray(footprints, dims=("unit_id", "height", "width"), coords=along, name="A"),
        "C": xr.DataArray(fit, dims=axes, coords=coords, name="C"),
        "S": xr.DataArray(np.maximum(fit - 4, 0), dims=axes, coords=coords, name="S"),
        "YrA": xr.DataArray(fit + noise, dims=axes, coords=coords, name="YrA"),
    }


def save_minian(
    array: xr.DataArray, folder: Path, *, zarr_format: int = 2, **encoding: Any
) -> Path:
    """Write a variable and its coordinates to a store of its own, as Minian's function does."""
    chunks = tuple(1 if axis == "unit_id" else array.sizes[axis] for axis in array.dims)
    store = folder / f"{array.name}.zarr"
    with warnings.catch_warnings():
        # Version 3 has no specification of the text in `animal` and `session`.
        warnings.simplefilter("ignore")
        array.to_dataset().to_zarr(
            store,
            mode="w",
            zarr_format=zarr_format,
            encoding={array.name: {"chunks": chunks, **encoding}},
        )
    return store


def write_timestamps(path: Path, n_frames: int) -> Path:
    """Write what version 4 of the Miniscope's software does: 50 ms from frame to frame."""
    lines = [f"{frame},{50 * frame - 12},{frame % 3}" for frame in range(n_frames)]
    path.write_text("\n".join(["Frame Number,Time Stamp (ms),Buffer Index", *lines, ""]))
    return path


def write_timestamps_3(path: Path, n_frames: dict[int, int]) -> Path:
    """Write what version 3 does: cameras, each with its number of frames, one after the other.

    Frames of a camera are 33 ms apart, plus its number.
    """
    rows = [
        (frame * (33 + camera) + 7, camera, frame + 1)
        for camera, count in n_frames.items()
        for frame in range(count)
    ]
    lines = [f"{camera}\t{frame}\t{time}\t1" for time, camera, frame in sorted(rows)]
    path.write_text("\n".join(["camNum\tframeNum\tsysClock\tbuffer", *lines, ""]))
    return path
