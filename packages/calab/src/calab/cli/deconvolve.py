"""`calab deconvolve`."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._cadecon import (
    FLAGS,
    AspectRatio,
    Auto,
    ConvergenceTol,
    Coverage,
    Dff,
    KernelOf,
    MaxIterations,
    NoHighPass,
    NoLowPass,
    NoNoiseConstraint,
    Patience,
    Report,
    Seed,
    Subsets,
    UpsampleTarget,
)
from ._errors import BadInput, complain, user_input
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
from ._output import claim_outputs, print_json, print_pairs, progress_bar, writing
from ._solved import save_full, shown, summarize
from ._solver import (
    BaselineMode,
    Constraint,
    ConvMode,
    Dtype,
    Lam,
    MaxIters,
    Method,
    OnNan,
    Segments,
    TauDecay,
    TauRise,
    Threads,
    Tol,
    parse_lam,
    parse_segments,
)
from .auto import AutoFiles, deconvolve_auto

if TYPE_CHECKING:
    from calab_core import DeconvolutionResult

    from calab._scratch import Scratch

__all__ = ["deconvolve"]

#: What is kept without --full.
KEPT = ("activity",)
#: Share by which two rates may differ that are the same, and may be taken for the same.
EXACT, SAME_RATE = 1e-6, 0.01

_KERNEL_FLAGS = {"tau_r": "--tau-rise", "tau_d": "--tau-decay", "fs": "--fs", "lam": "--lam"}


def deconvolve(
    file: File,
    auto: Auto = False,
    params: Annotated[
        Path | None, typer.Option("--params", "-p", metavar="JSON", help="An export of CaTune.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where the result goes (activity.npy); with --auto, what its names begin with "
            "(as FILE does).",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Write .npz: also baseline, fit and certificate.")
    ] = False,
    tau_rise: TauRise = None,
    tau_decay: TauDecay = None,
    fs: Fs = None,
    lam: Lam = None,
    method: Method = None,
    conv_mode: ConvMode = None,
    constraint: Constraint = None,
    baseline_mode: BaselineMode = None,
    on_nan: OnNan = None,
    segments: Segments = None,
    max_iters: MaxIters = None,
    tol: Tol = None,
    n_threads: Threads = None,
    dtype: Dtype = None,
    report: Report = None,
    dff: Dff = False,
    kernel_of: KernelOf = None,
    upsample_target: UpsampleTarget = None,
    no_hp_filter: NoHighPass = False,
    no_lp_filter: NoLowPass = False,
    no_noise_constraint: NoNoiseConstraint = False,
    max_iterations: MaxIterations = None,
    convergence_tol: ConvergenceTol = None,
    patience: Patience = None,
    subsets: Subsets = None,
    coverage: Coverage = None,
    aspect_ratio: AspectRatio = None,
    seed: Seed = None,
    format: Format = None,
    trace: Trace = "auto",
    cells: Cells = "accepted",
    key: Key = None,
    plane: Plane = None,
    transpose: Transpose = False,
    skip_rows: SkipRows = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Infer the activity behind the traces in FILE.

    The kernel comes from the traces themselves (--auto, which also counts spikes), from an export
    of CaTune (--params), or from --tau-rise and --tau-decay.
    """
    options = {
        "on_nan": on_nan,
        "segments": parse_segments(segments),
        "n_threads": n_threads,
    }
    automatic = {
        "kernel": kernel_of,
        "upsample_target": upsample_target,
        "hp_filter_enabled": False if no_hp_filter else None,
        "lp_filter_enabled": False if no_lp_filter else None,
        "noise_constrained": False if no_noise_constraint else None,
        "max_iterations": max_iterations,
        "convergence_tol": convergence_tol,
        "patience": patience,
        "num_subsets": subsets,
        "target_coverage": coverage,
        "aspect_ratio": aspect_ratio,
        "seed": seed,
    }
    given = {
        "method": method,
        "conv_mode": conv_mode,
        "constraint": constraint,
        "baseline_mode": baseline_mode,
        "max_iters": max_iters,
        "tol": tol,
        "dtype": dtype,
    }
    reading = Reading(format or "auto", trace, cells, fs, key, plane, transpose, skip_rows)
    kernel = {"--tau-rise": tau_rise, "--tau-decay": tau_decay, "--lam": lam}
    if auto:
        told = {"--params": params, **kernel, **_named(given)}
        _refuse("--auto finds all by itself: leave out", {**told, "--full": full or None})
        files = AutoFiles(file, output or Path(file.stem), report)
        chosen = _present(options | automatic)
        deconvolve_auto(files, chosen, reading=reading, dff=dff, force=force, json=json)
        return
    only = {"--report": report, "--dff": dff or None}
    _refuse("give --auto with", {**only, **{FLAGS[k]: v for k, v in automatic.items()}})
    _check_source(params, kernel)
    target = _target(output or Path("activity.npy"), full)
    claim_outputs([target], force=force, source=file)
    recording = read_recording(file, reading)
    chosen = _present(options | given)
    from calab._scratch import scratch_beside

    with writing([target]), scratch_beside(target, None if full else KEPT) as scratch:
        chosen["out"] = scratch.make
        result, settings, seconds = _solve(recording, params, kernel, chosen, quiet=json)
        summary = summarize(result, settings, seconds, target)
        with user_input():
            _write(target, result, settings, scratch, full=full)
        if json:
            print_json(summary)
        else:
            print_pairs(shown(summary))
        open_cells = summary["cells"] - summary["converged"]
        if open_cells:
            complain(f"warning: {open_cells} of {summary['cells']} cells have no certificate")


