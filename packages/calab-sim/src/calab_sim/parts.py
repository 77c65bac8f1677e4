"""The parts of a simulated recording, each a validated model.

Times are in seconds, rates in hertz, sizes in fractions of the cell's signal. Fields ending in
``_cv`` make the value differ between cells, by a log-normal factor with that coefficient of
variation. Unknown keys in JSON are ignored and missing ones take their defaults.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

ExtraValues = Literal["allow", "ignore", "forbid"]

__all__ = [
    "ConfigModel",
    "DriftModel",
    "KernelConfig",
    "MarkovConfig",
    "NoiseConfig",
    "PhotobleachingConfig",
    "PoissonConfig",
    "RandomWalkDrift",
    "SaturationConfig",
    "SinusoidalDrift",
    "SpikeModel",
]

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Variation = Annotated[float, Field(ge=0, le=10)]


class ConfigModel(BaseModel):
    """Model whose numbers are finite and whose constructor refuses unknown fields."""

    model_config = ConfigDict(allow_inf_nan=False, extra="forbid")

    @classmethod
    def model_validate(
        cls, obj: Any, *, extra: ExtraValues | None = "ignore", **options: Any
    ) -> Self:
        """Validate as pydantic does, but ignore unknown keys.

        Parameters
        ----------
        obj : object
            A mapping, or a model.
        extra : {"ignore", "forbid", "allow"}
            What happens to unknown keys.
        **options
            As for `pydantic.BaseModel.model_validate`.
        """
        return super().model_validate(obj, extra=extra, **options)

    @classmethod
    def model_validate_json(
        cls,
        json_data: str | bytes | bytearray,
        *,
        extra: ExtraValues | None = "ignore",
        **options: Any,
    ) -> Self:
        """Validate JSON as pydantic does, but ignore unknown keys.

        Parameters
        ----------
        json_data : str, bytes or bytearray
            The text.
        extra : {"ignore", "forbid", "allow"}
            What happens to unknown keys.
        **options
            As for `pydantic.BaseModel.model_validate_json`.
        """
        return super().model_validate_json(json_data, extra=extra, **options)


class KernelConfig(ConfigModel):
    r"""Biexponential response to one spike, :math:`h(t) = e^{-t/\tau_d} - e^{-t/\tau_r}`.

    It is scaled to a peak of 1. Pairs of drawn time constants that cross are drawn again.

    Attributes
    ----------
    tau_rise_s, tau_decay_s : float
        Time constants in seconds, ``tau_rise_s < tau_decay_s``.
    tau_rise_cv, tau_decay_cv : float
        Variation between cells.
    """

    tau_rise_s: Positive = 0.1
    tau_decay_s: Positive = Field(default=0.6, validate_default=True)
    tau_rise_cv: Variation = 0.0
    tau_decay_cv: Variation = 0.0

    @field_validator("tau_decay_s")
    @classmethod
    def _decay_exceeds_rise(cls, tau_decay_s: float, info: ValidationInfo) -> float:
        tau_rise_s = info.data.get("tau_rise_s", 0.0)
        if tau_decay_s <= tau_rise_s:
            raise ValueError(f"expected more than {tau_rise_s=}, got {tau_decay_s}")
        return tau_decay_s


class MarkovConfig(ConfigModel):
    """Neuron that switches between a silent and an active state: bursts of spikes.

    Attributes
    ----------
    p_silent_to_active, p_active_to_silent : float
        Probabilities per frame; the neuron starts silent.
    p_spike_when_active, p_spike_when_silent : float
        Probabilities per simulation step.
    p_silent_to_active_cv : float
        Variation between cells; the drawn probability stays at most 1.
    """

    model_type: Literal["markov"] = "markov"
    p_silent_to_active: Fraction = 0.005
    p_active_to_silent: Fraction = 0.3
    p_spike_when_active: Fraction = 0.5
    p_spike_when_silent: Fraction = 0.002
    p_silent_to_active_cv: Variation = 0.0


class PoissonConfig(ConfigModel):
    """Neuron that fires at a constant rate.

    Attributes
    ----------
    rate_hz : float
        Spikes per second, at most one per simulation step.
    """

    model_type: Literal["poisson"] = "poisson"
    rate_hz: Positive = 1.0


class NoiseConfig(ConfigModel):
    r"""Gaussian noise, and photon noise on demand.

    With :math:`M` the larger of the cell's largest clean value and the peak of a single spike, the
    noise has the standard deviation :math:`\sigma = M / \text{snr}`. Of its variance, photon noise
    takes the fraction :math:`f` at the level :math:`M`, and in proportion elsewhere: a level
    :math:`x` means :math:`|x|/q` photons on average, each worth the quantum
    :math:`q = f \sigma^2 / M`.

    Attributes
    ----------
    snr : float
        Signal-to-noise ratio, a plain ratio.
    shot_noise_enabled : bool
        Whether there is photon noise.
    shot_noise_fraction : float
        The fraction :math:`f`.
    snr_spread : float
        Half-width of the uniform spread of ``snr`` between cells, which stays at least 1 (or
        ``snr``, if that is lower).

    References
    ----------
    Photon noise: Rupprecht et al. (2021), doi:10.1038/s41593-021-00895-5.
    """

    snr: Positive = 8.0
    shot_noise_enabled: bool = False
    shot_noise_fraction: Fraction = 0.3
    snr_spread: NonNegative = 0.0


class RandomWalkDrift(ConfigModel):
    r"""Baseline that wanders and slowly returns: :math:`d_t = (1 - r) d_{t-1} + w M N(0, 1)`.

    Attributes
    ----------
    step_std_fraction : float
        :math:`w`, as a fraction of the reference level :math:`M` (see `NoiseConfig`).
    mean_reversion : float
        :math:`r`, per frame.
    step_std_cv : float
        Variation of the step between cells.

    References
    ----------
    Deneux et al. (2016), doi:10.1038/ncomms12190.
    """

    model_type: Literal["random_walk"] = "random_walk"
    step_std_fraction: NonNegative = 0.002
    mean_reversion: Fraction = 0.001
    step_std_cv: Variation = 0.0


class SinusoidalDrift(ConfigModel):
    """Baseline that follows a sine: a simple test signal.

    Attributes
    ----------
    amplitude_fraction : float
        Amplitude, as a fraction of the reference level (see `NoiseConfig`).
    cycles_min, cycles_max : float
        Range of the number of cycles over the recording, drawn uniformly for each cell.
    amplitude_cv : float
        Variation of the amplitude between cells.
    """

    model_type: Literal["sinusoidal"] = "sinusoidal"
    amplitude_fraction: NonNegative = 0.1
    cycles_min: Positive = 2.0
    cycles_max: Positive = Field(default=4.0, validate_default=True)
    amplitude_cv: Variation = 0.0

    @field_validator("cycles_max")
    @classmethod
    def _range_is_ordered(cls, cycles_max: float, info: ValidationInfo) -> float:
        cycles_min = info.data.get("cycles_min", 0.0)
        if cycles_max < cycles_min:
            raise ValueError(f"expected at least {cycles_min=}, got {cycles_max}")
        return cycles_max


class PhotobleachingConfig(ConfigModel):
    r"""Loss of indicator: the calcium signal times :math:`1 - A (1 - e^{-t/\tau})`.

    The drift does not fade: it comes from tissue and focus, not from the indicator.

    Attributes
    ----------
    enabled : bool
        Whether the indicator bleaches.
    decay_time_constant_s : float
        :math:`\tau` in seconds.
    amplitude_fraction : float
        :math:`A`, the share that bleaches in the end.
    amplitude_cv : float
        Variation between cells; the drawn share stays at most 1.

    References
    ----------
    Charles et al. (2019), doi:10.1101/726174.
    """

    enabled: bool = False
    decay_time_constant_s: Positive = 600.0
    amplitude_fraction: Fraction = 0.15
    amplitude_cv: Variation = 0.0


class SaturationConfig(ConfigModel):
    r"""Saturating indicator: :math:`F = \alpha\, c^n / (c^n + K_d^n)`.

    Here :math:`c` is the calcium in units of a single spike's peak, and the cell's amplitude
    :math:`\alpha` is the ceiling of its fluorescence.

    Attributes
    ----------
    enabled : bool
        Whether the indicator saturates.
    hill_coefficient : float
        :math:`n`.
    k_d : float
        :math:`K_d`, the calcium at half of the ceiling.
    k_d_cv : float
        Variation between cells.

    References
    ----------
    Deneux et al. (2016), doi:10.1038/ncomms12190.
    """

    enabled: bool = False
    hill_coefficient: Positive = 1.0
    k_d: Positive = 5.0
    k_d_cv: Variation = 0.0


SpikeModel = Annotated[MarkovConfig | PoissonConfig, Field(discriminator="model_type")]
DriftModel = Annotated[SinusoidalDrift | RandomWalkDrift, Field(discriminator="model_type")]
