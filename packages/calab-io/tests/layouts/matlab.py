"""MATLAB's `.mat` files: version 5 by SciPy's writer, version 7.3 by our own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import scipy.sparse

__all__ = ["write_mat", "write_matlab"]

USERBLOCK = 512
CLASSES = {"float64": "double", "float32": "single", "bool": "logical"}


def write_matlab(
    path: Path,
    *,
    version: str = "7.3",
    n_cells: int = 3,
    n_frames: int = 12,
    compress: bool = False,
) -> Path:
    """Write what CASCADE reads, with the rate beside it."""
    traces = np.arange(n_cells * n_frames, dtype=np.float64).reshape(n_cells, n_frames) / 7
    return write_mat(path, {"dF_traces": traces, "fs": 7.5}, version=version, compress=compress)


def write_mat(
    path: Path, variables: Mapping[str, Any], *, version: str = "7.3", compress: bool = False
) -> Path:
    """Write variables (arrays, numbers, text, mappings as structs, lists as cells)."""
    if version == "5":
        scipy.io.savemat(path, {**variables}, do_compression=compress)
        return path
    with h5py.File(path, "w", userblock_size=USERBLOCK) as file:
        for name, value in variables.items():
            _write(file, name, value, compress)
    header = b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(header)
    return path


def _write(group: h5py.Group, name: str, value: Any, compress: bool) -> None:
    if isinstance(value, Mapping):
        struct = group.create_group(name)
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, inner in value.items():
            _write(struct, field, inner, compress)
    elif scipy.sparse.issparse(value):
        _write_sparse(group, name, value)
    elif isinstance(value, list):
        references = [group.file.create_dataset(None, data=item).ref for item in value]
        cells = np.array([references], dtype=h5py.ref_dtype).T
        _describe(group.create_dataset(name, data=cells, dtype=h5py.ref_dtype), "cell")
    elif isinstance(value, str) and not value:
        _write_array(group, name, np.empty((0, 0)), compress)
        _describe(group[name], "char")
    elif isinstance(value, str):
        codes = np.frombuffer(value.encode("utf-16-le"), "<u2").reshape(-1, 1)
        _describe(group.create_dataset(name, data=codes), "char")
    else:
        _write_array(group, name, np.atleast_2d(value), compress)


def _write_array(group: h5py.Group, name: str, array: np.ndarray, compress: bool) -> None:
    kind = CLASSES.get(array.dtype.name, array.dtype.name)
    if array.size == 0:
        item = group.create_dataset(name, data=np.array(array.shape, np.uint64))
        item.attrs["MATLAB_empty"] = np.uint8(1)
    elif array.dtype.kind == "c":
        parts = np.empty(array.T.shape, dtype=[("real", "f8"), ("imag", "f8")])
        parts["real"], parts["imag"] = array.T.real, array.T.imag
        item, kind = group.create_dataset(name, data=parts), "double"
    else:
        stored = array.T.astype(np.uint8) if array.dtype == bool else array.T
        options = {"compression": "gzip", "chunks": True} if compress else {}
        item = group.create_dataset(name, data=stored, **options)
    _describe(item, kind)


def _write_sparse(group: h5py.Group, name: str, matrix: Any) -> None:
    columns = matrix.tocsc()
    sparse = group.create_group(name)
    _describe(sparse, "double")
    sparse.attrs["MATLAB_sparse"] = np.uint64(columns.shape[0])
    sparse["data"] = columns.data
    sparse["ir"] = columns.indices.astype(np.uint64)
    sparse["jc"] = columns.indptr.astype(np.uint64)


def _describe(item: h5py.HLObject, kind: str) -> None:
    item.attrs["MATLAB_class"] = np.bytes_(kind)
