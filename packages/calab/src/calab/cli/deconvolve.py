"""`calab deconvolve`."""

from __future__ import annotations

import math
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._auto import Auto, Dff, KernelPer, Report, Seed, auto_outputs, run_auto, shown
from ._errors import BadInput, complain, user_input
from ._input import Recording, read_recording
from ._options import File, Force, Fs, Json, SkipRows, Transpose
from ._output import claim_outputs, print_json, print_pairs, progress_bar
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

if TYPE_CHECKING:
    from calab_core import DeconvolutionResult

__all__ = ["deconvolve"]

_KERNEL_FLAGS = {"tau_r": "--tau-rise", "tau_d": "--tau-decay", "fs": "--fs", "lam": "--lam"}


def deconvolve(
    file: File,
    params: Annotated[
        Path | None, typer.Option("--params", "-p", metavar="JSON", help="An export of CaTune.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the result goes.")] = Path(
        "activity.npy"
    ),
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
    auto: Auto = False,
    kernel_per: KernelPer = None,
    seed: Seed = None,
    report: Report = None,
    dff: Dff = False,
    transpose: Transpose = False,
    skip_rows: SkipRows = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Infer the activity behind the traces in FILE.

    The kernel comes from an export of CaTune (--params), from --tau-rise and --tau-decay, or from
    the traces themselves (--auto, which also finds spikes).
    """
    if auto:
        own: dict[str, Any] = {"kernel": kernel_per, "seed": seed, "on_nan": on_nan}
        own |= {"n_threads": n_threads, "segments": parse_segments(segments)}
        given = {"--params": params, "--tau-rise": tau_rise, "--tau-decay": tau_decay, "--lam": lam}
        given |= {"--method": method, "--conv-mode": conv_mode, "--constraint": constraint}
        given |= {"--baseline-mode": baseline_mode, "--max-iters": max_iters, "--tol": tol}
        given |= {"--dtype": dtype, "--full": full or None}
        _refuse(given, "--auto finds these itself: leave out")
        outputs = auto_outputs(output, report)
        claim_outputs(outputs, force=force, source=file)
        found = run_auto(
            file,
            read_recording(file, transpose=transpose, skip_rows=skip_rows, fs=fs),
            outputs,
            {name: value for name, value in own.items() if value is not None},
            report=report,
            dff=dff,
            force=force,
            quiet=json,
        )
        print_json(found) if json else print_pairs(shown(found))
        return
    only = {"--kernel": kernel_per, "--seed": seed, "--report": report, "--dff": dff or None}
    _refuse(only, "give --auto with")
    kernel = {"--tau-rise": tau_rise, "--tau-decay": tau_decay, "--fs": fs, "--lam": lam}
    _check_source(params, kernel)
    target = _target(output, full)
    claim_outputs([target], force=force, source=file)
    recording = read_recording(file, transpose=transpose, skip_rows=skip_rows, fs=fs)
    options = {
        "method": method,
        "conv_mode": conv_mode,
        "constraint": constraint,
        "baseline_mode": baseline_mode,
        "on_nan": on_nan,
        "segments": parse_segments(segments),
        "max_iters": max_iters,
        "tol": tol,
        "n_threads": n_threads,
        "dtype": dtype,
    }
    options = {name: value for name, value in options.items() if value is not None}
    result, settings, seconds = _solve(recording, params, kernel, options, quiet=json)
    with user_input():
        _write(target, result, settings, full)
    summary = _summary(result, settings, seconds, target)
    if json:
        print_json(summary)
    else:
        print_pairs(_shown(summary))
    open_cells = summary["cells"] - summary["converged"]
    if open_cells:
        complain(f"warning: {open_cells} of {summary['cells']} cells have no certificate")


def _refuse(given: dict[str, Any], why: str) -> None:
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise BadInput(f"{why} {', '.join(names)}")


def _check_source(params: Path | None, kernel: dict[str, Any]) -> None:
    given = [name for name, value in kernel.items() if value is not None]
    if params is not None and given:
        raise BadInput(f"give either --params or {', '.join(given)}, not both")
    if params is None and (kernel["--tau-rise"] is None or kernel["--tau-decay"] is None):
        raise BadInput("give --params JSON, or both --tau-rise and --tau-decay in seconds")


def _target(output: Path, full: bool) -> Path:
    wanted = ".npz" if full else ".npy"
    if output.suffix not in {"", ".npy", ".npz"} or (output.suffix == ".npz" and not full):
        raise BadInput(
            f"{output}: the activity alone is written as .npy, with --full all is written as .npz"
        )
    return output.with_suffix(wanted)


def _solve(
    recording: Recording,
    params: Path | None,
    kernel: dict[str, Any],
    options: dict[str, Any],
    *,
    quiet: bool,
) -> tuple[DeconvolutionResult, dict[str, Any], float]:
    with user_input():
        from calab_io import deconvolve_from_export, load_export_params

        boxed = options.get("constraint") == "box01"
        settings = load_export_params(params) if params else _settings(kernel, recording.fs, boxed)
        if params:
            _check_rate(params, settings["fs"], recording.fs)
    n_cells = len(recording.traces)
    # What --params set has no option: such errors keep the name of the parameter.
    flags = {name: f"--{name.replace('_', '-')}" for name in options}
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
    if recorded is not None and not math.isclose(exported, recorded, rel_tol=1e-6):
        raise BadInput(
            f"{params}: tuned at {exported:g} Hz, but the recording's _metadata.json says "
            f"{recorded:g} Hz"
        )


def _settings(kernel: dict[str, Any], recorded_fs: float | None, boxed: bool) -> dict[str, Any]:
    fs = recorded_fs if kernel["--fs"] is None else kernel["--fs"]
    if fs is None:
        raise BadInput("give the sampling rate with --fs HZ")
    return {
        "tau_rise": kernel["--tau-rise"],
        "tau_decay": kernel["--tau-decay"],
        "fs": fs,
        "lambda_": parse_lam(kernel["--lam"], boxed=boxed),
    }


def _write(target: Path, result: DeconvolutionResult, settings: dict[str, Any], full: bool) -> None:
    import numpy as np
    from calab_io.atomic import atomic_path

    with atomic_path(target) as draft:
        if full:
            np.savez(draft, **full_arrays(result), **settings)
        else:
            np.save(draft, result.activity, allow_pickle=False)


def full_arrays(result: DeconvolutionResult) -> dict[str, Any]:
    """Name every array of a result, for an `.npz` file.

    Parameters
    ----------
    result : DeconvolutionResult
        Of any number of cells.

    Returns
    -------
    dict of str to numpy.ndarray
        The documented fields and those of `result.details`.
    """
    import numpy as np

    found = {field.name: getattr(result.details, field.name) for field in fields(result.details)}
    found |= dict(zip(result._fields, result, strict=True))
    arrays = {name: np.asarray(value) for name, value in found.items()}
    # None becomes an array of objects, which could only be read back by unpickling.
    return {name: array for name, array in arrays.items() if array.dtype != object}


def _summary(
    result: DeconvolutionResult, settings: dict[str, Any], seconds: float, target: Path
) -> dict[str, Any]:
    import numpy as np

    from calab._score import largest_relative_gap

    n_cells, n_frames = result.activity.shape
    missing = np.asarray(result.details.masked_fraction)
    return {
        "cells": n_cells,
        "frames": n_frames,
        "fs_hz": settings["fs"],
        "tau_rise_s": settings["tau_rise"],
        "tau_decay_s": settings["tau_decay"],
        "lam": settings["lambda_"],
        "converged": int(np.count_nonzero(result.converged)),
        "largest_relative_gap": largest_relative_gap(result.details),
        "missing_share": float(missing.mean()) if n_cells else 0.0,
        "seconds": seconds,
        "output": str(target),
    }


def _shown(summary: dict[str, Any]) -> dict[str, str]:
    s = summary
    return {
        "recording": f"{s['cells']} cells x {s['frames']} frames at {s['fs_hz']:g} Hz, "
        f"{s['missing_share']:.1%} missing",
        "kernel": f"tau_rise {s['tau_rise_s']:g} s, tau_decay {s['tau_decay_s']:g} s",
        "sparsity weight": str(s["lam"]),
        "converged": f"{s['converged']} of {s['cells']} cells, relative gap at most "
        f"{s['largest_relative_gap']:.1e}",
        "time": f"{s['seconds']:.3f} s",
        "written to": s["output"],
    }
