"""Traces in HDF5 and zarr, as people save arrays who use the libraries themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr

from .tables import FS, example

__all__ = ["contents", "save_hdf5", "save_zarr", "write_hdf5", "write_zarr"]


def contents() -> dict[str, Any]:
    """Return traces with all that may be beside them, in a group."""
    traces = example()
    return {
        "session/traces": traces.astype(np.float32),
        "session/cell_ids": np.arange(len(traces)) * 3,
        "session/timestamps": np.arange(traces.shape[1]) / FS,
        "mean": traces.mean(axis=1),
        "fs": FS,
    }


def write_hdf5(path: Path, *, scales: bool = False) -> Path:
    """Write these, with named axes, frames first, if so wanted."""
    arrays = contents()
    if not scales:
        arrays["session/cell_ids"] = arrays["session/cell_ids"].astype("S2").astype(object)
        return save_hdf5(path, arrays, {"session/traces": {"unit": "dF/F"}})
    save_hdf5(path, {"F": arrays["session/traces"].T, "time": arrays["session/timestamps"] * 1000})
    with h5py.File(path, "r+") as file:
        file["time"].attrs["units"] = "ms"
        file["time"].make_scale("time")
        file.create_dataset("cell", 4, "f4").make_scale(
            "This is a netCDF dimension but not a netCDF variable.         4"
        )
        for axis, name in enumerate(("time", "cell")):
            file["F"].dims[axis].attach_scale(file[name])
    return path


def write_zarr(path: Path, zarr_format: int) -> Path:
    """Write these; version 2 as a group with text as ids, version 3 with named axes."""
    arrays = contents()
    if zarr_format == 2:
        arrays["session/cell_ids"] = arrays["session/cell_ids"].astype(str)
        return save_zarr(path, arrays, zarr_format=2)
    arrays["session/traces"] = arrays["session/traces"].T
    names = {"session/traces": ("time", "cell")}
    return save_zarr(path, arrays, {"session": {"frame_rate": FS}}, names=names, zarr_format=3)


def save_hdf5(
    path: Path, arrays: Mapping[str, Any], attributes: Mapping[str, Mapping[str, Any]] | None = None
) -> Path:
    """Write arrays by their keys, and attributes by the keys of what has them."""
    with h5py.File(path, "w") as file:
        for key, values in arrays.items():
            file[key] = values
        for key, attrs in (attributes or {}).items():
            file[key or "/"].attrs.update(attrs)
    return path


def save_zarr(
    path: Path,
    arrays: Mapping[str, Any],
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    zarr_format: int = 3,
    chunks: tuple[int, ...] | None = None,
    names: Mapping[str, tuple[str, ...]] | None = None,
) -> Path:
    """Write arrays by their keys; a single one of the key ``""`` is the store itself."""
    if "" not in arrays:
        zarr.create_group(path, zarr_format=zarr_format)
    for key, values in arrays.items():
        axes = (names or {}).get(key)
        more: dict[str, Any] = {} if zarr_format == 2 or axes is None else {"dimension_names": axes}
        data = np.asarray(values)
        pieces = {"chunks": chunks} if chunks and data.ndim == 2 else {}
        array = zarr.create_array(
            path, name=key or None, data=data, zarr_format=zarr_format, **pieces, **more
        )
        if zarr_format == 2 and axes is not None:
            array.attrs["_ARRAY_DIMENSIONS"] = list(axes)
    for key, attrs in (attributes or {}).items():
        zarr.open(path / key, mode="r+", zarr_format=zarr_format).attrs.update(attrs)
    return path
