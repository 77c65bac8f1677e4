"""Options of `calab deconvolve --auto`, and the setting that each of them makes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ._solver import option

__all__ = [
    "FLAGS",
    "AspectRatio",
    "Auto",
    "ConvergenceTol",
    "Coverage",
    "Dff",
    "KernelOf",
    "MaxIterations",
    "NoHighPass",
    "NoLowPass",
    "NoNoiseConstraint",
    "Patience",
    "Report",
    "Seed",
    "Subsets",
    "UpsampleTarget",
]

_PANEL = "With --auto (defaults as in calab.CadeconSettings)"

#: Option by the argument of `run_cadecon` that it sets.
FLAGS = {
    "fs": "--fs",
    "upsample_target": "--upsample-target",
    "hp_filter_enabled": "--no-hp-filter",
    "lp_filter_enabled": "--no-lp-filter",
    "max_iterations": "--max-iterations",
    "convergence_tol": "--convergence-tol",
    "patience": "--patience",
    "num_subsets": "--subsets",
    "target_coverage": "--coverage",
    "aspect_ratio": "--aspect-ratio",
    "seed": "--seed",
    "noise_constrained": "--no-noise-constraint",
    "kernel": "--kernel",
    "segments": "--segments",
    "on_nan": "--on-nan",
    "n_threads": "--n-threads",
}


def _option(text: str, name: str, **more: Any) -> Any:
    return option(_PANEL, text, name, **more)


Auto = Annotated[
    bool, typer.Option("--auto", help="Find kernel, amplitude of one spike and spikes by itself.")
]
Report = Annotated[
    Path | None, _option("Also write a page with figures.", "--report", metavar="HTML")
]
Dff = Annotated[bool, _option("FILE holds dF/F as a fraction: noise in %/sqrt(Hz).", "--dff")]
KernelOf = Annotated[
    Literal["shared", "per_cell"] | None, _option("Of the recording, or of each cell.", "--kernel")
]
UpsampleTarget = Annotated[
    int | None, _option("Rate of the grid of spikes.", "--upsample-target", metavar="HZ")
]
NoHighPass = Annotated[
    bool, _option("Take slow residuals for signal, not for baseline.", "--no-hp-filter")
]
NoLowPass = Annotated[
    bool, _option("Keep what is faster than the kernel lets through.", "--no-lp-filter")
]
NoNoiseConstraint = Annotated[
    bool,
    _option("Let spikes be smaller than the trace's structured noise.", "--no-noise-constraint"),
]
MaxIterations = Annotated[
    int | None, _option("Most iterations of the kernel's search.", "--max-iterations", metavar="N")
]
ConvergenceTol = Annotated[
    float | None, _option("Change of a kernel that rests.", "--convergence-tol", metavar="TOL")
]
Patience = Annotated[int | None, _option("Iterations that it rests.", "--patience", metavar="N")]
Subsets = Annotated[
    int | None, _option("Rectangles that the kernel is found on.", "--subsets", metavar="N")
]
Coverage = Annotated[
    float | None, _option("Share of the recording in them.", "--coverage", metavar="SHARE")
]
AspectRatio = Annotated[
    float | None,
    _option("Their share of frames over that of cells.", "--aspect-ratio", metavar="RATIO"),
]
Seed = Annotated[int | None, _option("Seed of their places.", "--seed", metavar="N")]
