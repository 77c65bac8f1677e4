"""`calab deconvolve --auto`: from the traces alone to calibrated spikes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ._errors import BadInput, user_input
from ._output import claim_outputs, finite, progress_bar

if TYPE_CHECKING:
    from calab_core import CaDeconResult

    from ._input import Recording

__all__ = ["Auto", "Dff", "KernelPer", "Report", "Seed", "auto_outputs", "run_auto", "shown"]

_PANEL = "With --auto"

Auto = Annotated[
    bool,
    typer.Option("--auto", rich_help_panel=_PANEL, help="Find kernel, amplitudes and spikes."),
]
KernelPer = Annotated[
    Literal["shared", "per_cell"] | None,
    typer.Option("--kernel", rich_help_panel=_PANEL, help="One kernel, or one per cell."),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", rich_help_panel=_PANEL, metavar="N", help="Of the subsets' places."),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", rich_help_panel=_PANEL, metavar="HTML", help="Page with figures."),
]
Dff = Annotated[
    bool, typer.Option("--dff", rich_help_panel=_PANEL, help="The traces are dF/F (for --report).")
]


def auto_outputs(output: Path, report: Path | None) -> list[Path]:
    """Name the files that will be written.

    Parameters
    ----------
    output : Path
        What `--output` gave; its suffix, if any, is taken off.
    report : Path or None
        The page.

    Returns
    -------
    list of Path
        Counts, rates, spike times, results, and the page where asked for.
    """
    stem = output.with_suffix("") if output.suffix in {".npy", ".npz"} else output
    ends = ("_activity.npy", "_rate.npy", "_spikes.npz", "_results.json")
    return [Path(f"{stem}{end}") for end in ends] + ([report] if report else [])


def run_auto(
    file: Path,
    recording: Recording,
    outputs: list[Path],
    settings: dict[str, Any],
    *,
    report: Path | None,
    dff: bool,
    force: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Deconvolve, write, and return a summary.

    Parameters
    ----------
    file : Path
        Where the recording came from.
    recording : Recording
        Traces and sampling rate.
    outputs : list of Path
        As `auto_outputs` names them.
    settings : dict
        Keywords of `calab.run_cadecon`.
    report : Path or None
        The page.
    dff : bool
        Whether the traces are dF/F.
    force : bool
        Whether existing files may be replaced.
    quiet : bool
        Whether no progress is shown.

    Returns
    -------
    dict

    Raises
    ------
    BadInput
        Without a sampling rate, for settings out of range, or without matplotlib for the page.
    """
    if recording.fs is None:
        raise BadInput("give the sampling rate with --fs HZ")
    claim_outputs(outputs, force=force, source=file)
    flags = {name: f"--{name.replace('_', '-')}" for name in settings} | {"fs": "--fs"}
    with user_input(flags), _phases(len(recording.traces), quiet=quiet) as progress:
        from calab_core import run_cadecon

        start = time.perf_counter()
        result = run_cadecon(recording.traces, recording.fs, progress=progress, **settings)
        seconds = time.perf_counter() - start
    with user_input():
        _write(outputs, result)
        if report is not None:
            _report(result, recording, report, dff)
    return _summary(result, seconds, outputs)


@contextmanager
def _phases(n_cells: int, *, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Show one bar, which is that of the phase that runs."""
    with ExitStack() as stack:
        bars: dict[str, Any] = {}

        def report(phase: str, done: int, total: int) -> None:
            if phase not in bars:
                stack.close()
                bars[phase] = stack.enter_context(progress_bar(phase, total, quiet=quiet))
            if bars[phase] is not None:
                bars[phase](done, total)

        yield report


def _write(outputs: list[Path], result: CaDeconResult) -> None:
    import numpy as np
    from calab_io.atomic import atomic_path

    counts, rates, spikes, results = outputs[:4]
    times = {
        f"cell_{name}": found
        for name, found in zip(
            result.details.cell_ids.tolist(), result.details.spike_times, strict=True
        )
    }
    with (
        atomic_path(counts) as first,
        atomic_path(rates) as second,
        atomic_path(spikes) as third,
        atomic_path(results) as fourth,
    ):
        np.save(first, result.activity, allow_pickle=False)
        np.save(second, result.details.rate, allow_pickle=False)
        np.savez(third, **times)  # type: ignore[arg-type]
        document = {
            **result.metadata,
            "baselines": result.baselines.tolist(),
            "pves": result.pves.tolist(),
        }
        fourth.write_text(json.dumps(finite(document), indent=2, allow_nan=False), "utf-8")


def _report(result: CaDeconResult, recording: Recording, path: Path, dff: bool) -> None:
    from calab_core import quality

    from calab.report import write_report

    figures = quality(result, recording.traces, units="dff" if dff else None)
    try:
        write_report(result, recording.traces, path, quality=figures)
    except ImportError as err:
        raise BadInput(str(err)) from err


def _summary(result: CaDeconResult, seconds: float, outputs: list[Path]) -> dict[str, Any]:
    import numpy as np

    details = result.details
    n_cells, n_frames = result.activity.shape
    recorded = float(np.sum(1 - details.masked_fraction)) * n_frames / result.fs
    pves = result.pves[np.isfinite(result.pves)]
    return {
        "cells": n_cells,
        "frames": n_frames,
        "fs_hz": result.fs,
        "tau_rise_s": result.metadata["tau_rise"],
        "tau_decay_s": result.metadata["tau_decay"],
        "converged": result.metadata["converged"],
        "scale_known": int(details.scale_known.sum()),
        "spikes": int(result.activity.sum()),
        "spikes_per_s": float(result.activity.sum()) / recorded if recorded > 0 else 0.0,
        "pve_median": float(np.median(pves)) if pves.size else None,
        "excluded": {str(cell): reason for cell, reason in details.excluded.items()},
        "seconds": seconds,
        "output": [str(path) for path in outputs],
    }


def shown(summary: dict[str, Any]) -> dict[str, str]:
    """Put a summary into words.

    Parameters
    ----------
    summary : dict
        As `run_auto` returns it.

    Returns
    -------
    dict of str to str
    """
    s = summary
    pve = "none" if s["pve_median"] is None else f"{s['pve_median']:.2f}"
    rows = {
        "recording": f"{s['cells']} cells x {s['frames']} frames at {s['fs_hz']:g} Hz",
        "kernel": f"tau_rise {s['tau_rise_s']:.4g} s, tau_decay {s['tau_decay_s']:.4g} s"
        + ("" if s["converged"] else " (still moving: more --max-iterations)"),
        "spikes": f"{s['spikes']}, {s['spikes_per_s']:.3g} per second and cell",
        "amplitude of one spike": f"known for {s['scale_known']} of {s['cells']} cells; "
        "elsewhere counts are in arbitrary units",
        "variance explained": f"{pve} (median)",
        "time": f"{s['seconds']:.1f} s",
        "written to": "\n".join(s["output"]),
    }
    if s["excluded"]:
        rows["left out"] = "\n".join(f"cell {cell}: {why}" for cell, why in s["excluded"].items())
    return rows
