"""The documented tuple and its metadata, from what was found."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from calab_solver import SampledKernel, estimate_kernel, fit_biexponential
from numpy.typing import NDArray

from .activity import Cells
from .kernel import Kernel, peak_height, sample
from .result import CaDeconDetails, CaDeconResult
from .rows import Frames, Rows
from .search import Found
from .subsets import Subset
from .survey import Survey
from .working import Recording

__all__ = ["Origin", "assemble"]

SCHEMA_VERSION = 2
#: Decays that a kernel is reported over, and samples of a free-form kernel at most.
REPORTED_DECAYS, MOST_FREE_SAMPLES = 5.0, 300
#: Weight of the total variation of free-form kernels, in what noise makes of the fit at one lag.
SMOOTHNESS = 0.3
#: Bins per frame of the free-form kernels.
FREE_BINS = 2


@dataclass(frozen=True, eq=False)
class Origin:
    """What results are made from.

    Attributes
    ----------
    rows : Rows
        The traces.
    base : Recording
        Rate and settings.
    survey : Survey
        What a first look at the cells told.
    chosen : numpy.ndarray of int
        Cells that the kernel was looked for in.
    found : Found
        The shared kernel.
    doubt : str or None
        Why the kernel may be wrong.
    cell_ids : numpy.ndarray
        How the cells are known.
    """

    rows: Rows
    base: Recording
    survey: Survey
    chosen: NDArray[np.int64]
    found: Found
    doubt: str | None
    cell_ids: NDArray[Any]


def assemble(origin: Origin, cells: Cells, frames: Frames) -> CaDeconResult:
    """Make the result.

    Parameters
    ----------
    origin : Origin
        What it is made from.
    cells : Cells
        What is known of every cell.
    frames : Frames
        Results per frame.

    Returns
    -------
    CaDeconResult
    """
    base, survey = origin.base, origin.survey
    kernel = _reported(origin.found, cells)
    free = [_free_kernel(origin, subset, cells, frames) for subset in origin.found.subsets]
    details = CaDeconDetails(
        rate=frames.arrays["rate"],
        reconvolution=frames.arrays["reconvolution"],
        removed_baseline=frames.arrays["removed_baseline"],
        spike_times=tuple(cells.times),
        noise=survey.noise,
        alpha_sd=cells.alpha_sd,
        scale_known=cells.known,
        converged=cells.converged,
        tau_rise=cells.tau_rise,
        tau_decay=cells.tau_decay,
        cell_ids=origin.cell_ids,
        excluded=survey.excluded,
        masked_fraction=survey.masked,
        segments=tuple(base.segments),
        units=np.where(cells.known, "spikes", "arbitrary"),
        subset_kernels=tuple(one for one in free if one is not None),
        kernel_fs=base.fs * FREE_BINS,
        drift=survey.drift.reasons(),
    )
    n_lags = max(2, int(np.ceil(REPORTED_DECAYS * kernel.tau_decay * base.fs)) + 1)
    slow = sample(kernel, np.arange(n_lags) / base.fs).astype(np.float32)
    return CaDeconResult(
        frames.arrays["activity"],
        cells.alphas,
        cells.baselines,
        cells.pves,
        slow,
        np.empty(0, dtype=np.float32),
        base.fs,
        _metadata(origin, kernel, details, cells),
        details=details,
    )


def _reported(found: Found, cells: Cells) -> Kernel:
    """Return the kernel of the activity; of several, the median."""
    if not np.isfinite(cells.tau_rise).any():
        return found.kernel
    rise, decay = float(np.nanmedian(cells.tau_rise)), float(np.nanmedian(cells.tau_decay))
    return Kernel(rise, decay) if rise < decay else found.kernel


def _free_kernel(
    origin: Origin, subset: Subset, cells: Cells, results: Frames
) -> NDArray[np.float64] | None:
    """Estimate the response to a spike within a subset without assuming its shape."""
    fs, kernel, frames = origin.base.fs, origin.found.kernel, subset.frames
    rows = origin.chosen[subset.first_cell : subset.end_cell]
    rows = rows[cells.alphas[rows] > 0]
    if not rows.size:
        return None
    working = origin.rows.take(rows, frames) - results.take("removed_baseline", rows, frames)
    grid = fs * FREE_BINS
    length = int(np.clip(np.ceil(REPORTED_DECAYS * kernel.tau_decay * grid), 10, MOST_FREE_SAMPLES))
    n_bins = (frames.stop - frames.start) * FREE_BINS
    spikes = np.zeros((rows.size, n_bins))
    for row, cell in zip(spikes, rows, strict=True):
        bins = np.rint((cells.times[cell] - frames.start / fs) * grid).astype(np.int64)
        np.add.at(row, bins[(bins >= 0) & (bins < n_bins)], 1)
    if not spikes.any():
        return None
    # The slope of the squared error at one lag is noise of so many spikes.
    noise = np.median(origin.survey.noise[rows] / cells.alphas[rows])
    weight = SMOOTHNESS * float(noise * np.sqrt(spikes.sum()))
    with warnings.catch_warnings():
        # It is drawn only: how near its optimum it is matters to no number of the result.
        warnings.simplefilter("ignore", RuntimeWarning)
        free = estimate_kernel(
            working.astype(np.float64).ravel(),
            spikes.ravel(),
            np.full(rows.size, frames.stop - frames.start),
            cells.alphas[rows],
            np.zeros(rows.size),
            length,
            upsample_factor=FREE_BINS,
            smooth_lambda=weight,
        ).astype(np.float64)
    peak = free.max(initial=0.0)
    return free / peak if peak > 0 else None


def _metadata(
    origin: Origin, kernel: Kernel, details: CaDeconDetails, cells: Cells
) -> dict[str, Any]:
    recording, found = origin.base, origin.found
    free = (
        np.median([_at_rate(one) for one in details.subset_kernels], axis=0).tolist()
        if details.subset_kernels
        else []
    )
    residual = (
        fit_biexponential(np.array(free), recording.fs, refine=False).residual if free else None
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "tau_rise": kernel.tau_rise,
        "tau_decay": kernel.tau_decay,
        # So that beta * (exp(-t / tau_decay) - exp(-t / tau_rise)) is `kernel_slow`, of peak 1.
        "beta": 1 / peak_height(kernel),
        "tau_rise_fast": 0.0,
        "tau_decay_fast": 0.0,
        "beta_fast": 0.0,
        "residual": None if residual is None else float(residual),
        "h_free": free,
        "fs": recording.fs,
        "num_iterations": sum(entry["method"] == "searched" for entry in found.history),
        "converged": found.converged_at is not None,
        "converged_at_iteration": found.converged_at,
        "kernel_mode": recording.settings.kernel,
        "settings": recording.settings.model_dump(),
        "upsample_factor": recording.upsample_factor,
        "segments": list(details.segments),
        "history": found.history,
        "kernel_method": found.method,
        "kernel_doubt": origin.doubt,
        "sampled": _sampled(found.sampled),
        "cell_ids": details.cell_ids.tolist(),
        "excluded": {str(cell): reason for cell, reason in details.excluded.items()},
        "drift": {str(cell): reason for cell, reason in details.drift.items()},
        "noise": _plain(details.noise),
        "alphas": _plain(cells.alphas),
        "alpha_sd": _plain(details.alpha_sd),
        "thresholds": _plain(cells.thetas),
        "scale_known": details.scale_known.tolist(),
        "cells_converged": details.converged.tolist(),
        "units": details.units.tolist(),
        "versions": _versions(),
    }


def _sampled(sampled: SampledKernel | None) -> dict[str, float | bool | None] | None:
    """List what averaging over explanations gave, and how well its model holds."""
    if sampled is None:
        return None
    names = ("tau_rise", "tau_decay", "excess", "autocorrelation")
    numbers = _plain(np.array([getattr(sampled, name) for name in names]))
    rest = {"n_events": sampled.n_events, "sweeps": len(sampled.history), "rested": sampled.rested}
    return dict(zip(names, numbers, strict=True)) | rest


def _at_rate(free: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return free[::FREE_BINS]


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    """List numbers, None for those that JSON does not have."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("calab-core", "calab-solver", "numpy")}
