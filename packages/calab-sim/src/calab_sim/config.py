"""Complete description of a simulated recording."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from .parts import (
    ConfigModel,
    DriftModel,
    KernelConfig,
    MarkovConfig,
    NoiseConfig,
    PhotobleachingConfig,
    PoissonConfig,
    Positive,
    RandomWalkDrift,
    SaturationConfig,
    SpikeModel,
    Variation,
)

__all__ = ["SimulationConfig"]

MAX_SAMPLES = 2**32
MAX_STEPS_PER_FRAME = 2**20


class SimulationConfig(ConfigModel):
    r"""Complete description of a simulated recording.

    Attributes
    ----------
    fs_hz : float
        Frames per second.
    num_timepoints, num_cells : int
        Size of the recording, together at most 2\ :sup:`32` samples.
    kernel, spike_model, noise, drift, photobleaching, saturation : models
        The parts of the simulation.
    alpha_mean, alpha_cv : float
        Mean and coefficient of variation of the log-normal amplitude: the peak of one spike, or
        the ceiling of the fluorescence where saturation is on.
    seed : int
        Seed, 0 to 2\ :sup:`32` - 1.
    spike_sim_hz : float
        Steps per second on which spikes and calcium are simulated, rounded to a whole number of
        steps per frame (at least one).
    """

    fs_hz: Positive = 30.0
    num_timepoints: int = Field(default=27000, gt=0)
    num_cells: int = Field(default=100, gt=0)
    kernel: KernelConfig = KernelConfig()
    spike_model: SpikeModel = MarkovConfig()
    noise: NoiseConfig = NoiseConfig()
    drift: DriftModel = RandomWalkDrift()
    photobleaching: PhotobleachingConfig = PhotobleachingConfig()
    saturation: SaturationConfig = SaturationConfig()
    alpha_mean: Positive = 1.0
    alpha_cv: Variation = 0.3
    seed: int = Field(default=42, ge=0, lt=2**32)
    spike_sim_hz: Positive = Field(default=300.0, validate_default=True)

    @property
    def steps_per_frame(self) -> int:
        """Whole number of simulation steps in a frame."""
        return _steps(self.spike_sim_hz, self.fs_hz)

    @field_validator("num_cells")
    @classmethod
    def _size_is_limited(cls, num_cells: int, info: ValidationInfo) -> int:
        samples = num_cells * info.data.get("num_timepoints", 0)
        if samples > MAX_SAMPLES:
            raise ValueError(
                f"expected at most {MAX_SAMPLES} samples, got {num_cells} cells times "
                f"{info.data['num_timepoints']} time points"
            )
        return num_cells

    @field_validator("spike_sim_hz")
    @classmethod
    def _steps_hold_the_spikes(cls, spike_sim_hz: float, info: ValidationInfo) -> float:
        if "fs_hz" not in info.data:
            return spike_sim_hz
        steps = _steps(spike_sim_hz, info.data["fs_hz"])
        if steps > MAX_STEPS_PER_FRAME:
            raise ValueError(f"expected at most {MAX_STEPS_PER_FRAME} steps a frame, got {steps}")
        spike_model = info.data.get("spike_model")
        step_rate = steps * info.data["fs_hz"]
        if isinstance(spike_model, PoissonConfig) and spike_model.rate_hz > step_rate:
            raise ValueError(
                f"expected at least one step per spike of spike_model.rate_hz="
                f"{spike_model.rate_hz:g}, got {step_rate:g} steps a second"
            )
        return spike_sim_hz

    def overridden(self, changes: Mapping[str, object]) -> SimulationConfig:
        """Return a validated copy with some fields changed.

        Parameters
        ----------
        changes : mapping
            New values by field. A mapping changes only those fields of a part that it names,
            unless it names another ``model_type``; a model replaces the part.

        Returns
        -------
        SimulationConfig

        Raises
        ------
        pydantic.ValidationError
            If a value lies outside its range or a field is unknown; the error names the field.
        """
        values = self.model_dump()
        values |= {name: _merged(values.get(name), change) for name, change in changes.items()}
        return SimulationConfig.model_validate(values, extra="forbid")


def _steps(spike_sim_hz: float, fs_hz: float) -> int:
    # Half rounds up; the cap keeps an absurd ratio a number, to be refused by the validator.
    return max(1, int(min(spike_sim_hz / fs_hz, 1e18) + 0.5))


def _merged(old: object, new: object) -> object:
    if isinstance(new, BaseModel):
        return new.model_dump()
    if not (isinstance(old, dict) and isinstance(new, Mapping)):
        return new
    same_kind = new.get("model_type", old.get("model_type")) == old.get("model_type")
    return {**old, **new} if same_kind else dict(new)
