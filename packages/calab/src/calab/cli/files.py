"""`calab convert` and `calab info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ._errors import user_input
from ._input import Input, Reading, read_recording
from ._options import (
    Cells,
    File,
    Force,
    Format,
    Fs,
    Json,
    Key,
    Plane,
    SkipRows,
    Trace,
    Transpose,
)
from ._output import claim_outputs, print_json, print_pairs, writing

__all__ = ["convert", "info"]

#: Ids that are shown of either end.
SHOWN_IDS = 3
#: Samples of which the median is taken, about.
MOST_SAMPLES = 1 << 24


def convert(
    file: File,
    format: Format = None,
    fs: Fs = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="STEM", help="Default: the stem of FILE, here."),
    ] = None,
    trace: Trace = "auto",
    cells: Cells = "accepted",
    key: Key = None,
    plane: Plane = None,
    transpose: Transpose = False,
    skip_rows: SkipRows = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Convert traces to the pair of files that CaTune opens.

    Writes STEM.npy and STEM_metadata.json.
    """
    stem = output or Path(file.stem)
    # STEM.npy is what is written, and may be what is meant.
    stem = stem.with_suffix("") if stem.suffix == ".npy" else stem
    pair = [Path(f"{stem}.npy"), Path(f"{stem}_metadata.json")]
    claim_outputs(pair, force=force, source=file)
    reading = Reading(format or "auto", trace, cells, fs, key, plane, transpose, skip_rows)
    recording = read_recording(file, reading)
    rate = recording.rate()
    n_cells, n_frames = recording.traces.shape
    summary = {"cells": n_cells, "frames": n_frames, "fs_hz": rate, "output": list(map(str, pair))}
    ids = {"cell_ids": recording.cell_ids.tolist()}
    # A pair that is copied says what it said.
    told = () if recording.metadata["format"] != "npy" else ("format", "trace", "why")
    known = {name: value for name, value in recording.metadata.items() if name not in told}
    metadata = {**ids, **known, "source": file.name}
    with writing(pair):
        with user_input({"fs": "--fs"}):
            from calab_io import save_for_tuning

            save_for_tuning(recording.traces, rate, stem, metadata)
        if json:
            print_json(summary)
        else:
            print_pairs({**summary, "output": "\n".join(map(str, pair))})


def info(
    file: File,
    format: Format = None,
    fs: Fs = None,
    trace: Trace = "auto",
    cells: Cells = "accepted",
    key: Key = None,
    plane: Plane = None,
    transpose: Transpose = False,
    skip_rows: SkipRows = 0,
    json: Json = False,
) -> None:
    """Describe FILE: a recording, or an export of CaTune (.json)."""
    if not file.exists():
        with user_input():
            from calab_io.errors import not_there

            raise not_there(file, "file")
    if file.suffix.lower() == ".json":
        with user_input():
            from calab_io import load_export_params

            description: dict[str, Any] = load_export_params(file)
    else:
        reading = Reading(format or "auto", trace, cells, fs, key, plane, transpose, skip_rows)
        description = _describe(read_recording(file, reading))
    if json:
        print_json({"file": str(file), **description})
    else:
        print_pairs({name: _shown(value) for name, value in description.items()}, title=str(file))


def _describe(recording: Input) -> dict[str, Any]:
    import numpy as np
    from calab_core.slabs import slab_size, slabs

    traces, fs = recording.traces, recording.fs
    n_cells, n_frames = traces.shape
    # All samples of what is not large, else of some frames.
    step = max(1, n_cells * n_frames // MOST_SAMPLES)
    missing = infinite = constant = 0
    sampled, lowest, highest = [], np.inf, -np.inf
    with user_input():
        for _, slab in slabs(traces, slab_size(traces)):
            known = slab[np.isfinite(slab)]
            missing += int(np.count_nonzero(np.isnan(slab)))
            infinite += int(np.count_nonzero(np.isinf(slab)))
            # A constant row has no events; an all-missing one neither.
            varying = np.fmax.reduce(slab, axis=1) > np.fmin.reduce(slab, axis=1)
            constant += len(slab) - int(np.count_nonzero(varying))
            lowest = min(lowest, float(known.min(initial=np.inf)))
            highest = max(highest, float(known.max(initial=-np.inf)))
            some = slab[:, ::step]
            sampled.append(some[np.isfinite(some)])
    values, times = np.concatenate(sampled), recording.timestamps
    told = {name: recording.metadata.get(name) for name in ("format", "trace", "why")}
    return {
        **{name: value for name, value in told.items() if value is not None},
        "cells": n_cells,
        "frames": n_frames,
        "dtype": str(traces.dtype),
        "fs_hz": fs,
        "duration_s": n_frames / fs if fs else None,
        "cell_ids": _some(recording.cell_ids.tolist()),
        "timestamps_s": None if times is None else [float(times[0]), float(times[-1])],
        "missing_samples": missing,
        "infinite_samples": infinite,
        "constant_cells": constant,
        "min": lowest if np.isfinite(lowest) else None,
        "median": float(np.median(values)) if values.size else None,
        "max": highest if np.isfinite(highest) else None,
    }


def _some(ids: list[Any]) -> list[Any]:
    """List ids, of many the first and the last ones."""
    return ids if len(ids) <= 2 * SHOWN_IDS else [*ids[:SHOWN_IDS], "...", *ids[-SHOWN_IDS:]]


def _shown(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
