"""Simulate a recording, infer its spikes from the traces alone, and compare with what is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from calab_core import run_cadecon
from calab_sim import simulate

from ._score import correlate_rows, measure_kernel, smooth

if TYPE_CHECKING:
    from calab_core import CaDeconResult
    from calab_sim import SimulationConfig, SimulationResult
    from numpy.typing import NDArray

__all__ = ["SMOOTHING_S", "Demo", "run_demo", "with_spike_snr"]

# Below the scale on which rates change in behaviour and above the jitter of single frames; the
# same as in the benchmark on real recordings.
SMOOTHING_S = 0.2


@dataclass(frozen=True)
class Demo:
    """A simulated recording with what was inferred from it.

    Attributes
    ----------
    simulation : SimulationResult
        Traces and ground truth.
    result : CaDeconResult
        Of those traces.
    rate_correlation : numpy.ndarray, shape (n_cells,)
        Pearson correlation of smoothed inferred and true spike rate; NaN without spikes.
    count_error : numpy.ndarray, shape (n_cells,)
        Inferred spikes over true ones, less 1; NaN without true spikes, and where the amplitude of
        one spike is not known, so that no count is claimed.
    measured_kernel : numpy.ndarray, shape (n_lags,)
        The response to one spike, measured from traces and true spikes.
    seconds_simulate, seconds_deconvolve : float
        Time taken.
    """

    simulation: SimulationResult
    result: CaDeconResult
    rate_correlation: NDArray[np.float64]
    count_error: NDArray[np.float64]
    measured_kernel: NDArray[np.float64]
    seconds_simulate: float
    seconds_deconvolve: float

    @cached_property
    def spikes(self) -> NDArray[np.floating[Any]]:
        """True spike counts, shape (n_cells, n_frames)."""
        return np.array([cell.spikes for cell in self.simulation.ground_truth])

    @property
    def kernel(self) -> NDArray[np.float32]:
        """The kernel that was found, as long as the measured one."""
        return self.result.kernel_slow[: self.measured_kernel.size]

    @property
    def spike_snr(self) -> float:
        """Median over cells of one spike's true peak over the measured noise."""
        alphas = np.array([cell.alpha for cell in self.simulation.ground_truth])
        noise = self.result.details.noise
        return _median(np.divide(alphas, noise, out=np.full(noise.shape, np.nan), where=noise > 0))

    def summary(self) -> dict[str, Any]:
        """Return the scores as plain numbers.

        Returns
        -------
        dict of str to object
            For printing, or for JSON.
        """
        config, details = self.simulation.config, self.result.details
        found, true = self.result.metadata, config.kernel
        n_cells, n_frames = self.result.activity.shape
        return {
            "cells": n_cells,
            "frames": n_frames,
            "fs_hz": config.fs_hz,
            "spikes_per_s": float(self.spikes.sum() / (n_cells * n_frames) * config.fs_hz),
            "spike_snr": self.spike_snr,
            "tau_rise_s": found["tau_rise"],
            "tau_decay_s": found["tau_decay"],
            "true_tau_rise_s": true.tau_rise_s,
            "true_tau_decay_s": true.tau_decay_s,
            "tau_rise_error": found["tau_rise"] / true.tau_rise_s - 1,
            "tau_decay_error": found["tau_decay"] / true.tau_decay_s - 1,
            "kernel_method": found["kernel_method"],
            "kernel_converged": found["converged"],
            "scale_known": int(details.scale_known.sum()),
            "count_error_median": _median(self.count_error),
            "count_error_absolute_median": _median(np.abs(self.count_error)),
            "rate_correlation_median": _median(self.rate_correlation),
            "rate_correlation_mean": _mean(self.rate_correlation),
            "cells_scored": int(np.isfinite(self.rate_correlation).sum()),
            "seconds_simulate": self.seconds_simulate,
            "seconds_deconvolve": self.seconds_deconvolve,
        }


def with_spike_snr(config: SimulationConfig, spike_snr: float) -> SimulationConfig:
    """Choose the noise so that one spike stands out from it as much as wanted.

    ``NoiseConfig.snr`` is a share of the trace's highest point, which may hold dozens of spikes: at
    the ratio of a preset one of them is far below the noise, and no method could count it.

    Parameters
    ----------
    config : SimulationConfig
        What to simulate.
    spike_snr : float
        Peak of one spike over the standard deviation of the noise, median over cells.

    Returns
    -------
    SimulationConfig
        The same with another ``noise.snr``.

    Raises
    ------
    ValueError
        If the configuration cannot be simulated.
    """
    truth = simulate(config).ground_truth
    heights = np.array([np.max(cell.clean_calcium, initial=0.0) / cell.alpha for cell in truth])
    # A silent cell's noise is that of a cell with one spike.
    snr = spike_snr * float(np.median(np.where(heights > 0, heights, 1.0)))
    return config.overridden({"noise": {"snr": snr}})


def run_demo(
    config: SimulationConfig, progress: Callable[[str, int, int], object] | None = None
) -> Demo:
    """Simulate, infer kernel and spikes without being told anything but the rate, and score.

    Parameters
    ----------
    config : SimulationConfig
        What to simulate.
    progress : callable, optional
        Called with (phase, done, total), as by `run_cadecon`.

    Returns
    -------
    Demo

    Raises
    ------
    ValueError
        If the configuration cannot be simulated or deconvolved.
    """
    start = time.perf_counter()
    simulation = simulate(config)
    simulated = time.perf_counter()
    result = run_cadecon(simulation.traces, config.fs_hz, progress=progress)
    solved = time.perf_counter()
    return Demo(
        simulation,
        result,
        *_scores(simulation, result, config.fs_hz),
        _measured_kernel(simulation, result),
        simulated - start,
        solved - simulated,
    )


def _scores(
    simulation: SimulationResult, result: CaDeconResult, fs: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    spikes = np.array([cell.spikes for cell in simulation.ground_truth], dtype=np.float64)
    sigma = SMOOTHING_S * fs
    rate = correlate_rows(smooth(result.details.rate, sigma), smooth(spikes, sigma))
    true, inferred = spikes.sum(axis=1), result.activity.sum(axis=1, dtype=np.float64)
    claimed = (true > 0) & result.details.scale_known
    error = np.full(true.shape, np.nan)
    np.divide(inferred - true, true, out=error, where=claimed)
    # Smoothing in the frequency domain leaves rounding dust where a cell never spiked.
    return np.where(true > 0, rate, np.nan), error


def _measured_kernel(simulation: SimulationResult, result: CaDeconResult) -> NDArray[np.float64]:
    used = [c for c in range(len(result.activity)) if c not in result.details.excluded]
    truth = [simulation.ground_truth[cell] for cell in used]
    n_lags = min(result.kernel_slow.size, result.activity.shape[1])
    if not used:
        return np.full(n_lags, np.nan)
    spikes = np.array([cell.spikes for cell in truth], dtype=np.float64)
    alpha = np.array([cell.alpha for cell in truth])[:, None]
    calcium = (simulation.traces[used] - result.details.removed_baseline[used]) / alpha
    return measure_kernel(calcium, spikes, n_lags)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
