"""The layouts that suite2p, CaImAn and neuroconv give NWB files, written with pynwb."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.base import ProcessingModule
from pynwb.ophys import (
    DfOverF,
    Fluorescence,
    ImageSegmentation,
    OpticalChannel,
    PlaneSegmentation,
)

__all__ = ["write_nwb"]

FS = 20.0
#: Which of six cells are accepted.
ACCEPTED = (0, 1, 1, 0, 1, 0)


def write_nwb(
    path: Path, writer: str = "suite2p", *, n_cells: int = 6, n_frames: int = 40, planes: int = 1
) -> Path:
    """Write a recording as "suite2p", "CaImAn" or "neuroconv" would.

    Cells are named from 10 on; of each six 1, 2 and 4 are accepted. CaImAn's has time stamps, the
    others a rate and a start; there are two background components after the cells of CaImAn.
    """
    path.write_bytes(_content(writer, n_cells, n_frames, planes))
    return path


@cache
def _content(writer: str, n_cells: int, n_frames: int, planes: int) -> bytes:
    """Write a file once for all tests: pynwb takes its time."""
    file = NWBFile(
        session_description="suite2p_proc" if writer == "suite2p" else "a session",
        identifier=f"{writer} 1",
        session_start_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    module = file.create_processing_module("ophys", "optical physiology")
    table = _table(file)
    module.add(ImageSegmentation(plane_segmentations=[table]))
    write = {"suite2p": _suite2p, "CaImAn": _caiman, "neuroconv": _neuroconv}[writer]
    write(module, table, n_cells, n_frames, planes)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.nwb"
        with NWBHDF5IO(str(path), "w") as io:
            # The schema itself, which pynwb would put into every file, is 30 times as large.
            io.write(file, cache_spec=False)
        return path.read_bytes()


def _table(file: NWBFile) -> PlaneSegmentation:
    plane = file.create_imaging_plane(
        name="ImagingPlane",
        optical_channel=OpticalChannel(name="channel", description="green", emission_lambda=520.0),
        description="layer 2",
        device=file.create_device("microscope"),
        excitation_lambda=920.0,
        indicator="GCaMP8m",
        location="V1",
        imaging_rate=FS,
    )
    return PlaneSegmentation(description="cells", imaging_plane=plane, name="PlaneSegmentation")


def _container(module: ProcessingModule, name: str) -> Fluorescence:
    container = Fluorescence(name=name)
    # Before it has series: pynwb warns of those whose table has no file yet.
    module.add(container)
    return container


def _add_cells(table: PlaneSegmentation, count: int, **columns: Any) -> None:
    for row in range(count):
        table.add_roi(id=10 + row, pixel_mask=[(row, row, 1.0)])
    for name, values in columns.items():
        table.add_column(name, f"{name} of the cell", data=values)


def _samples(seed: int, n_frames: int, n_cells: int, dtype: type = np.float32) -> Any:
    return np.random.default_rng(seed).gamma(2.0, size=(n_frames, n_cells)).astype(dtype)


def _suite2p(
    module: ProcessingModule, table: PlaneSegmentation, n_cells: int, n_frames: int, planes: int
) -> None:
    flags = np.resize(ACCEPTED, n_cells * planes)
    _add_cells(
        table, flags.size, iscell=np.stack([flags, np.linspace(0.9, 0.1, flags.size)], axis=1)
    )
    regions = [
        table.create_roi_table_region(
            f"cells of plane {plane}", region=list(range(plane * n_cells, (plane + 1) * n_cells))
        )
        for plane in range(planes)
    ]
    for seed, name in enumerate(("Fluorescence", "Neuropil", "Deconvolved")):
        container = _container(module, name)
        for plane in range(planes):
            container.create_roi_response_series(
                name=f"plane{plane}",
                data=_samples(10 * plane + seed, n_frames, n_cells),
                rois=regions[plane],
                unit="lumens",
                rate=FS,
                starting_time=1.5,
            )


def _caiman(
    module: ProcessingModule, table: PlaneSegmentation, n_cells: int, n_frames: int, planes: int
) -> None:
    n_rows = n_cells + 2
    flags = [*np.resize(ACCEPTED, n_cells).tolist(), 0, 0]
    quality = np.linspace(1, 9, n_rows)
    _add_cells(table, n_rows, r=quality / 10, snr=quality, accepted=flags, rejected=[0] * n_rows)
    times = 0.5 + np.arange(n_frames) / FS
    cells = table.create_roi_table_region("cells", region=list(range(n_cells)))
    rest = table.create_roi_table_region("background", region=[n_cells, n_cells + 1])
    container = _container(module, "Fluorescence")
    fit = container.create_roi_response_series(
        name="RoiResponseSeries",
        data=_samples(0, n_frames, n_cells, np.float64),
        rois=cells,
        unit="lumens",
        timestamps=times,
    )
    container.create_roi_response_series(
        name="Background_Fluorescence_Response",
        data=_samples(1, n_frames, 2, np.float64),
        rois=rest,
        unit="lumens",
        timestamps=fit,
    )
    residuals = _samples(2, n_frames, n_cells, np.float64) - 2
    module.add(TimeSeries(name="residuals", data=residuals, unit="NA", timestamps=times))


def _neuroconv(
    module: ProcessingModule, table: PlaneSegmentation, n_cells: int, n_frames: int, planes: int
) -> None:
    flags = np.resize(ACCEPTED, n_cells)
    _add_cells(table, n_cells, Accepted=flags, Rejected=1 - flags)
    cells = table.create_roi_table_region("cells", region=list(range(n_cells)))
    traces, change = _container(module, "Fluorescence"), DfOverF(name="DfOverF")
    module.add(change)
    names = ("RoiResponseSeries", "Neuropil", "Denoised", "Deconvolved", "DfOverF")
    for seed, name in enumerate(names):
        scaled = name == "RoiResponseSeries"
        (change if name == "DfOverF" else traces).create_roi_response_series(
            name=name,
            data=_samples(seed, n_frames, n_cells),
            rois=cells,
            unit="n.a.",
            rate=FS,
            conversion=0.5 if scaled else 1.0,
            offset=3.0 if scaled else 0.0,
        )
