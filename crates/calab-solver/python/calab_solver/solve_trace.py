"""From one trace to calibrated spikes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._parameters import as_count, as_flag, as_number
from ._traces import LARGEST, as_real, as_traces
from .amplitudes import Kernels, measure_amplitudes
from .clipping import is_clipped
from .inference import Spikes, infer_spikes
from .lag import grid_lag
from .noise import noise_level
from .rates import frame_counts, spike_rates
from .spikes import place_spikes
from .working import separate

__all__ = ["SolveTraceDetails", "SolveTraceResult", "solve_trace"]

Array = NDArray[np.float64]

#: Most bins of a trace.
MOST_BINS = 1 << 26
#: Share of its cost by which a search must win to count as better, not as rounding.
BETTER = 1e-9


@dataclass(frozen=True, eq=False)
class SolveTraceDetails:
    """What else is known of a trace.

    Attributes
    ----------
    spike_times : numpy.ndarray, shape (n_spikes,), float64
        Seconds from the first sample, ascending: of the bins, later by what spikes are late on
        average on a grid of less than six bins a frame. The fit has them at their bins.
    rate : numpy.ndarray, shape (n_frames,), float32
        Spikes per second, as many as are counted; 0 where nothing was recorded.
    reconvolution : numpy.ndarray, shape (n_frames,), float32
        What the spikes make of the trace that was passed in, baseline included.
    removed_baseline : numpy.ndarray, shape (n_frames,), float32
        What was taken off the trace: the quantile of a window, or of all frames where events then
        cost less, the foot, and what the high-pass took.
    noise : float
        Standard deviation of the white noise in units of the trace; NaN without recorded frames.
    alpha_sd : float
        Standard error of `alpha`; NaN without spikes.
    scale_known : bool
        Whether the events determine the amplitude of one spike; never where a ceiling cuts the
        trace. If not, counts are proportions.
    null_level : float
        Amplitude that events reach where there are no spikes, in units of the trace.
    n_events : int
        Events well above that level.
    """

    spike_times: Array
    rate: NDArray[np.float32]
    reconvolution: NDArray[np.float32]
    removed_baseline: NDArray[np.float32]
    noise: float
    alpha_sd: float
    scale_known: bool
    null_level: float
    n_events: int


class _Fields(NamedTuple):
    s_counts: NDArray[np.float32]
    alpha: float
    baseline: float
    threshold: float
    pve: float
    iterations: int
    converged: bool


class SolveTraceResult(_Fields):
    """Spikes of one trace, a tuple of seven; everything else is in its attribute `details`.

    Parameters
    ----------
    s_counts, alpha, baseline, threshold, pve, iterations, converged
        The fields below, in this order.
    details : SolveTraceDetails, optional
        What else is known.

    Attributes
    ----------
    s_counts : numpy.ndarray, shape (n_frames,), float32
        Spikes of each frame: those nearer to its sample than to any other.
    alpha : float
        Peak of one spike in units of the trace; 0 without spikes.
    baseline : float
        Mean over recorded frames of what was taken off the trace; NaN if there are none, 0 for an
        empty trace.
    threshold : float
        Least mass that is kept as an event, in units of `alpha`; 0 without spikes.
    pve : float
        Share of the variance of the working trace that the spikes explain, over recorded frames.
    iterations : int
        Iterations of the relaxed problem.
    converged : bool
        Whether the relaxed problem is certified and the search for spikes ended by itself.
    details : SolveTraceDetails
        What else is known. Results of `solve_trace` always have it; one that was made without it
        has no such attribute.
    """

    details: SolveTraceDetails

    def __new__(
        cls,
        s_counts: NDArray[np.float32],
        alpha: float,
        baseline: float,
        threshold: float,
        pve: float,
        iterations: int,
        converged: bool,
        *,
        details: SolveTraceDetails | None = None,
    ) -> Self:
        """Make the tuple."""
        self = super().__new__(
            cls, s_counts, alpha, baseline, threshold, pve, iterations, converged
        )
        if details is not None:
            self.details = details
        return self

    def _replace(self, **fields: Any) -> Self:
        # The tuple's own would forget the details.
        replaced = super()._replace(**fields)
        replaced.__dict__.update(self.__dict__)
        return replaced


def solve_trace(
    trace: ArrayLike,
    tau_rise: float,
    tau_decay: float,
    fs: float,
    *,
    upsample_factor: int = 1,
    max_iters: int = 500,
    tol: float = 1e-4,
    hp_enabled: bool = False,
    lp_enabled: bool = False,
    warm_counts: ArrayLike | None = None,
    lambda_: float = 0.0,
    noise_constrained: bool = False,
    segments: Sequence[int] | NDArray[np.integer] | None = None,
    n_threads: int | None = None,
) -> SolveTraceResult:
    r"""Infer whole spikes and the amplitude of one of them from a trace of known kernel.

    Explains the trace without its baseline by events of free amplitude, asks them for the
    amplitude :math:`\alpha` of one spike, and places spikes :math:`t_k` to minimise

    .. math:: \sum_i \Bigl(y_i - \alpha \sum_k h(i/f_s - t_k)\Bigr)^2
              + n\, \|h\|^2 \alpha\,(2\theta - \alpha)

    by adding, removing and moving them on a grid of `upsample_factor` bins per frame, with
    :math:`\theta` the least amplitude of a spike; :math:`\alpha` follows what they explain. Only
    recorded samples are data, so the factor changes where a spike may lie, not how many there are.

    Parameters
    ----------
    trace : array_like, shape (n_frames,)
        Fluorescence in any unit; NaN, and what a masked array masks, marks frames that were not
        recorded.
    tau_rise, tau_decay : float
        Time constants of the kernel in seconds, ``0 < tau_rise < tau_decay``.
    fs : float
        Sampling rate in hertz.
    upsample_factor : int
        Bins per frame.
    max_iters, tol
        Most iterations of the relaxed problem, and its tolerance, between 0 and 1.
    hp_enabled, lp_enabled : bool
        Whether `bandpass_filter` takes out what is slower or faster than the kernel.
    warm_counts : array_like, shape (n_frames,), optional
        Spikes of each frame from an earlier call. The search also starts from them, and what
        explains the trace better is kept. Counts of another shape are ignored.
    lambda_ : float
        Sparsity weight of the relaxed problem, as `lam` of `run_deconvolution`. It enters the rate,
        not the counts.
    noise_constrained : bool
        Whether a spike must also rise above what events reach where there are none; `lambda_` 0
        then means the weight that suits the noise.
    segments : sequence of int, optional
        Frames at which joined recordings start.
    n_threads : int, optional
        Threads; as many as the process may use by default. The result does not depend on it.

    Returns
    -------
    SolveTraceResult
        A tuple of seven, with `details`.

    Raises
    ------
    ValueError
        For a trace of other than one axis, an infinite sample or one beyond 1e30, a parameter out
        of range, or more than 2**26 bins.
    TypeError
        For a trace or parameters that are not numbers, or flags that are not true or false.
    KeyboardInterrupt
        On Ctrl-C.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(600) / 30.0 - 5.0
    >>> trace = np.where(t > 0, np.exp(-t / 0.6) - np.exp(-t / 0.1), 0.0)
    >>> counts = solve_trace(trace, 0.1, 0.6, 30.0).s_counts
    >>> np.flatnonzero(counts)
    array([150])
    """
    cells = _one_cell(trace)
    grid = as_count("upsample_factor", upsample_factor, 1)
    if cells.size * grid > MOST_BINS:
        raise ValueError(
            f"upsample_factor: expected at most 2**26 bins, got {cells.size} frames x {grid}"
        )
    weight = _weight(lambda_)
    slow, fast = as_flag("hp_enabled", hp_enabled), as_flag("lp_enabled", lp_enabled)
    constrained = as_flag("noise_constrained", noise_constrained)
    rise, decay = as_number("tau_rise", tau_rise), as_number("tau_decay", tau_decay)
    columns = np.array([rise]), np.array([decay])
    kernels = Kernels(as_number("fs", fs), *columns, grid, segments, n_threads)
    noise = np.atleast_1d(noise_level(cells, kernels.fs, segments=segments))
    removed, working = separate(cells, kernels, noise, slow, fast)
    amplitudes = measure_amplitudes(working, kernels, noise).spoilt(_clipped(cells))
    spikes = infer_spikes(
        working,
        kernels,
        amplitudes,
        amplitudes.log_alpha,
        least_nulls=float(constrained),
        lam="auto" if constrained and weight == 0 else weight,
        max_iters=max_iters,
        tol=tol,
    )
    warm = _warm(warm_counts, cells.size)
    if warm is not None:
        norm = float(amplitudes.events.kernel_norm[0])
        spikes = _warm_started(spikes, working, kernels, warm, norm)
    bins = spikes.placed.bins[0]
    details = SolveTraceDetails(
        spike_times=bins / (kernels.fs * grid) + grid_lag(kernels.fs, rise, decay, grid),
        rate=spikes.rate[0],
        reconvolution=(removed[0] + spikes.placed.fit[0]).astype(np.float32),
        removed_baseline=removed[0].astype(np.float32),
        noise=float(noise[0]),
        alpha_sd=float(spikes.alphas[0] * amplitudes.log_sd[0]) if bins.size else math.nan,
        scale_known=bool(amplitudes.known[0]),
        null_level=float(amplitudes.null_level[0]),
        n_events=int(amplitudes.n_events[0]),
    )
    return SolveTraceResult(
        s_counts=spikes.counts[0],
        alpha=float(spikes.alphas[0]) if bins.size else 0.0,
        baseline=_mean(removed[0], cells[0]),
        threshold=float(spikes.thetas[0] / spikes.alphas[0]) if bins.size else 0.0,
        pve=float(spikes.placed.pve[0]),
        iterations=int(spikes.iterations[0]),
        converged=bool(spikes.converged[0]),
        details=details,
    )


def _clipped(cells: Array) -> NDArray[np.bool_]:
    return np.array([is_clipped(cell) for cell in cells], dtype=np.bool_)


def _one_cell(trace: ArrayLike) -> Array:
    cells = as_traces("trace", trace)
    if np.ndim(trace) != 1:
        raise ValueError(f"trace: expected shape (n_frames,), got {np.shape(trace)}")
    # Infinite samples are refused further on.
    large = np.flatnonzero(np.isfinite(cells[0]) & (np.abs(cells[0]) > LARGEST))
    if large.size:
        frame = int(large[0])
        raise ValueError(
            f"trace: expected samples within {LARGEST:g}, got {cells[0, frame]:g} at frame {frame}"
            " (scale the trace)"
        )
    return cells


def _weight(lambda_: float) -> float:
    weight = as_number("lambda_", lambda_)
    if not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"lambda_: expected a finite number from 0 on, got {weight}")
    return weight


def _warm(warm_counts: ArrayLike | None, n_frames: int) -> NDArray[np.int64] | None:
    """Return whole counts, or None where there are none of the right length."""
    if warm_counts is None:
        return None
    counts = as_real("warm_counts", warm_counts)
    if counts.shape != (n_frames,):
        return None
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise ValueError("warm_counts: expected finite numbers from 0 on")
    if counts.sum() > MOST_BINS:
        raise ValueError(f"warm_counts: expected at most 2**26 spikes, got {counts.sum():g}")
    return np.rint(counts).astype(np.int64)


def _warm_started(
    cold: Spikes, working: Array, kernels: Kernels, counts: NDArray[np.int64], norm: float
) -> Spikes:
    """Search once more from given counts, and keep what explains the trace better."""
    alpha, theta = float(cold.alphas[0]), float(cold.thetas[0])
    # An earlier result is reproduced, though its counts do not tell where in a frame a spike lay.
    if not counts.any() or not alpha > 0 or (counts == cold.counts[0]).all():
        return cold
    bins = np.repeat(np.arange(counts.size), counts) * kernels.upsample_factor
    start = [(bins, np.full(bins.size, alpha))]
    times = (kernels.fs, kernels.tau_rise, kernels.tau_decay)
    placed = place_spikes(working, *times, alpha, theta, start, **kernels.shared())

    def cost(fit: NDArray[np.float32], n_spikes: int) -> float:
        squares = np.nansum((working[0] - fit[0]) ** 2)
        return float(squares) + n_spikes * norm**2 * alpha * (2 * theta - alpha)

    before = cost(cold.placed.fit, cold.placed.bins[0].size)
    if not cost(placed.fit, placed.bins[0].size) < before - BETTER * abs(before):
        return cold
    found = frame_counts(placed, working.shape, kernels.upsample_factor)
    rate = spike_rates(cold.relaxed, found, np.isnan(working), kernels.fs)
    converged = cold.converged & placed.converged
    return replace(cold, placed=placed, counts=found, rate=rate, converged=converged)


def _mean(removed: Array, trace: Array) -> float:
    """Mean over recorded frames."""
    seen = ~np.isnan(trace)
    if seen.any():
        return float(removed[seen].mean())
    return math.nan if trace.size else 0.0
