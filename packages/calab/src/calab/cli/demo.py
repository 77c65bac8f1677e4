"""`calab demo`."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calab._results import finite, result_arrays, spike_arrays

from ._errors import complain, user_input
from ._options import Force, Json
from ._output import claim_outputs, phase_bars, print_json, print_pairs, writing
from .auto import PHASES
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
    cells: Annotated[int, typer.Option("--cells", metavar="N", help="Number of cells.")] = 16,
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="Number of frames.")] = 3600,
    fs: Annotated[float, typer.Option("--fs", metavar="HZ", help="Sampling rate in Hz.")] = 30.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the generator.")] = 42,
    preset: Preset = "gcamp6f",
    rate: Annotated[
        float, typer.Option("--rate", metavar="HZ", help="Spikes per second, at random (Poisson).")
    ] = 0.5,
    spike_snr: Annotated[
        float,
        typer.Option(
            "--spike-snr", metavar="X", min=0.01, help="Peak of one spike over the noise."
        ),
    ] = 8.0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "demo-output"
    ),
    force: Force = False,
    json: Json = False,
) -> None:
    """Simulate a recording, find its kernel and spikes from the traces alone, and score them.

    Noise is sized by one spike, for at a preset's own ratio, which is relative to the highest point
    of a trace, single spikes cannot be seen by any method.

    Writes the recording, its truth, the results, the scores and a figure to a folder.
    """
    figure = find_spec("matplotlib") is not None
    files = [out / name for name in _FILES if figure or name != "figure.png"]
    claim_outputs(files, force=force, make_folder=True)
    config = simulation_config(preset, cells=cells, frames=frames, fs=fs, seed=seed)
    with user_input({"spike_model.poisson.rate_hz": "--rate", "spike_model": "--rate"}):
        config = config.overridden({"spike_model": {"model_type": "poisson", "rate_hz": rate}})
    with user_input({"fs": "--fs"}), phase_bars(PHASES, quiet=json) as progress:
        from calab._demo import run_demo, with_spike_snr

        config = with_spike_snr(config, spike_snr)
        outcome = run_demo(config, progress)
    summary = outcome.summary()
    with writing(files):
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
            complain(
                "no figure.png, since matplotlib is missing: install calab with its extra 'plot'"
            )


def _write(outcome: Demo, files: list[Path], summary: dict[str, Any]) -> None:
    import json

    import numpy as np
    from calab_io import save_for_tuning
    from calab_io.atomic import atomic_paths

    simulation = outcome.simulation
    with atomic_paths(files[2:]) as drafts:
        np.savez(drafts[0], **truth_arrays(simulation))
        np.savez(
            drafts[1],
            **result_arrays(outcome.result),
            **spike_arrays(outcome.result),
            rate_correlation=outcome.rate_correlation,
            count_error=outcome.count_error,
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
        f"{s['spikes_per_s']:.2f} spikes/s, one spike {s['spike_snr']:.1f} times the noise",
        "kernel found": _kernel(s),
        "amplitude of one spike": f"known for {s['scale_known']} of {s['cells']} cells",
        "spike count": f"off by {s['count_error_absolute_median']:.1%} (median of these cells)"
        if not math.isnan(s["count_error_absolute_median"])
        else "not claimed",
        "correlation with true rate": f"{s['rate_correlation_median']:.3f} median, "
        f"{s['rate_correlation_mean']:.3f} mean of {s['cells_scored']} cells"
        if s["cells_scored"]
        else "none: no cell has both true and inferred spikes",
        "time": f"simulate {s['seconds_simulate']:.3f} s, deconvolve "
        f"{s['seconds_deconvolve']:.3f} s",
    }


def _kernel(summary: dict[str, Any]) -> str:
    s = summary
    if s["kernel_method"] == "assumed":
        rise, decay = f"tau_rise {s['tau_rise_s']:.3g} s", f"tau_decay {s['tau_decay_s']:.3g} s"
        return f"none, without events: {rise}, {decay} were assumed"
    return (
        f"tau_rise {s['tau_rise_s']:.3g} s ({s['tau_rise_error']:+.0%}), "
        f"tau_decay {s['tau_decay_s']:.3g} s ({s['tau_decay_error']:+.0%})"
    )
