"""An automated deconvolution as files, and what is worth knowing of it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calab_core import CaDeconResult, Quality
    from calab_io.clock import Clock

__all__ = [
    "ARRAYS",
    "RESULT_FILES",
    "finite",
    "result_arrays",
    "save_results",
    "spike_arrays",
    "summarize",
]

#: Files of one result: the first ones hold the arrays of these names.
ARRAYS = ("activity", "rate")
RESULT_FILES = ("activity.npy", "rate.npy", "spikes.npz", "results.json")


def save_results(
    result: CaDeconResult,
    judged: Quality,
    source: str,
    files: Sequence[Path],
    clock: Clock | None = None,
) -> None:
    """Write spike times, and a document with all the rest but arrays.

    Parameters
    ----------
    result : CaDeconResult
        With its details.
    judged : Quality
        Of it.
    source : str
        Name of the recording.
    files : sequence of Path
        One per entry of `RESULT_FILES`; those of `ARRAYS` are not written.
    clock : calab_io.clock.Clock, optional
        When the frames were taken, which spike times are then of; by default from 0 on.
    """
    import numpy as np

    spikes, document = files[len(ARRAYS) :]
    np.savez(spikes, **spike_arrays(result, clock))
    content = {"source": source, **result.metadata, "cells": _cells(result, judged)}
    text = json.dumps(finite(content), indent=1, allow_nan=False)
    document.write_text(text + "\n", encoding="utf-8")


def result_arrays(result: CaDeconResult) -> dict[str, Any]:
    """Name the documented arrays and those of the details, for an `.npz` file."""
    import numpy as np

    found = {**vars(result.details), **result._asdict()}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, np.ndarray) and value.dtype != object
    }


def spike_arrays(result: CaDeconResult, clock: Clock | None = None) -> dict[str, Any]:
    """Name the spike times of every cell in seconds by `cell_` and its id, for an `.npz` file.

    They are on the clock of the recording where it is given. Its time stamps are then kept too.
    """
    ids, times = result.details.cell_ids.tolist(), list(result.details.spike_times)
    own = times if clock is None else [clock.since(seconds) for seconds in times]
    arrays = {f"cell_{i}": t for i, t in zip(ids, own, strict=True)}
    if clock is not None and clock.stamps is not None:
        arrays["timestamps"] = clock.stamps
    return arrays


def summarize(result: CaDeconResult, judged: Quality) -> dict[str, Any]:
    """Gather what is worth knowing of a run.

    Parameters
    ----------
    result : CaDeconResult
        With its details.
    judged : Quality
        Of it.

    Returns
    -------
    dict of str to object
        Ready for JSON.
    """
    import numpy as np

    details, metadata = result.details, result.metadata
    n_cells, n_frames = result.activity.shape
    known = details.scale_known
    return {
        "cells": n_cells,
        "frames": n_frames,
        "fs_hz": result.fs,
        "missing_share": float(details.masked_fraction.mean()) if n_cells else 0.0,
        "tau_rise_s": metadata["tau_rise"],
        "tau_decay_s": metadata["tau_decay"],
        "kernel_mode": metadata["kernel_mode"],
        "iterations": metadata["num_iterations"],
        "kernel_method": metadata["kernel_method"],
        "kernel_doubt": metadata["kernel_doubt"],
        "converged": metadata["converged"],
        "scale_known": int(np.count_nonzero(known)),
        "spikes": float(judged.n_events[known].sum()),
        "spikes_per_s": _median(judged.event_rate[known]),
        "alpha_median": _median(result.alphas[known]),
        "noise_median": _median(details.noise),
        "noise_dff_median": _median(judged.noise_dff),
        "snr_median": _median(judged.snr),
        "pve_median": _median(result.pves),
        "excluded": {
            str(details.cell_ids[cell]): reason for cell, reason in details.excluded.items()
        },
        "flags": dict(Counter(flag for flags in judged.flags for flag in flags).most_common()),
    }


def _cells(result: CaDeconResult, judged: Quality) -> list[dict[str, Any]]:
    details = result.details
    rows = judged.table()
    for cell, row in enumerate(rows):
        row |= {
            "excluded": details.excluded.get(cell),
            "scale_known": bool(details.scale_known[cell]),
            "converged": bool(details.converged[cell]),
            "units": str(details.units[cell]),
            "baseline": float(result.baselines[cell]),
            "tau_rise": float(details.tau_rise[cell]),
            "tau_decay": float(details.tau_decay[cell]),
        }
    return rows


def _median(values: Any) -> float:
    import numpy as np

    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def finite(value: Any) -> Any:
    """Replace what JSON cannot express.

    Parameters
    ----------
    value : object
        Numbers, strings, paths, lists and mappings.

    Returns
    -------
    object
        The same with None for NaN and infinities, and text for paths.
    """
    if isinstance(value, Mapping):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
