"""`calab demo`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import complain, user_input
from ._options import Force, Json
from ._output import claim_outputs, print_json, print_pairs, progress_bar
from ._solved import full_arrays
from .simulate import Preset, simulation_config, truth_arrays

if TYPE_CHECKING:
    from calab._demo import Demo

__all__ = ["demo"]

_FILES = (
    "recording.npy",
    "recording_metadata.json",
    "truth.npz",
    "results.npz",
    "summary.json",
    "figure.png",
)


def demo(
    cells: Annotated[int, typer.Option("--cells", metavar="N", help="Number of cells.")] = 50,
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="Number of frames.")] = 9000,
    fs: Annotated[float, typer.Option("--fs", metavar="HZ", help="Sampling rate in Hz.")] = 30.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the generator.")] = 42,
    preset: Preset = "gcamp6f",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "demo-output"
    ),
    force: Force = False,
    json: Json = False,
) -> None:
    """Simulate a recording, deconvolve it, and score it against the truth.

    Writes the recording, its truth, the results, the scores and a figure to a folder.
    """
    figure = find_spec("matplotlib") is not None
    files = [out / name for name in _FILES if figure or name != "figure.png"]
    claim_outputs(files, force=force, make_folder=True)
    config = simulation_config(preset, cells=cells, frames=frames, fs=fs, seed=seed)
    with user_input(), progress_bar("deconvolving", cells, quiet=json) as progress:
        from calab._demo import run_demo

        outcome = run_demo(config, progress)
    summary = outcome.summary()
    with user_input():
        out.mkdir(parents=True, exist_ok=True)
        _write(outcome, files, {**summary, "simulation": config.model_dump(mode="json")})
        if force and not figure:
            # The figure of an earlier run would be taken for one of this.
            (out / "figure.png").unlink(missing_ok=True)
    if json:
        print_json({**summary, "output": files})
    else:
        print_pairs({**_shown(summary), "written to": f"{out}/"}, title="calab demo")
    if not figure:
        complain("no figure.png, since matplotlib is missing: install calab with its extra 'plot'")


def _write(outcome: Demo, files: list[Path], summary: dict[str, Any]) -> None:
    import json

    import numpy as np
    from calab_io import save_for_tuning
    from calab_io.atomic import atomic_paths

    from ._output import finite

    simulation = outcome.simulation
    with atomic_paths(files[2:]) as drafts:
        np.savez(drafts[0], **truth_arrays(simulation))
        np.savez(
            drafts[1],
            **full_arrays(outcome.result),
            rate_correlation=outcome.rate_correlation,
            calcium_correlation=outcome.calcium_correlation,
            kernel=outcome.kernel,
            measured_kernel=outcome.measured_kernel,
        )
        drafts[2].write_text(json.dumps(finite(summary), indent=2) + "\n", encoding="utf-8")
        for draft in drafts[3:]:
            from calab._figure import draw_demo

            draw_demo(outcome).savefig(draft, dpi=150)
        save_for_tuning(
            simulation.traces, simulation.config.fs_hz, files[0].with_suffix(""), summary
        )


def _shown(summary: dict[str, Any]) -> dict[str, str]:
    s = summary
    return {
        "recording": f"{s['cells']} cells x {s['frames']} frames at {s['fs_hz']:g} Hz, "
        f"{s['spikes_per_s']:.2f} spikes/s",
        "kernel": f"tau_rise {s['tau_rise_s']:g} s, tau_decay {s['tau_decay_s']:g} s",
        "correlation with true rate": f"{s['rate_correlation_median']:.3f} median, "
        f"{s['rate_correlation_mean']:.3f} mean of {s['cells_scored']} cells",
        "correlation with true calcium": f"{s['calcium_correlation_median']:.3f} median",
        "kernel fit": f"R2 {s['kernel_r2']:.3f} against the measured response to one spike",
        "sparsity weight": f"auto, median {s['lam_median']:.3g}",
        "converged": f"{s['converged_share']:.0%} of cells, relative gap at most "
        f"{s['largest_relative_gap']:.1e}",
        "time": f"simulate {s['seconds_simulate']:.3f} s, deconvolve "
        f"{s['seconds_deconvolve']:.3f} s",
    }
