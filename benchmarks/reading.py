"""Time from file to traces, for each format beside reading the same bytes with its library alone.

The files are those of the tests of `calab-io`, only larger, and in the system's cache for both
sides. Ours is all of it: finding out the format, choosing trace and cells, checks, arithmetic
(C + YrA, F less neuropil), and traces in memory as cells x frames.

    python benchmarks/reading.py
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import calab
import numpy as np
from _tables import markdown
from _timing import Times, machine, timed
from calab_io.errors import needs
from calab_io.files import hdf5_heap

sys.path.append(str(Path(__file__).parents[1] / "packages" / "calab-io" / "tests"))
FS = 20.0
#: Text is read a hundred times slower than numbers: such tables have fewer cells.
FEWER = 10


class Case(NamedTuple):
    """A file, and what reads its bytes alone."""

    path: Path
    by: str
    alone: Callable[[], object]


def hdf5(path: Path, *keys: str) -> Case:
    """Read data sets with h5py."""
    h5py = needs("h5py", "hdf5", "this benchmark")

    def alone() -> list[Any]:
        with h5py.File(path) as file:
            return [file[key][()] for key in keys]

    return Case(path, "h5py", alone)


def zarr(path: Path, array: Path) -> Case:
    """Read an array with zarr."""
    library = needs("zarr", "zarr", "this benchmark")
    return Case(path, "zarr", lambda: library.open_array(array, mode="r")[...])


def npy(path: Path, *files: Path) -> Case:
    """Read arrays with NumPy."""
    return Case(path, "numpy.load", lambda: [np.load(file) for file in files])


def text(path: Path, skipped: int) -> Case:
    """Read a table of text with NumPy."""
    return Case(path, "numpy.loadtxt", lambda: np.loadtxt(path, delimiter=",", skiprows=skipped))


def arrays(folder: Path, traces: Any) -> dict[str, Case]:
    """Write traces in formats that are of no tool."""
    h5py, store = needs("h5py", "hdf5", "this benchmark"), needs("zarr", "zarr", "this benchmark")
    arrow = needs("pyarrow", "parquet", "this benchmark")
    parquet = needs("pyarrow.parquet", "parquet", "this benchmark")
    file = {name: folder / f"a.{name}" for name in ("npy", "npz", "h5", "zarr", "csv", "parquet")}
    np.save(file["npy"], traces)
    np.savez(file["npz"], traces=traces)
    with h5py.File(file["h5"], "w") as opened:
        opened["traces"] = traces
    store.create_array(file["zarr"], data=traces, chunks=(64, traces.shape[1]))
    np.savetxt(file["csv"], traces[::FEWER], "%.7g", ",")
    parquet.write_table(
        arrow.table({f"{at}": row for at, row in enumerate(traces)}), file["parquet"]
    )
    return {
        "npy": npy(file["npy"], file["npy"]),
        "npz": Case(file["npz"], "numpy.load", lambda: np.load(file["npz"])["traces"]),
        "hdf5": hdf5(file["h5"], "traces"),
        "zarr": zarr(file["zarr"], file["zarr"]),
        "csv": text(file["csv"], 0),
        "parquet": Case(file["parquet"], "pyarrow", lambda: parquet.read_table(file["parquet"])),
    }


def tools(folder: Path, n_cells: int, n_frames: int) -> dict[str, Case]:
    """Write files and folders as the tools leave them."""
    caiman, cnmfe, extract, inscopix, matlab, minian, nwb, suite2p = (
        import_module(f"layouts.{name}")
        for name in ("caiman", "cnmfe", "extract", "inscopix", "matlab", "minian", "nwb", "suite2p")
    )
    size: dict[str, Any] = {"n_cells": n_cells, "n_frames": n_frames}
    plane = suite2p.write_plane(folder / "s" / "plane0", n_rois=n_cells, n_frames=n_frames)
    stores = {}
    for version in (2, 3):
        place = folder / f"minian{version}"
        made = minian.variables(tuple(range(n_cells)), n_frames)
        for name in ("C", "YrA"):
            minian.save_minian(made[name], place, zarr_format=version)
        stores[version] = place
    found = caiman.write_caiman(folder / "c.hdf5", **size)
    neuron = cnmfe.write_cnmfe(folder / "n.mat", **size)
    output = extract.write_extract(folder / "e.mat", **size)
    session = nwb.write_nwb(folder / "a.nwb", "CaImAn", **size)
    scipy = needs("scipy.io", "scipy", "this benchmark")
    table = inscopix.write_inscopix(
        folder / "i.csv", n_cells=max(1, n_cells // FEWER), n_frames=n_frames
    )
    old = matlab.write_matlab(folder / "m5.mat", version="5", **size)
    new = matlab.write_matlab(folder / "m73.mat", **size)
    return {
        "suite2p": npy(plane.parent, plane / "F.npy", plane / "Fneu.npy"),
        "minian, zarr 2": zarr(stores[2], stores[2] / "YrA.zarr" / "YrA"),
        "minian, zarr 3": zarr(stores[3], stores[3] / "YrA.zarr" / "YrA"),
        "caiman": hdf5(found, "estimates/C", "estimates/YrA"),
        "nwb (CaImAn's)": hdf5(session, *nwb_series(session)),
        "cnmfe, MATLAB 7.3": hdf5(neuron, "neuron/C_raw"),
        "extract, MATLAB 7.3": hdf5(output, "output/temporal_weights"),
        "inscopix": text(table, 2),
        "matlab 5": Case(old, "scipy.io", lambda: scipy.loadmat(old)["dF_traces"]),
        "matlab 7.3": hdf5(new, "dF_traces"),
    }


def nwb_series(path: Path) -> list[str]:
    """Name the data sets that make the raw trace in an NWB file of CaImAn's."""
    known: list[str] = []
    with needs("h5py", "hdf5", "this benchmark").File(path) as file:
        file.visititems(
            lambda name, item: known.append(name) if getattr(item, "ndim", 0) == 2 else None
        )
    return [name for name in known if name.endswith("data") and "Image" not in name]


def compare(case: Case, repeats: int) -> tuple[Times, Times]:
    """Time both in turn, after one of each."""

    def ours() -> object:
        # It is remembered which files are sound, but here each time is the first.
        hdf5_heap.forget()
        return np.asarray(calab.read(case.path, cells="all", fs=FS).traces)

    both = Times(), Times()
    for repeat in range(repeats + 1):
        found = timed(ours), timed(case.alone)
        if repeat:
            both = both[0] + found[0], both[1] + found[1]
    return both


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=1_000)
    parser.add_argument("--frames", type=int, default=27_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    # What the fixtures lack is said of each, and is not what is measured.
    warnings.simplefilter("ignore", UserWarning)
    lines = [["format", "ours, ms", "alone, ms", "by", "ratio", "ratio of CPU times"]]
    traces = np.random.default_rng(0).gamma(2.0, size=(options.cells, options.frames))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cases = arrays(folder, traces.astype(np.float32))
        cases |= tools(folder, options.cells, options.frames)
        for name, case in cases.items():
            ours, alone = compare(case, options.repeats)
            ratio, cpu = ours.least / alone.least, ours.least_cpu / alone.least_cpu
            times = [f"{1e3 * one.least:.1f}" for one in (ours, alone)]
            lines.append([name, *times, case.by, f"{ratio:.2f}", f"{cpu:.2f}"])
    print(markdown(lines))
    print(f"\n{options.cells} cells x {options.frames} frames, {machine()}")


if __name__ == "__main__":
    main()
