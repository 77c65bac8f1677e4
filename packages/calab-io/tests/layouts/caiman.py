"""The layout of CaImAn's `cnm.save("x.hdf5")`: our own writer, not CaImAn."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

__all__ = ["write_caiman"]

NONE = b"NoneType"


def write_caiman(path: Path, *, n_cells: int = 6, n_frames: int = 200, old: bool = False) -> Path:
    """Write components, of which 1, 2 and 4 are accepted.

    Before version 1.9.9 strings were data sets; `old` writes them so. The frame rate is a whole
    number, the sparse footprints have one pixel per component.
    """
    rng = np.random.default_rng(0)
    fit = rng.gamma(2.0, size=(n_cells, n_frames))
    with h5py.File(path, "w") as file:
        estimates = file.create_group("estimates")
        estimates["C"] = fit
        estimates["YrA"] = rng.normal(size=fit.shape)
        estimates["R"] = estimates["YrA"][:]
        estimates["S"] = np.maximum(fit - 3, 0)
        estimates["g"] = np.full((n_cells, 1), 0.95)
        estimates["neurons_sn"] = np.linspace(1, 2, n_cells)
        estimates["SNR_comp"] = np.linspace(2, 8, n_cells)
        estimates["r_values"] = np.linspace(0.5, 0.9, n_cells)
        estimates["idx_components"] = np.array([1, 2, 4])
        estimates["idx_components_bad"] = np.array([0, 3, 5])
        for name in ("F_dff", "cnn_preds", "f", "dims", "dview"):
            estimates[name] = NONE
        footprints = estimates.create_group("A")
        footprints["data"] = np.ones(n_cells)
        footprints["indices"] = np.arange(n_cells)
        footprints["indptr"] = np.arange(n_cells + 1)
        footprints["shape"] = np.array([64, n_cells])
        data = file.create_group("params/data")
        data["fr"] = 20
        data["decay_time"] = 0.4
        data["fnames"] = np.array([b"movie.tif"])
        file["dims"] = np.array([8, 8])
        if old:
            data["caiman_version"] = b"1.8.5"
        else:
            data.attrs["caiman_version"] = "1.12.1"
    return path
