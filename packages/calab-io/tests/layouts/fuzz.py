"""Read damaged files, in a process that may die of them, and say what came of each.

A case is a number: which sample is damaged and how follows from it. The only right outcomes are a
`Recording` whose parts fit each other, or a `CalabFormatError` of one line that names the file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from calab_io import CalabFormatError, Recording, read

from .arrays import write_hdf5, write_zarr
from .caiman import write_caiman
from .cnmfe import write_cnmfe
from .damage import damage
from .extract import write_extract
from .inscopix import write_inscopix
from .matlab import write_matlab
from .minian import write_minian
from .nwb import write_nwb
from .suite2p import write_suite2p
from .tables import write_csv, write_npz, write_parquet

__all__ = ["SAMPLES", "run"]

#: Seconds after which a case counts as hanging, and bytes that it may ask for.
LIMIT_S, LIMIT_BYTES = 20, 4 << 30
#: Longest message.
LONGEST = 1500


def _npy(path: Path) -> Path:
    np.save(path, np.arange(48, dtype=np.float32).reshape(3, 16))
    path.with_name("traces_metadata.json").write_text('{"sampling_rate_hz": 20, "num_cells": 3}')
    return path


#: A valid file or folder of each kind, by its name.
SAMPLES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "caiman": ("results.hdf5", lambda path: write_caiman(path, n_frames=40)),
    "minian v2": ("minian", lambda path: write_minian(path, n_frames=40)),
    "minian v3": ("minian", lambda path: write_minian(path, zarr_format=3, n_frames=40)),
    "suite2p": ("suite2p", lambda path: write_suite2p(path)),
    "suite2p old": ("suite2p", lambda path: write_suite2p(path, planes=2, old=True)),
    "suite2p combined": ("suite2p", lambda path: write_suite2p(path, planes=2, combined=True)),
    "nwb suite2p": ("a.nwb", lambda path: write_nwb(path)),
    "nwb CaImAn": ("a.nwb", lambda path: write_nwb(path, "CaImAn")),
    "nwb neuroconv": ("a.nwb", lambda path: write_nwb(path, "neuroconv")),
    "matlab 5": ("a.mat", lambda path: write_matlab(path, version="5")),
    "matlab 5 compressed": ("a.mat", lambda path: write_matlab(path, version="5", compress=True)),
    "matlab 7.3": ("a.mat", lambda path: write_matlab(path)),
    "cnmfe": ("a.mat", lambda path: write_cnmfe(path)),
    "cnmfe 5": ("a.mat", lambda path: write_cnmfe(path, version="5")),
    "extract": ("a.mat", lambda path: write_extract(path)),
    "inscopix": ("a_traces.csv", lambda path: write_inscopix(path)),
    "npy": ("traces.npy", _npy),
    "npz": ("traces.npz", lambda path: write_npz(path)),
    "npz compressed": ("traces.npz", lambda path: write_npz(path, compressed=True)),
    "csv": ("traces.csv", lambda path: write_csv(path)),
    "parquet": ("traces.parquet", lambda path: write_parquet(path)),
    "hdf5": ("traces.h5", lambda path: write_hdf5(path)),
    "hdf5 netcdf": ("traces.nc", lambda path: write_hdf5(path, scales=True)),
    "zarr v2": ("traces.zarr", lambda path: write_zarr(path, 2)),
    "zarr v3": ("traces.zarr", lambda path: write_zarr(path, 3)),
}


def run(cases: Iterable[int], folder: Path) -> dict[int, str]:
    """Do cases and return the wrong ones with what was done and what came.

    Parameters
    ----------
    cases : iterable of int
        Their numbers.
    folder : Path
        Where samples and damaged copies are written.
    """
    waiting, wrong = list(cases), {}
    samples = {}
    for name, (file, write) in SAMPLES.items():
        place = folder / "samples" / name.replace(" ", "_")
        place.mkdir(parents=True)
        write(place / file)
        samples[name] = place
    context = multiprocessing.get_context("spawn")
    while waiting:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, waiting, samples, folder), daemon=True)
        worker.start()
        theirs.close()
        current = None
        while (said := _next(ours)) is not None:
            current, outcome = said
            if outcome is not None:
                waiting.remove(current)
                current = None
                if outcome:
                    wrong[said[0]] = outcome
        worker.kill()
        worker.join()
        if current is None and waiting:
            raise RuntimeError(f"the process of the cases ended with {worker.exitcode}")
        if current is not None:
            waiting.remove(current)
            wrong[current] = f"{_told(current, folder)}: hung or died ({worker.exitcode})"
    return wrong


def _next(pipe: Connection) -> tuple[int, str | None] | None:
    """Return what a worker says, None if it hangs or is no more."""
    try:
        return pipe.recv() if pipe.poll(2 * LIMIT_S) else None
    except EOFError:
        return None


def _work(pipe: Connection, cases: list[int], samples: dict[str, Path], folder: Path) -> None:
    """Do one case after the other; say each before and after."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    # Libraries warn of what they find; only what is ours to say may reach the user.
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", UserWarning)
    for case in cases:
        pipe.send((case, None))
        pipe.send((case, _isolated(case, samples, folder)))


