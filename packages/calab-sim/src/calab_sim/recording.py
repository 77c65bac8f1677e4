"""Simulate a recording, and what comes with it: the truth about every cell."""

from __future__ import annotations

import numpy as np
from calab_solver import simulate_cells
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .config import SimulationConfig
from .parts import PoissonConfig, SinusoidalDrift

__all__ = ["CellGroundTruth", "SimulationResult", "simulate"]


class CellGroundTruth(BaseModel):
    """The truth about one simulated cell.

    Attributes
    ----------
    spikes : numpy.ndarray, shape (n_frames,), float32
        Spike counts per frame.
    clean_calcium : numpy.ndarray, shape (n_frames,), float32
        Fluorescence without bleaching, drift and noise.
    alpha : float
        Amplitude: the peak of one spike, or the ceiling where saturation is on.
    snr : float
        Signal-to-noise ratio.
    tau_rise_s, tau_decay_s : float
        Time constants in seconds.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    spikes: NDArray[np.float32]
    clean_calcium: NDArray[np.float32]
    alpha: float
    snr: float
    tau_rise_s: float
    tau_decay_s: float


class SimulationResult(BaseModel):
    """A simulated recording.

    Attributes
    ----------
    traces : numpy.ndarray, shape (n_cells, n_frames), float32
        Fluorescence.
    ground_truth : list of CellGroundTruth
        One for each row of ``traces``.
    config : SimulationConfig
        What was simulated, overrides included.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    traces: NDArray[np.float32]
    ground_truth: list[CellGroundTruth]
    config: SimulationConfig


def simulate(
    config: SimulationConfig | None = None, *, n_threads: int | None = None, **overrides: object
) -> SimulationResult:
    """Simulate fluorescence traces with known spikes.

    A cell's trace depends on the configuration, the seed and the cell's index only: the first cells
    of a larger recording are those of a smaller one, and any number of threads gives the same
    bits. Options added after the spikes (noise, drift, saturation, bleaching) leave the spikes as
    they were.

    Parameters
    ----------
    config : SimulationConfig, optional
        What to simulate; by default `SimulationConfig()`.
    n_threads : int, optional
        Threads; by default one per available processor.
    **overrides
        Fields of `SimulationConfig` to change, such as ``num_cells=50`` or
        ``noise={"snr": 3}``: a mapping changes single fields of a part, a model replaces it.

    Returns
    -------
    SimulationResult
        Traces, the truth about every cell, and the configuration used.

    Raises
    ------
    pydantic.ValidationError
        If a field is unknown or outside its range; the error names the field.
    ValueError
        If ``n_threads`` is below 1.
    TypeError
        If ``config`` is no `SimulationConfig`.

    Notes
    -----
    Deliberate departures from ``calab`` 0.3.0: silent cells have noise and drift; the photon
    noise has a quantum that follows from its share of the variance instead of one trace unit;
    bleaching spares the drift; saturation keeps the cell's amplitude as its scale; drawn time
    constants never cross; time runs on whole steps per frame, so that time constants and Poisson
    rates are right whatever ``spike_sim_hz / fs_hz``.
    """
    config = SimulationConfig() if config is None else config
    if not isinstance(config, SimulationConfig):
        raise TypeError(f"config: expected a SimulationConfig, got {type(config).__name__}")
    used = config.overridden(overrides)
    cells = simulate_cells(
        used.num_cells,
        used.num_timepoints,
        used.fs_hz,
        tau_rise=used.kernel.tau_rise_s,
        tau_decay=used.kernel.tau_decay_s,
        tau_rise_cv=used.kernel.tau_rise_cv,
        tau_decay_cv=used.kernel.tau_decay_cv,
        steps_per_frame=used.steps_per_frame,
        alpha_mean=used.alpha_mean,
        alpha_cv=used.alpha_cv,
        snr=used.noise.snr,
        snr_spread=used.noise.snr_spread,
        shot_fraction=used.noise.shot_noise_fraction if used.noise.shot_noise_enabled else 0.0,
        seed=used.seed,
        n_threads=n_threads,
        **_spiking(used),
        **_saturation(used),
        **_drift(used),
        **_bleaching(used),
    )
    names = CellGroundTruth.model_fields
    columns = (cells.spikes, cells.clean_calcium, cells.alpha, cells.snr)
    rows = zip(*columns, cells.tau_rise, cells.tau_decay, strict=True)
    ground_truth = [CellGroundTruth(**dict(zip(names, row, strict=True))) for row in rows]
    return SimulationResult(traces=cells.traces, ground_truth=ground_truth, config=used)


def _spiking(config: SimulationConfig) -> dict[str, float]:
    model = config.spike_model
    if isinstance(model, PoissonConfig):
        return {"p_spike_when_silent": model.rate_hz / (config.fs_hz * config.steps_per_frame)}
    return model.model_dump(exclude={"model_type"})


def _saturation(config: SimulationConfig) -> dict[str, float]:
    saturation = config.saturation
    return saturation.model_dump(exclude={"enabled"}) if saturation.enabled else {}


def _drift(config: SimulationConfig) -> dict[str, float]:
    drift = config.drift
    if isinstance(drift, SinusoidalDrift):
        return {
            "sine_amplitude": drift.amplitude_fraction,
            "sine_cycles_min": drift.cycles_min,
            "sine_cycles_max": drift.cycles_max,
            "drift_cv": drift.amplitude_cv,
        }
    return {
        "walk_step": drift.step_std_fraction,
        "walk_reversion": drift.mean_reversion,
        "drift_cv": drift.step_std_cv,
    }


def _bleaching(config: SimulationConfig) -> dict[str, float]:
    bleaching = config.photobleaching
    if not bleaching.enabled:
        return {}
    return {
        "bleach_amplitude": bleaching.amplitude_fraction,
        "bleach_amplitude_cv": bleaching.amplitude_cv,
        "bleach_tau": bleaching.decay_time_constant_s,
    }
