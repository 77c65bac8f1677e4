"""From traces alone to calibrated spikes: the automated deconvolution."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from calab_solver import compute_upsample_factor
from calab_solver._parameters import as_choice, as_count, as_number, check_progress
from calab_solver._traces import as_segments
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from ..labelled import cell_names, warn_of_another_rate
from ..slabs import MakeSink
from .activity import Cells, deconvolve_cells
from .assemble import Origin, assemble
from .result import CaDeconResult
from .rows import Frames, Rows
from .search import FALLBACK, Found, shared_kernel
from .settings import CadeconSettings, DeconConfig, in_words
from .survey import Survey, look_over
from .working import Recording

__all__ = ["run_cadecon"]

#: Frames per second at most; no camera or scanner has more.
FASTEST = 1e5
#: Bins per frame at most: no trace tells times apart by less.
MOST_BINS = 1000
#: Cells that the kernel is looked for in at most, evenly spaced; more would say it no better.
MOST_CELLS = 1000
#: Share of drifting cells above which the kernel is theirs, and what is said of it.
MOSTLY = 0.5
MOVING = "trends were taken off {} of {} cells, and what is left of them may pass for transients"
UNSURE = (
    "{} of {} cells drift or are so active that it cannot be told from drift; the kernel of the"
    " fewest events may then be far too short"
)


def run_cadecon(
    traces: ArrayLike,
    fs: float = 30.0,
    *,
    upsample_target: int | None = None,
    hp_filter_enabled: bool | None = None,
    lp_filter_enabled: bool | None = None,
    max_iterations: int | None = None,
    convergence_tol: float | None = None,
    num_subsets: int | None = None,
    target_coverage: float | None = None,
    aspect_ratio: float | None = None,
    seed: int | None = None,
    noise_constrained: bool | None = None,
    patience: int | None = None,
    kernel: Literal["shared", "per_cell"] | None = None,
    config: DeconConfig | CadeconSettings | None = None,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    cell_ids: Sequence[int] | Sequence[str] | NDArray[Any] | None = None,
    on_nan: Literal["mask", "raise"] = "mask",
    n_threads: int | None = None,
    progress: Callable[[str, int, int], object] | None = None,
    out: MakeSink | None = None,
) -> CaDeconResult:
    """Deconvolve a recording from nothing but its traces: kernel, amplitude of a spike, spikes.

    The kernel is the one under which a few rectangles of the recording are explained by the fewest
    events, or, where the model of events of one shape holds, the one that averages over all
    explanations; each cell's amplitude of one spike is the one of which its events are whole
    multiples; spikes are then placed one by one. What each step minimises, and what was tried
    instead, is told in ``docs/explanation/cadecon.md``.

    Parameters
    ----------
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        Fluorescence in any unit, raw or dF/F, not denoised. NaN marks frames that were not
        recorded. Arrays of h5py, zarr and `calab_io.read` are read some cells at a time, each
        cell three times and some oftener; those of dask are computed as often. Arrays of xarray
        have a dimension named ``frame`` or ``time``.
    fs : float
        Sampling rate in hertz.
    upsample_target, hp_filter_enabled, lp_filter_enabled, max_iterations, convergence_tol
        As in `CadeconSettings`, whose default holds where one is None.
    num_subsets, target_coverage, aspect_ratio, seed, noise_constrained, patience, kernel
        As in `CadeconSettings`, whose default holds where one is None.
    config : DeconConfig or CadeconSettings, optional
        Settings from elsewhere; arguments that are given win.
    segments : sequence of int, optional
        Frames at which joined recordings start; nothing crosses them.
    cell_ids : sequence of int or str, optional
        How the cells are known, one per row; by default their coordinate in an array of xarray,
        and their rows in others.
    on_nan : {"mask", "raise"}
        Whether NaN marks a frame that was not recorded, or is refused.
    n_threads : int, optional
        Threads; by default as many as the process may use. The result does not depend on it.
    progress : callable, optional
        Called in this thread with a phase (``"drift"``, ``"kernel"``, ``"sampling"``,
        ``"amplitudes"`` or ``"spikes"``), and how much of it is done and in total. Where averaging
        is refused, ``"kernel"`` goes on after ``"sampling"``, which may also come twice; small
        recordings may have both begin once more.
    out : callable, optional
        Makes the arrays that hold ``"activity"``, ``"rate"``, ``"reconvolution"`` and
        ``"removed_baseline"``, given this name, the shape, the NumPy type, and the cells that are
        written at a time; for instance
        ``lambda name, shape, dtype, cells: group.create_array(name, shape=shape, dtype=dtype,
        chunks=(cells, shape[1]))`` with a group of zarr. They are then the fields of the result.
        With traces and `out` that are not in memory, memory does not grow with the number of
        cells, but for a few numbers and the spike times of each, and the trend of each that
        drifts.

    Returns
    -------
    CaDeconResult
        Rows are those of `traces`. Cells with nothing to deconvolve have no spikes, NaN for their
        numbers, and their reason in ``details.excluded``.

    Raises
    ------
    ValueError
        For a setting out of range, an infinite sample or one beyond 1e30, a NaN with
        ``on_nan="raise"``, or traces with neither one nor two axes.
    TypeError
        For traces or settings of the wrong kind.
    KeyboardInterrupt
        On Ctrl-C, within a fraction of a second.

    Warns
    -----
    UserWarning
        If the kernel ends on a bound of the search, as under a wrong `fs`, and is not called
        converged; if most cells drift, or may drift and the kernel is the searched one; if there
        are no spikes; or if it is assumed.
        ``metadata["kernel_doubt"]`` says the same.

    References
    ----------
    The pipeline follows the idea of InDeCa (spikes in whole numbers and the kernel estimated in
    turns); the average over explanations is that of :func:`calab_solver.sample_kernel`; matching
    pursuit is Mallat and Zhang (1993), doi:10.1109/78.258082, the relaxed problem Friedrich, Zhou
    and Paninski (2017), doi:10.1371/journal.pcbi.1005423.

    Examples
    --------
    >>> import numpy as np
    >>> from calab_core import run_cadecon
    >>> result = run_cadecon(np.zeros((1, 100)))
    >>> result.activity.sum(), result.details.excluded
    (np.float32(0.0), {0: 'constant: every recorded frame is 0'})
    """
    given = {
        "upsample_target": upsample_target,
        "hp_filter_enabled": hp_filter_enabled,
        "lp_filter_enabled": lp_filter_enabled,
        "max_iterations": max_iterations,
        "convergence_tol": convergence_tol,
        "num_subsets": num_subsets,
        "target_coverage": target_coverage,
        "aspect_ratio": aspect_ratio,
        "seed": seed,
        "noise_constrained": noise_constrained,
        "patience": patience,
        "kernel": kernel,
    }
    settings = _resolve(config, given)
    as_choice("on_nan", on_nan, ("mask", "raise"))
    rate = as_number("fs", fs)
    if rate > FASTEST:
        raise ValueError(f"fs: expected frames per second, up to {FASTEST:g}, got {rate:g}")
    target = min(settings.upsample_target, MOST_BINS * rate) if rate > 0 else 1.0
    factor = compute_upsample_factor(rate, target)
    threads = None if n_threads is None else as_count("n_threads", n_threads, 1)
    starts = as_segments(segments)
    check_progress(progress)
    report = progress if progress is not None else _silent
    warn_of_another_rate(traces, rate)
    rows = Rows(traces, gaps=on_nan == "mask")
    ids = _cell_ids(cell_names(traces) if cell_ids is None else cell_ids, rows.shape[0])
    frames = Frames(rows.shape, rows.slab_cells, out)
    nothing = np.empty((0, rows.shape[1])), np.empty(0)
    base = Recording(nothing[0], rate, starts, nothing[1], settings, factor, threads)
    survey = look_over(rows, base, report)
    chosen = _evenly(survey.usable, MOST_CELLS)
    found = Found(FALLBACK)
    if chosen.size:
        piece = survey.piece(base, rows.take(chosen), chosen)
        found = shared_kernel(piece, np.arange(chosen.size), report)
        del piece
    if found.bound is not None:
        # Times within a frame would be those of a shape that nobody knows.
        base = replace(base, upsample_factor=1)
    cells = deconvolve_cells(rows, base, survey, found, frames, report)
    doubt = _doubt(found, survey, cells)
    if doubt is not None:
        warnings.warn(f"the kernel may be wrong: {doubt}", UserWarning, stacklevel=2)
    return assemble(Origin(rows, base, survey, chosen, found, doubt, ids), cells, frames)


def _evenly(cells: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Take so many cells at most, evenly spaced."""
    count = min(cells.size, most)
    return cells[np.arange(count) * cells.size // max(1, count)]


def _resolve(
    config: DeconConfig | CadeconSettings | None, given: dict[str, Any]
) -> CadeconSettings:
    chosen = {name: value for name, value in given.items() if value is not None}
    if config is None:
        config = CadeconSettings()
    if not isinstance(config, DeconConfig | CadeconSettings):
        expected = "a DeconConfig, a CadeconSettings or None"
        raise TypeError(f"config: expected {expected}, got {type(config).__name__}")
    try:
        base = config.resolve() if isinstance(config, DeconConfig) else config
        return CadeconSettings(**(base.model_dump() | chosen))
    except ValidationError as error:
        raise in_words(error) from None


def _doubt(found: Found, survey: Survey, cells: Cells) -> str | None:
    """Gather why the kernel should not be trusted; what may have caused the rest comes first."""
    doubts, usable = [], survey.usable.size
    drifting, unsure = len(survey.drift.trends), len(survey.drift.unsure)
    if drifting > MOSTLY * usable:
        doubts.append(MOVING.format(drifting, usable))
    if found.bound is not None:
        doubts.append(found.bound)
    if usable and not doubts:
        if not any(times.size for times in cells.times):
            doubts.append("no spike was found")
        elif found.method == "assumed":
            doubts.append("it was assumed, for no event was found where it was looked for")
        elif found.method == "searched" and drifting + unsure > MOSTLY * usable:
            doubts.append(UNSURE.format(drifting + unsure, usable))
    return "; ".join(doubts) or None


def _cell_ids(cell_ids: Any, n_cells: int) -> NDArray[Any]:
    if cell_ids is None:
        return np.arange(n_cells)
    ids = np.asarray(cell_ids)
    if ids.shape != (n_cells,):
        raise ValueError(f"cell_ids: expected shape ({n_cells},), got {ids.shape}")
    if ids.dtype.kind not in "iuU":
        raise TypeError(f"cell_ids: expected whole numbers or strings, got dtype {ids.dtype}")
    if np.unique(ids).size != n_cells:
        raise ValueError("cell_ids: expected every cell once, got the same one twice")
    return ids


def _silent(phase: str, done: int, total: int) -> None:
    del phase, done, total
