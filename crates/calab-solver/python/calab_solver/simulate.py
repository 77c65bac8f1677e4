"""Simulated fluorescence with known spikes."""

from __future__ import annotations

import operator
import os
from typing import NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._parameters import as_count

__all__ = ["SimulatedCells", "simulate_cells"]


class SimulatedCells(NamedTuple):
    """Simulated cells and the truth behind them.

    Attributes
    ----------
    traces : numpy.ndarray, shape (n_cells, n_frames), float32
        Fluorescence.
    spikes : numpy.ndarray, shape (n_cells, n_frames), float32
        Spike counts per frame.
    clean_calcium : numpy.ndarray, shape (n_cells, n_frames), float32
        Fluorescence without bleaching, drift and noise.
    alpha, snr, tau_rise, tau_decay : numpy.ndarray, shape (n_cells,), float64
        Each cell's amplitude, signal-to-noise ratio and time constants in seconds.
    """

    traces: NDArray[np.float32]
    spikes: NDArray[np.float32]
    clean_calcium: NDArray[np.float32]
    alpha: NDArray[np.float64]
    snr: NDArray[np.float64]
    tau_rise: NDArray[np.float64]
    tau_decay: NDArray[np.float64]


def simulate_cells(
    n_cells: int,
    n_frames: int,
    fs: float,
    *,
    tau_rise: float,
    tau_decay: float,
    tau_rise_cv: float = 0.0,
    tau_decay_cv: float = 0.0,
    steps_per_frame: int = 10,
    p_silent_to_active: float = 0.0,
    p_active_to_silent: float = 0.0,
    p_spike_when_active: float = 0.0,
    p_spike_when_silent: float = 0.0,
    p_silent_to_active_cv: float = 0.0,
    alpha_mean: float = 1.0,
    alpha_cv: float = 0.0,
    k_d: float | None = None,
    k_d_cv: float = 0.0,
    hill_coefficient: float = 1.0,
    walk_step: float = 0.0,
    walk_reversion: float = 0.0,
    sine_amplitude: float = 0.0,
    sine_cycles_min: float = 2.0,
    sine_cycles_max: float = 4.0,
    drift_cv: float = 0.0,
    bleach_amplitude: float = 0.0,
    bleach_amplitude_cv: float = 0.0,
    bleach_tau: float = 600.0,
    snr: float = 8.0,
    snr_spread: float = 0.0,
    shot_fraction: float = 0.0,
    seed: int = 42,
    n_threads: int | None = None,
) -> SimulatedCells:
    r"""Simulate fluorescence traces; by default every option is off and the cells are silent.

    .. math::

       F_t = b_t\,\alpha\,S(\bar c_t) + d_t + \varepsilon_t, \qquad
       S(c) = c \ \text{ or }\ \frac{c^n}{c^n + K_d^n}

    with :math:`\bar c_t` the mean over frame :math:`t` of the spikes convolved with the
    biexponential kernel of peak 1 on a grid of ``fs * steps_per_frame``, :math:`b_t` the bleaching,
    :math:`d_t` the drift and :math:`\varepsilon_t` the noise. Drift and noise are sized by the
    reference level :math:`M`, the larger of the cell's largest clean value and the peak of a single
    spike, so that a silent cell has both.

    A cell's row depends on the parameters, the seed and the cell's index only. Spikes, drift and
    noise have random numbers of their own: changing the noise leaves the spikes as they were.

    Parameters
    ----------
    n_cells, n_frames : int
        Shape of the recording.
    fs : float
        Frames per second.
    tau_rise, tau_decay : float
        Time constants in seconds, ``tau_rise < tau_decay``.
    tau_rise_cv, tau_decay_cv : float
        Variation between cells: a factor :math:`\exp(cv\,N(0, 1))`. Pairs that cross are drawn
        again.
    steps_per_frame : int
        Simulation steps per frame. At most one spike occurs per step.
    p_silent_to_active, p_active_to_silent : float
        Probabilities per frame that a cell changes its state; it starts silent.
    p_spike_when_active, p_spike_when_silent : float
        Probabilities of a spike per step. A Poisson process of rate ``r`` is
        ``p_spike_when_silent = r / (fs * steps_per_frame)`` and nothing else.
    p_silent_to_active_cv : float
        Variation between cells as above; the probability stays at most 1.
    alpha_mean, alpha_cv : float
        Mean and coefficient of variation of the log-normal amplitude: the peak of a single spike,
        or the ceiling of the fluorescence where saturation is on.
    k_d, k_d_cv, hill_coefficient : float
        Saturation :math:`S`: calcium at its half in units of a single spike's peak, the variation
        between cells, and the exponent :math:`n`. None means a linear indicator.
    walk_step, walk_reversion : float
        Random walk :math:`d_t = (1 - r)\,d_{t-1} + w M N(0, 1)`, from 0.
    sine_amplitude, sine_cycles_min, sine_cycles_max : float
        Sine of amplitude ``sine_amplitude`` times :math:`M`, its cycles over the recording uniform
        between the two limits.
    drift_cv : float
        Variation of either drift between cells.
    bleach_amplitude, bleach_amplitude_cv, bleach_tau : float
        :math:`b_t = 1 - A (1 - e^{-t/\tau})` with ``bleach_tau`` in seconds; it fades the
        indicator's fluorescence, not the drift. The drawn :math:`A` stays at most 1.
    snr, snr_spread : float
        Noise of standard deviation :math:`\sigma = M / \text{snr}`, ``snr`` uniform within
        ``snr_spread`` of its value, but not below 1 (or ``snr`` itself if that is lower).
    shot_fraction : float
        Share :math:`f` of :math:`\sigma^2` that is photon noise at the level :math:`M`: a level
        :math:`x` means :math:`|x|/q` photons on average, each worth the quantum
        :math:`q = f \sigma^2 / M`. The rest is Gaussian everywhere.
    seed : int
        Seed, 0 to 2**64 - 1.
    n_threads : int, optional
        Threads; by default one per available processor. Any number gives the same bits.

    Returns
    -------
    SimulatedCells
        Named tuple of arrays.

    Raises
    ------
    ValueError
        If a parameter lies outside its range.
    TypeError
        If a parameter is no number.
    MemoryError
        If the arrays do not fit.

    References
    ----------
    Random walk and saturation: Deneux et al. (2016), doi:10.1038/ncomms12190. Bleaching: Charles
    et al. (2019), doi:10.1101/726174. Photon noise: Rupprecht et al. (2021),
    doi:10.1038/s41593-021-00895-5.
    """
    # First of all, so that it holds the arguments and nothing else.
    parameters = dict(locals())
    _check_count("n_cells", n_cells)
    _check_count("n_frames", n_frames)
    traces, spikes, clean = (np.empty((n_cells, n_frames), dtype=np.float32) for _ in range(3))
    properties = np.empty((n_cells, 4))
    threads = _available_processors() if n_threads is None else as_count("n_threads", n_threads, 1)
    _native.simulate_cells(parameters, traces, spikes, clean, properties, threads)
    return SimulatedCells(traces, spikes, clean, *np.ascontiguousarray(properties.T))


def _check_count(name: str, count: int) -> None:
    if not isinstance(count, SupportsIndex):
        raise TypeError(f"{name}: expected an integer, got {type(count).__name__}")
    if operator.index(count) < 1:
        raise ValueError(f"{name}: expected at least 1, got {count}")


def _available_processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
