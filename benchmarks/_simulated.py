"""Simulate recordings in which one spike has a given size beside the noise, and judge answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from _spikes import TOLERANCE, Array
from calab_sim import PoissonConfig, presets, simulate

SpikeModel = Literal["markov", "poisson"]
#: So large that the simulator's own noise is lost in the rounding of f32.
NOISELESS = 1e9
#: Distance in seconds to the next true spike beyond which one is alone.
ISOLATION = 0.3


@dataclass(frozen=True, eq=False)
class Recording:
    """A simulated recording and what is true of it.

    Attributes
    ----------
    traces, counts : numpy.ndarray, shape (n_cells, n_frames)
        Fluorescence, and spikes per frame.
    alphas : numpy.ndarray, shape (n_cells,)
        Peak of one spike in the traces' unit.
    tau_rise, tau_decay, fs : float
        Time constants in seconds, and rate in hertz.
    spike_snr : float
        Median over cells of the peak of one spike over the noise's standard deviation.
    """

    traces: Array
    counts: Array
    alphas: Array
    tau_rise: float
    tau_decay: float
    fs: float
    spike_snr: float


def record(
    preset: str,
    spikes: SpikeModel,
    spike_snr: float | None,
    *,
    cells: int,
    frames: int,
    seed: int,
    drift: bool = True,
    rate_hz: float = 1.0,
) -> Recording:
    """Simulate a preset with noise that is ``1 / spike_snr`` of one spike's peak.

    ``NoiseConfig.snr`` is relative to the largest value of each cell's clean calcium, some dozens
    of spikes in a burst, and is one number for all cells; no setting of it gives every cell the
    same size of one spike. So the recording is simulated without noise, with its drift, and white
    noise is added here: a cell whose spike has the peak alpha gets alpha / ``spike_snr``. With
    None the noise is the simulator's own, at the preset's SNR.

    Parameters
    ----------
    preset : str
        Name of a method of ``calab_sim.presets``.
    spikes : {"markov", "poisson"}
        Bursts as in the preset, or spikes at random.
    spike_snr : float or None
    cells, frames, seed : int
    drift : bool
        Whether the baseline wanders as in the preset: by 0.2 % of the largest value a frame, which
        in bursts is as much as the noise of a spike's peak over 8, so that the peak is no longer
        8 deviations of all that is no spike.
    rate_hz : float
        Spikes per second of those at random.
    """
    settings: dict[str, object] = {"num_cells": cells, "num_timepoints": frames, "seed": seed}
    if spikes == "poisson":
        settings["spike_model"] = PoissonConfig(rate_hz=rate_hz)
    if spike_snr is not None:
        settings["noise"] = {"snr": NOISELESS}
    if not drift:
        settings["drift"] = {"step_std_fraction": 0.0}
    config = getattr(presets, preset)(**settings)
    result = simulate(config)
    alphas = np.array([cell.alpha for cell in result.ground_truth])
    traces = np.asarray(result.traces, dtype=np.float64)
    if spike_snr is None:
        largest = np.array([cell.clean_calcium.max() for cell in result.ground_truth])
        own = alphas * config.noise.snr / np.where(largest > 0, largest, np.nan)
        reached = float(np.nanmedian(own))
    else:
        noise = np.random.default_rng(seed).normal(size=traces.shape)
        traces += noise * alphas[:, np.newaxis] / spike_snr
        reached = spike_snr
    return Recording(
        traces,
        np.array([cell.spikes for cell in result.ground_truth], dtype=np.float64),
        alphas,
        config.kernel.tau_rise_s,
        config.kernel.tau_decay_s,
        config.fs_hz,
        reached,
    )


def peak_time(tau_rise: float, tau_decay: float) -> float:
    """Return the time in seconds at which the kernel is largest."""
    ratio = np.log(tau_decay / tau_rise)
    return float(tau_rise * tau_decay / (tau_decay - tau_rise) * ratio)


def count_error(inferred: Array, true: Array) -> float:
    """Return the median over cells of the absolute relative error of the total count.

    Parameters
    ----------
    inferred, true : numpy.ndarray, shape (n_cells, n_frames)
        Spikes per frame. Cells without a true spike are left out; NaN if all are.
    """
    totals, truth = np.nansum(inferred, axis=1), true.sum(axis=1)
    fired = truth > 0
    if not fired.any():
        return float("nan")
    return float(np.median(np.abs(totals[fired] / truth[fired] - 1)))


def time_error(times: Sequence[Array], true: Array, fs: float) -> float:
    """Return the mean error in frames of the times of spikes that are alone.

    A frame holds the spikes within half a frame of its sample, so the truth is known to a frame
    and its mean over many spikes is not biased. In bursts a wrong count would move the pairs, so
    only frames with one true spike and no other within ``ISOLATION`` are judged.

    Parameters
    ----------
    times : sequence of numpy.ndarray
        Inferred spike times of each cell in seconds from the first sample.
    true : numpy.ndarray, shape (n_cells, n_frames)
    fs : float
        Imaging rate in hertz.

    Returns
    -------
    float
        Positive: too late. NaN where no lone spike was found.
    """
    errors = []
    for mine, counts in zip(times, true, strict=True):
        frames = np.flatnonzero(counts)
        gaps = np.diff(frames, prepend=-np.inf, append=np.inf) / fs
        lone = (np.minimum(gaps[:-1], gaps[1:]) > ISOLATION) & (counts[frames] == 1)
        truth = frames[lone] / fs
        if mine.size and truth.size:
            distances = mine[:, np.newaxis] - truth
            # The nearest: the earliest within the tolerance would be early on average.
            nearest = distances[np.abs(distances).argmin(axis=0), np.arange(truth.size)]
            errors.append(nearest[np.abs(nearest) <= TOLERANCE] * fs)
    joined = np.concatenate(errors) if errors else np.empty(0)
    return float(joined.mean()) if joined.size else float("nan")
