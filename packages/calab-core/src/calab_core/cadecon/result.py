"""What an automated deconvolution returns: the documented tuple, and the details beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["CaDeconDetails", "CaDeconResult"]


@dataclass(frozen=True, eq=False)
class CaDeconDetails:
    """What else is known of an automated deconvolution.

    Attributes
    ----------
    rate : numpy.ndarray, shape (n_cells, n_frames), float32
        Graded rate in spikes per second, given the cell's amplitude of one spike, of as many
        spikes as are counted; where `scale_known` is False the shape holds and the factor does not.
    reconvolution : numpy.ndarray, shape (n_cells, n_frames), float32
        The model's fit to the traces as they were passed in, baseline included.
    removed_baseline : numpy.ndarray, shape (n_cells, n_frames), float32
        Everything that was taken off the traces, the constant offset included: the foot of the
        fit. The working trace is the trace less this.
    spike_times : tuple of numpy.ndarray, each of shape (n_spikes,), float64
        Per cell, seconds since the start of the first frame, finer than a frame; a time that
        occurs twice is two spikes. With less than six bins a frame they are later than the bins in
        which the fit has them, by what spikes are late on average.
    noise : numpy.ndarray, shape (n_cells,), float64
        Standard deviation of the white noise in units of the traces.
    alpha_sd : numpy.ndarray, shape (n_cells,), float64
        Standard error of the amplitude of one spike, in units of the traces.
    scale_known : numpy.ndarray, shape (n_cells,), bool
        Whether the amplitude of one spike could be determined, so that counts are spikes; never
        of cells that drift, may drift or are clipped.
    converged : numpy.ndarray, shape (n_cells,), bool
        Whether the cell's search for spikes ended by itself and its relaxed activity is certified;
        False for cells that were excluded. Whether the search for the kernel came to rest stands in
        the metadata.
    tau_rise, tau_decay : numpy.ndarray, shape (n_cells,), float64
        Time constants in seconds of the kernel that made the cell's activity; the same number
        for all cells of a shared kernel.
    cell_ids : numpy.ndarray, shape (n_cells,), of int or str
        How the caller knows the cells.
    excluded : dict of int to str
        Row of a cell that was not deconvolved, and why.
    masked_fraction : numpy.ndarray, shape (n_cells,), float64
        Share of the frames that were not recorded (NaN).
    segments : tuple of int
        Frames at which joined recordings start; empty for one recording.
    units : numpy.ndarray, shape (n_cells,), of str
        ``"spikes"`` where the scale is known, else ``"arbitrary"``.
    subset_kernels : tuple of numpy.ndarray, each of shape (n_lags,)
        Free-form kernel of each subset under the final spikes, divided by its peak.
    kernel_fs : float
        Samples per second of `subset_kernels`.
    drift : dict of int to str
        Row of a cell whose baseline moves faster than the quantile follows, or may do so, and what
        was done about it.
    """

    rate: NDArray[np.float32]
    reconvolution: NDArray[np.float32]
    removed_baseline: NDArray[np.float32]
    spike_times: tuple[NDArray[np.float64], ...]
    noise: NDArray[np.float64]
    alpha_sd: NDArray[np.float64]
    scale_known: NDArray[np.bool_]
    converged: NDArray[np.bool_]
    tau_rise: NDArray[np.float64]
    tau_decay: NDArray[np.float64]
    cell_ids: NDArray[Any]
    excluded: dict[int, str]
    masked_fraction: NDArray[np.float64]
    segments: tuple[int, ...]
    units: NDArray[np.str_]
    subset_kernels: tuple[NDArray[np.floating[Any]], ...]
    kernel_fs: float
    drift: dict[int, str] = field(default_factory=dict)


class _Fields(NamedTuple):
    activity: NDArray[np.float32]
    alphas: NDArray[np.float64]
    baselines: NDArray[np.float64]
    pves: NDArray[np.float64]
    kernel_slow: NDArray[np.float32]
    kernel_fast: NDArray[np.float32]
    fs: float
    metadata: dict[str, Any]


class CaDeconResult(_Fields):
    """Spikes, amplitudes and kernel, a tuple of eight; all else is in its attribute `details`.

    Parameters
    ----------
    activity, alphas, baselines, pves, kernel_slow, kernel_fast, fs, metadata
        The fields below, in this order.
    details : CaDeconDetails, optional
        What else is known.

    Attributes
    ----------
    activity : numpy.ndarray, shape (n_cells, n_frames), float32
        Spike counts per frame; 0 for cells that were excluded.
    alphas : numpy.ndarray, shape (n_cells,), float64
        Amplitude of one spike: the peak of its transient, in units of the traces; 0 without spikes.
    baselines : numpy.ndarray, shape (n_cells,), float64
        Mean over the frames of what stands below the fit, in units of the traces.
    pves : numpy.ndarray, shape (n_cells,), float64
        Share of the working trace's variance that the fit explains, over recorded frames; at most
        1, and below 0 for a fit worse than a constant.
    kernel_slow : numpy.ndarray, shape (n_lags,), float32
        Response to one spike, sampled at `fs`, of peak 1. The kernel that made the activity; with
        a kernel per cell, the median one.
    kernel_fast : numpy.ndarray, shape (n_lags,), float32
        Fast second component, sampled alike; empty where there is none.
    fs : float
        Sampling rate in hertz.
    metadata : dict of str to object
        Plain numbers, strings, lists and dicts that can be written as JSON: the fields of a
        CaDecon export (``tau_rise``, ``tau_decay``, ``beta``, ``num_iterations``, ``converged``,
        ``h_free``, ...), and ``settings``, ``versions``, ``history`` (``iteration``,
        ``tau_rise``, ``tau_decay``, ``kernel_change``, ``pve`` and ``method`` of each iteration),
        ``kernel_method`` (``"searched"``, ``"sampled"``, or ``"assumed"`` without events),
        ``kernel_doubt`` (why the kernel may be wrong, or None), ``sampled`` (what averaging over
        explanations gave, and whether it ``rested``; None with few events), ``cell_ids``,
        ``excluded``, ``noise``, ``alphas``, ``alpha_sd``, ``scale_known``, ``cells_converged``,
        ``thresholds``, ``units``, ``kernel_mode`` and ``drift``.
    details : CaDeconDetails
        What else is known. Results of `run_cadecon` always have it; one that was made without it
        has no such attribute.

    Examples
    --------
    >>> import numpy as np
    >>> one, empty = np.ones(1), np.empty(0, np.float32)
    >>> kernel = np.array([0.0, 1.0, 0.5], np.float32)
    >>> result = CaDeconResult(np.zeros((1, 9)), one, one, one, kernel, empty, 30.0, {})
    >>> activity, alphas, baselines, pves, kernel_slow, kernel_fast, fs, metadata = result
    >>> activity.shape, fs
    ((1, 9), 30.0)
    """

    details: CaDeconDetails

    def __new__(
        cls,
        activity: NDArray[np.float32],
        alphas: NDArray[np.float64],
        baselines: NDArray[np.float64],
        pves: NDArray[np.float64],
        kernel_slow: NDArray[np.float32],
        kernel_fast: NDArray[np.float32],
        fs: float,
        metadata: dict[str, Any],
        *,
        details: CaDeconDetails | None = None,
    ) -> Self:
        """Make the tuple."""
        self = super().__new__(
            cls, activity, alphas, baselines, pves, kernel_slow, kernel_fast, fs, metadata
        )
        if details is not None:
            self.details = details
        return self

    def _replace(self, **fields: Any) -> Self:
        # The tuple's own would forget the details.
        replaced = super()._replace(**fields)
        replaced.__dict__.update(self.__dict__)
        return replaced