def _present(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _named(options: dict[str, Any]) -> dict[str, Any]:
    return {f"--{name.replace('_', '-')}": value for name, value in options.items()}


def _refuse(why: str, options: dict[str, Any]) -> None:
    names = _present(options)
    if names:
        raise BadInput(f"{why} {', '.join(names)}")


def _check_source(params: Path | None, kernel: dict[str, Any]) -> None:
    given = [name for name, value in kernel.items() if value is not None]
    if params is not None and given:
        raise BadInput(f"give either --params or {', '.join(given)}, not both")
    if params is None and (kernel["--tau-rise"] is None or kernel["--tau-decay"] is None):
        raise BadInput(
            "give --params JSON, or both --tau-rise and --tau-decay in seconds, or --auto"
        )


def _target(output: Path, full: bool) -> Path:
    wanted = ".npz" if full else ".npy"
    if output.suffix not in {"", ".npy", ".npz"} or (output.suffix == ".npz" and not full):
        raise BadInput(
            f"{output}: the activity alone is written as .npy, with --full all is written as .npz"
        )
    return output.with_suffix(wanted)


def _solve(
    recording: Input,
    params: Path | None,
    kernel: dict[str, Any],
    options: dict[str, Any],
    *,
    quiet: bool,
) -> tuple[DeconvolutionResult, dict[str, Any], float]:
    with user_input():
        from calab_io import deconvolve_from_export, load_export_params

        boxed = options.get("constraint") == "box01"
        if params is not None:
            settings = load_export_params(params)
            _check_rate(params, settings["fs"], recording.fs)
        else:
            settings = _settings(kernel, recording.rate(), boxed)
    n_cells = len(recording.traces)
    # What --params set has no option: such errors keep the name of the parameter.
    flags = {name: f"--{name.replace('_', '-')}" for name in options if name != "out"}
    flags |= {} if params else _KERNEL_FLAGS
    with user_input(flags), progress_bar("deconvolving", n_cells, quiet=quiet) as progress:
        from calab_core import run_deconvolution_full

        start = time.perf_counter()
        if params is not None:
            result = deconvolve_from_export(
                recording.traces, params, return_full=True, progress=progress, **options
            )
        else:
            arguments = [settings[name] for name in ("fs", "tau_rise", "tau_decay", "lambda_")]
            result = run_deconvolution_full(
                recording.traces, *arguments, progress=progress, **options
            )
    return result, settings, time.perf_counter() - start


def _check_rate(params: Path, exported: float, recorded: float | None) -> None:
    """Refuse another rate; one that was measured from time stamps is never exactly the same."""
    if recorded is None or math.isclose(exported, recorded, rel_tol=EXACT):
        return
    said = f"{params}: tuned at {exported:g} Hz, but the recording has {recorded:g} Hz"
    if not math.isclose(exported, recorded, rel_tol=SAME_RATE):
        raise BadInput(f"{said}; --fs says what it really has")
    complain(f"warning: {said}; the rate of the export is used")


def _settings(kernel: dict[str, Any], fs: float, boxed: bool) -> dict[str, Any]:
    return {
        "tau_rise": kernel["--tau-rise"],
        "tau_decay": kernel["--tau-decay"],
        "fs": fs,
        "lambda_": parse_lam(kernel["--lam"], boxed=boxed),
    }


def _write(
    target: Path,
    result: DeconvolutionResult,
    settings: dict[str, Any],
    scratch: Scratch,
    *,
    full: bool,
) -> None:
    from calab_io.atomic import atomic_path

    with atomic_path(target) as draft:
        if full:
            save_full(result, settings, draft)
        else:
            scratch.keep("activity", draft)
