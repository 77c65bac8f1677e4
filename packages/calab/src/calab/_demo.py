"""Simulate a recording, deconvolve it, and compare the result with what is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from calab_core import build_kernel, run_deconvolution_full
from calab_sim import simulate

from ._score import correlate_rows, largest_relative_gap, measure_kernel, smooth

if TYPE_CHECKING:
    from calab_core import DeconvolutionResult
    from calab_sim import SimulationConfig, SimulationResult
    from numpy.typing import NDArray

__all__ = ["SMOOTHING_S", "Demo", "run_demo"]

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
    result : DeconvolutionResult
        Of those traces.
    rate_correlation : numpy.ndarray, shape (n_cells,)
        Pearson correlation of smoothed activity and true spike rate; NaN without spikes.
    calcium_correlation : numpy.ndarray, shape (n_cells,)
        Pearson correlation of the fit without its baseline and the true calcium.
    kernel : numpy.ndarray, shape (n_lags,)
        The kernel that was used.
    measured_kernel : numpy.ndarray, shape (n_lags,)
        The response to one spike, measured from traces and true spikes.
    seconds_simulate, seconds_deconvolve : float
        Time taken.
    """

    simulation: SimulationResult
    result: DeconvolutionResult
    rate_correlation: NDArray[np.float64]
    calcium_correlation: NDArray[np.float64]
    kernel: NDArray[np.floating[Any]]
    measured_kernel: NDArray[np.float64]
    seconds_simulate: float
    seconds_deconvolve: float

    @cached_property
    def spikes(self) -> NDArray[np.floating[Any]]:
        """True spike counts, shape (n_cells, n_frames)."""
        return np.array([cell.spikes for cell in self.simulation.ground_truth])

    @property
    def kernel_r2(self) -> float:
        """Share of the measured kernel's variance that the model's kernel explains."""
        residual = np.sum((self.measured_kernel - self.kernel) ** 2)
        return float(
            1 - residual / np.sum((self.measured_kernel - self.measured_kernel.mean()) ** 2)
        )

    def summary(self) -> dict[str, Any]:
        """Return the scores as plain numbers.

        Returns
        -------
        dict of str to object
            For printing, or for JSON.
        """
        config, details = self.simulation.config, self.result.details
        n_cells, n_frames = self.result.activity.shape
        return {
            "cells": n_cells,
            "frames": n_frames,
            "fs_hz": config.fs_hz,
            "tau_rise_s": config.kernel.tau_rise_s,
            "tau_decay_s": config.kernel.tau_decay_s,
            "spikes_per_s": float(self.spikes.sum() / (n_cells * n_frames) * config.fs_hz),
            "rate_correlation_median": _median(self.rate_correlation),
            "rate_correlation_mean": _mean(self.rate_correlation),
            "cells_scored": int(np.isfinite(self.rate_correlation).sum()),
            "calcium_correlation_median": _median(self.calcium_correlation),
            "kernel_r2": self.kernel_r2,
            "lam_median": _median(np.asarray(details.lam)),
            "converged_share": float(np.mean(self.result.converged)),
            "largest_relative_gap": largest_relative_gap(details),
            "seconds_simulate": self.seconds_simulate,
            "seconds_deconvolve": self.seconds_deconvolve,
        }


def run_demo(config: SimulationConfig, progress: Callable[[int, int], None] | None = None) -> Demo:
    """Simulate, deconvolve with an automatic sparsity weight, and score.

    Parameters
    ----------
    config : SimulationConfig
        What to simulate. The deconvolution is told its time constants and nothing else.
    progress : callable, optional
        Called with (cells done, cells total).

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
    tau_rise, tau_decay = config.kernel.tau_rise_s, config.kernel.tau_decay_s
    result = run_deconvolution_full(
        simulation.traces,
        config.fs_hz,
        tau_rise,
        tau_decay,
        "auto",
        baseline_mode="centered",
        progress=progress,
    )
    solved = time.perf_counter()
    kernel = build_kernel(tau_rise, tau_decay, config.fs_hz)
    n_lags = min(kernel.size, int(np.ceil(5 * tau_decay * config.fs_hz)), config.num_timepoints)
    return Demo(
        simulation,
        result,
        *_scores(simulation, result, config.fs_hz),
        kernel[:n_lags],
        _measured_kernel(simulation, result, n_lags),
        simulated - start,
        solved - simulated,
    )


def _scores(
    simulation: SimulationResult, result: DeconvolutionResult, fs: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    spikes = np.array([cell.spikes for cell in simulation.ground_truth], dtype=np.float64)
    clean = np.array([cell.clean_calcium for cell in simulation.ground_truth], dtype=np.float64)
    sigma = SMOOTHING_S * fs
    rate = correlate_rows(smooth(result.activity, sigma), smooth(spikes, sigma))
    calcium = correlate_rows(result.reconvolution - result.details.removed_baseline, clean)
    # Smoothing in the frequency domain leaves rounding dust where a cell never spiked.
    return np.where(spikes.any(axis=1), rate, np.nan), calcium


def _measured_kernel(
    simulation: SimulationResult, result: DeconvolutionResult, n_lags: int
) -> NDArray[np.float64]:
    spikes = np.array([cell.spikes for cell in simulation.ground_truth], dtype=np.float64)
    alpha = np.array([cell.alpha for cell in simulation.ground_truth])[:, None]
    calcium = (simulation.traces - result.details.removed_baseline) / alpha
    return measure_kernel(calcium, spikes, n_lags)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
