"""Deconvolve what is larger than memory: speed beside the same cells in memory, and peak memory.

A zarr store of many cells is made of a few simulated chunks, whose files are linked as often as it
takes, so that it costs no room; the output is a real store of full size. The reading side of lazy
arrays (dask, xarray) is compared on fewer cells.

    python benchmarks/streaming.py --folder /somewhere/with/room
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from _tables import markdown
from _timing import machine, threads
from calab import presets, run_deconvolution, simulate
from calab_io.errors import needs

FS, TAU_RISE, TAU_DECAY = 5.0, 0.1, 0.8
#: Cells of a chunk, and chunks that are simulated.
CHUNK_CELLS, DIFFERENT = 64, 64

STREAM = """
import json, sys, time
import zarr
from calab import run_deconvolution

source, target = zarr.open_array(sys.argv[1], mode="r"), sys.argv[2]
out = zarr.create_array(
    target, shape=source.shape, chunks=source.chunks, dtype="f4", compressors=None
)
begin = time.perf_counter()
run_deconvolution(source, *json.loads(sys.argv[3]), "auto", out=out, dtype="float32")
seconds = time.perf_counter() - begin
lines = open("/proc/self/status").read().splitlines()
peak = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(json.dumps([seconds, peak]))
"""


def make_store(path: Path, n_cells: int, n_frames: int) -> Any:
    """Make a store of whole chunks, linked to some that differ, and return its array."""
    zarr = needs("zarr", "zarr", "this benchmark")
    array = zarr.create_array(
        path, shape=(n_cells, n_frames), chunks=(CHUNK_CELLS, n_frames), dtype="f4"
    )
    for chunk in range(DIFFERENT):
        config = presets.gcamp6f(
            num_cells=CHUNK_CELLS, num_timepoints=n_frames, seed=chunk, fs_hz=FS
        )
        first = chunk * CHUNK_CELLS
        array[first : first + CHUNK_CELLS] = simulate(config).traces.astype(np.float32)
    for chunk in range(DIFFERENT, -(-n_cells // CHUNK_CELLS)):
        link = path / "c" / str(chunk) / "0"
        link.parent.mkdir()
        os.link(path / "c" / str(chunk % DIFFERENT) / "0", link)
    return array


def streamed(source: Path, target: Path) -> tuple[float, float]:
    """Return seconds and peak resident memory of a run in a process of its own."""
    taus = json.dumps([FS, TAU_RISE, TAU_DECAY])
    command = [sys.executable, "-c", STREAM, str(source), str(target), taus]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), float(peak)


def seconds_of(work: Callable[[], object]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def run(traces: Any, **options: Any) -> Any:
    """Deconvolve with the kernel of this benchmark."""
    return run_deconvolution(traces, FS, TAU_RISE, TAU_DECAY, "auto", dtype="float32", **options)


@contextmanager
def cluster() -> Iterator[None]:
    """Have a worker process per processor, to which dask sends its tasks meanwhile."""
    distributed = needs("dask.distributed", "dask", "this benchmark")
    one = {"n_workers": threads(), "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**one) as local, distributed.Client(local):
        yield


def on_cluster(array: Any, n_cells: int, repeats: int) -> float:
    """Time cells that processes of a cluster read from the store themselves."""
    dask = needs("dask.array", "dask", "this benchmark")
    with cluster():
        work = run(dask.from_array(array, chunks=array.chunks)[:n_cells])
        # Workers import what they need once.
        work[:CHUNK_CELLS].compute()
        return min(seconds_of(work.compute) for _ in range(repeats))


def compare(array: Any, n_cells: int, repeats: int) -> list[tuple[str, float]]:
    """Time the ways to the same result on some cells: the best of some repeats, in turn."""
    dask = needs("dask.array", "dask", "this benchmark")
    xarray = needs("xarray", "xarray", "this benchmark")
    memory = array[:n_cells]
    lazy = dask.from_array(memory, chunks=(CHUNK_CELLS, -1))
    single = dask.from_array(memory, chunks=(1, -1))
    labelled = xarray.DataArray(lazy, dims=("cell", "frame"))
    ways: dict[str, Callable[[], object]] = {
        "in memory": lambda: run(memory),
        "in memory, slab by slab": lambda: run(memory, out=np.empty(memory.shape, np.float32)),
        f"dask, {CHUNK_CELLS} cells a chunk": lambda: run(lazy).compute(scheduler="threads"),
        "dask, a cell a chunk (coalesced)": lambda: run(single).compute(scheduler="threads"),
        "xarray over dask": lambda: run(labelled).compute(scheduler="threads"),
    }
    best = dict.fromkeys(ways, np.inf)
    for _ in range(repeats):
        for name, work in ways.items():
            best[name] = min(best[name], seconds_of(work))
    return [
        *best.items(),
        ("dask, a process per core, from zarr", on_cluster(array, n_cells, repeats)),
    ]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=200_000)
    parser.add_argument("--frames", type=int, default=18_000)
    parser.add_argument("--compared", type=int, default=2_000, help="cells in memory")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, help="where the stores go; needs room for the output"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        n_bytes = 4 * options.cells * options.frames
        free = shutil.disk_usage(folder).free
        if free < 1.1 * n_bytes:
            sys.exit(f"{folder}: expected {1.1 * n_bytes / 1e9:.1f} GB free, got {free / 1e9:.1f}")
        array = make_store(folder / "in.zarr", options.cells, options.frames)
        ways = compare(array, min(options.compared, options.cells), options.repeats)
        memory = ways[0][1] / min(options.compared, options.cells)
        seconds, peak = streamed(folder / "in.zarr", folder / "out.zarr")
        written = sum(file.stat().st_size for file in (folder / "out.zarr").rglob("*"))
    per_cell = seconds / options.cells
    lines = [["way", "ms per cell", "speed beside memory"]]
    lines += [
        [name, f"{1e3 * time / options.compared:.3f}", f"{ways[0][1] / time:.0%}"]
        for name, time in ways
    ]
    lines.append(["zarr to zarr", f"{1e3 * per_cell:.3f}", f"{memory / per_cell:.0%}"])
    print(markdown(lines))
    print(
        f"\n{options.cells} cells x {options.frames} frames: {seconds:.0f} s, peak resident "
        f"{peak / 1e9:.2f} GB, {written / 1e9:.1f} GB written; {machine()}"
    )


if __name__ == "__main__":
    main()
