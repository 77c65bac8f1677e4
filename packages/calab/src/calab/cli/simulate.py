"""`calab simulate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import BadInput, user_input
from ._options import Force, Fs, Json
from ._output import claim_outputs, print_json, print_pairs, writing

if TYPE_CHECKING:
    from calab_sim import SimulationConfig, SimulationResult

__all__ = ["Cells", "Frames", "Preset", "Seed", "preset_names", "simulate", "simulation_config"]

Cells = Annotated[int | None, typer.Option("--cells", metavar="N", help="Number of cells.")]
Frames = Annotated[int | None, typer.Option("--frames", metavar="N", help="Number of frames.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of the generator.")]
Preset = Annotated[
    str | None, typer.Option("--preset", metavar="NAME", help="Indicator, such as gcamp6f.")
]


def simulate(
    preset: Preset = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="JSON", help="A SimulationConfig as JSON.")
    ] = None,
    cells: Cells = None,
    frames: Frames = None,
    fs: Fs = None,
    seed: Seed = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="STEM", help="Stem of the files written.")
    ] = Path("simulated"),
    force: Force = False,
    json: Json = False,
) -> None:
    """Simulate a recording with known spikes.

    Writes STEM.npy and STEM_metadata.json, ready for `calab deconvolve`, and STEM_truth.npz.
    """
    files = [Path(f"{output}{end}") for end in (".npy", "_metadata.json", "_truth.npz")]
    claim_outputs(files, force=force)
    if preset is not None and config is not None:
        raise BadInput("give either --preset or --config, not both")
    settings = simulation_config(preset, config, cells=cells, frames=frames, fs=fs, seed=seed)
    start = time.perf_counter()
    with writing(files):
        with user_input():
            import numpy as np
            from calab_io.atomic import atomic_path

            import calab

            result = calab.simulate(settings)
            seconds = time.perf_counter() - start
            with atomic_path(files[2]) as draft:
                np.savez(draft, **truth_arrays(result))
                about = {"simulation": settings.model_dump(mode="json")}
                calab.save_for_tuning(result.traces, settings.fs_hz, output, about)
        summary = {
            "cells": settings.num_cells,
            "frames": settings.num_timepoints,
            "fs_hz": settings.fs_hz,
            "seed": settings.seed,
            "seconds": round(seconds, 3),
        }
        if json:
            print_json({**summary, "output": [str(file) for file in files]})
        else:
            print_pairs({**summary, "output": "\n".join(map(str, files))})


_FLAGS = {"num_cells": "--cells", "num_timepoints": "--frames", "fs_hz": "--fs", "seed": "--seed"}


def simulation_config(
    preset: str | None,
    config: Path | None = None,
    *,
    cells: int | None = None,
    frames: int | None = None,
    fs: float | None = None,
    seed: int | None = None,
) -> SimulationConfig:
    """Make a configuration from what the command line gave.

    Parameters
    ----------
    preset : str or None
        Name of a preset.
    config : Path, optional
        JSON file of a `SimulationConfig`, in place of a preset.
    cells, frames, seed : int, optional
        Override what preset or file says.
    fs : float, optional
        Sampling rate in Hz, as an override.

    Returns
    -------
    SimulationConfig

    Raises
    ------
    BadInput
        If there is no such preset or the configuration is not valid.
    """
    given = {"num_cells": cells, "num_timepoints": frames, "fs_hz": fs, "seed": seed}
    overrides: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    with user_input({name: _FLAGS[name] for name in overrides}):
        from calab_io.documents import read_json_object
        from calab_sim import SimulationConfig, presets

        if preset is not None:
            if preset not in preset_names():
                raise BadInput(f"no preset {preset!r}: there are {', '.join(preset_names())}")
            made: SimulationConfig = getattr(presets, preset)(**overrides)
            return made
        document = read_json_object(config) if config is not None else {}
        return SimulationConfig.model_validate({**document, **overrides}, extra="forbid")


def preset_names() -> list[str]:
    """List the indicator presets.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    from calab_sim import presets

    return sorted(name for name in vars(presets) if not name.startswith("_"))


def truth_arrays(result: SimulationResult) -> dict[str, Any]:
    """Gather the ground truth of all cells.

    Parameters
    ----------
    result : SimulationResult
        With one ground truth per cell.

    Returns
    -------
    dict of str to numpy.ndarray
        `spikes` and `clean_calcium`, shape (n_cells, n_frames); `alpha`, `snr`, `tau_rise_s`
        and `tau_decay_s`, shape (n_cells,).
    """
    import numpy as np

    names = ("spikes", "clean_calcium", "alpha", "snr", "tau_rise_s", "tau_decay_s")
    return {name: np.array([getattr(c, name) for c in result.ground_truth]) for name in names}
