"""What is said of an automated deconvolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._errors import complain

__all__ = ["shown", "warn"]


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


def _is(value: float) -> bool:
    return value == value