def _isolated(case: int, samples: dict[str, Path], folder: Path) -> str:
    """Do a case in processes of its own, for a damaged file may leave HDF5 unfit for what follows.

    One damages, which is done by HDF5 too, and another one reads.
    """
    told, outcome = folder / "told.txt", folder / "outcome.txt"
    outcome.unlink(missing_ok=True)
    told.write_text(f"case {case}, whose damage ended early")
    _apart(lambda: told.write_text(_damaged(case, samples, folder)))
    status = _apart(lambda: outcome.write_text(_read(case, folder)))
    if os.WIFSIGNALED(status):
        return f"{_told(case, folder)}: ended by signal {os.WTERMSIG(status)}"
    return outcome.read_text() if outcome.exists() else f"{_told(case, folder)}: said nothing"


def _apart(act: Callable[[], object]) -> int:
    """Do something in a process of its own where there is a quick way, and return how it ended."""
    if not hasattr(os, "fork"):
        act()
        return 0
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT_S)
        act()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _place(case: int, folder: Path) -> tuple[str, Path]:
    """Return which sample a case damages, and where its copy is."""
    name = list(SAMPLES)[case % len(SAMPLES)]
    return name, folder / "case" / SAMPLES[name][0]


def _damaged(case: int, samples: dict[str, Path], folder: Path) -> str:
    """Damage a copy of a sample and return what was done."""
    name, path = _place(case, folder)
    shutil.rmtree(path.parent, ignore_errors=True)
    shutil.copytree(samples[name], path.parent)
    return f"{name}, {damage(path, np.random.default_rng([7, case]))}"


def _read(case: int, folder: Path) -> str:
    """Read what was damaged; return what is wrong with the outcome."""
    _, path = _place(case, folder)
    try:
        recording = read(path, fs=None if np.random.default_rng([8, case]).random() < 0.5 else 20.0)
        problem = _misfit(recording)
    except CalabFormatError as error:
        problem = _unclear(error, path)
    except FileNotFoundError as error:
        problem = "" if not path.exists() else f"FileNotFoundError: {error}"
    except Exception as error:  # the very thing that must not come
        problem = f"{type(error).__name__}: {error}"
    return problem and f"{_told(case, folder)}: {problem}"


def _misfit(recording: Recording) -> str:
    """Say which parts of a recording do not fit each other."""
    traces = np.asarray(recording.traces)
    shape = (recording.n_cells, recording.n_frames)
    checks = {
        "shape": traces.shape == shape and min(shape) > 0,
        "dtype": traces.dtype in (np.float32, np.float64),
        "fs": np.isfinite(recording.fs) and recording.fs > 0,
        "ids": np.unique(recording.cell_ids).size == recording.cell_ids.size == shape[0],
        "times": recording.timestamps is None or recording.timestamps.shape == shape[1:],
        "cells": all(len(values) == shape[0] for values in recording.cells.values()),
    }
    return ", ".join(name for name, fits in checks.items() if not fits)


def _unclear(error: CalabFormatError, path: Path) -> str:
    """Say what is wrong with a message."""
    text = str(error)
    checks = {
        "of several lines": "\n" not in text,
        "too long": len(text) < LONGEST,
        "without the file": str(path.parent) in text,
        "without a word": len(text) > len(str(error.path)) + 5,
    }
    wrong = [name for name, fits in checks.items() if not fits]
    return f"{', '.join(wrong)}: {text[:300]!r}" if wrong else ""


def _told(case: int, folder: Path) -> str:
    told = folder / "told.txt"
    return told.read_text() if told.exists() else f"case {case}"


def main(arguments: Any = None) -> int:
    """Do many cases from the command line, and list what is wrong."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        wrong = run(range(chosen.first, chosen.first + chosen.cases), Path(folder))
    for case, outcome in sorted(wrong.items()):
        print(f"case {case}: {outcome}")
    kinds = Counter(outcome.partition(",")[0] for outcome in wrong.values())
    print(f"{chosen.cases} cases, {len(wrong)} wrong {dict(kinds) or ''}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
