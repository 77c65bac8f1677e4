"""What is said of an automated deconvolution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._errors import complain

if TYPE_CHECKING:
    from calab_core import CaDeconResult, Quality

__all__ = ["result_arrays", "shown", "spike_arrays", "summarize", "warn"]


def result_arrays(result: CaDeconResult) -> dict[str, Any]:
    """Name the documented arrays and those of the details, for an `.npz` file."""
    import numpy as np

    found = {**vars(result.details), **result._asdict()}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, np.ndarray) and value.dtype != object
    }


def spike_arrays(result: CaDeconResult) -> dict[str, Any]:
    """Name the spike times of every cell in seconds by `cell_` and its id, for an `.npz` file."""
    ids = result.details.cell_ids.tolist()
    return {f"cell_{i}": t for i, t in zip(ids, result.details.spike_times, strict=True)}


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
        "spikes": float(result.activity[known].sum(dtype=np.float64)),
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


def shown(summary: Mapping[str, Any]) -> dict[str, str]:
    """Put a summary into words.

    Parameters
    ----------
    summary : mapping
        As `summarize` makes it, with `seconds`.

    Returns
    -------
    dict of str to str
        For a table.
    """
    s = summary
    whose = "median of the cells" if s["kernel_mode"] == "per_cell" else "shared"
    noise = f", noise {s['noise_dff_median']:.3g} %/sqrt(Hz)" if _is(s["noise_dff_median"]) else ""
    return {
        "recording": f"{s['cells']} cells x {s['frames']} frames at {s['fs_hz']:g} Hz, "
        f"{s['missing_share']:.1%} missing",
        "kernel": f"tau_rise {s['tau_rise_s']:.3g} s, tau_decay {s['tau_decay_s']:.3g} s, {whose}; "
        + _searched(s),
        "scale known": f"{s['scale_known']} of {s['cells']} cells"
        + (f", one spike {s['snr_median']:.3g} times the noise" if s["scale_known"] else "")
        + noise,
        "activity": f"{s['spikes']:.0f} spikes in cells of known scale, "
        f"median {s['spikes_per_s']:.3g}/s"
        if s["scale_known"]
        else "in an arbitrary unit",
        "variance explained": f"median {s['pve_median']:.3f}" if _is(s["pve_median"]) else "none",
        "excluded": _reasons(s["excluded"]),
        "flags": ", ".join(f"{name} {count}" for name, count in s["flags"].items()) or "none",
        "time": f"{s['seconds']:.3f} s",
    }


def _searched(summary: Mapping[str, Any]) -> str:
    """Say how the kernel was found."""
    if summary["kernel_method"] == "assumed":
        return "assumed, for there was nothing to find it in"
    # The history begins with the kernel before the first iteration.
    iterations = summary["iterations"] - 1
    rested = "came to rest" if summary["converged"] else "did not come to rest"
    if summary["kernel_method"] == "sampled":
        return f"averaged over explanations after {iterations} iterations, {rested}"
    return f"search {rested} ({iterations} iterations)"


def _reasons(excluded: Mapping[str, str]) -> str:
    """Group cells by their reason; long lists of cells are cut."""
    cells: dict[str, list[str]] = {}
    for cell, reason in excluded.items():
        cells.setdefault(reason, []).append(cell)
    lines = [
        f"{', '.join(ids[:6])}{', ...' if len(ids) > 6 else ''}: {reason}"
        for reason, ids in cells.items()
    ]
    more = [f"and {len(lines) - 6} more reasons, in the results"] if len(lines) > 6 else []
    return "\n".join(lines[:6] + more) or "none"


def warn(summary: Mapping[str, Any]) -> None:
    """Say on stderr what makes a result doubtful as a whole.

    Parameters
    ----------
    summary : mapping
        As `summarize` makes it.
    """
    if summary["cells"] and len(summary["excluded"]) == summary["cells"]:
        complain("warning: no cell holds anything to deconvolve")
    elif not summary["scale_known"]:
        complain("warning: one spike's amplitude is known for no cell: counts mean little")
    elif not summary["converged"] and summary["kernel_method"] == "sampled":
        complain(
            "warning: the kernel averaged over explanations did not come to rest: see --report"
        )
    elif not summary["converged"] and summary["kernel_doubt"] is None:
        complain("warning: the search for the kernel did not come to rest: see --max-iterations")


def _median(values: Any) -> float:
    import numpy as np

    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def _is(value: float) -> bool:
    return value == value
