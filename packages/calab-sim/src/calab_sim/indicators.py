"""Ready-made configurations for common calcium indicators."""

from __future__ import annotations

from collections.abc import Mapping

from .config import SimulationConfig

__all__ = ["presets"]


class presets:
    """Indicators by name, each a `SimulationConfig` that keywords override.

    Every method takes the fields of `SimulationConfig`, those that the preset sets included: a
    mapping changes single fields of a part, as in ``presets.gcamp6f(noise={"snr": 3})``, a model
    replaces the part. An unknown field or a value outside its range raises
    `pydantic.ValidationError`, which names the field.

    The time constants describe somatic signals in population imaging, where they are slower than
    the indicator's response to a single action potential.
    """

    @staticmethod
    def gcamp6f(**overrides: object) -> SimulationConfig:
        """GCaMP6f; Chen et al. (2013), doi:10.1038/nature12354."""
        return _indicator(0.1, 0.6, 20.0, overrides)

    @staticmethod
    def gcamp6s(**overrides: object) -> SimulationConfig:
        """GCaMP6s, slow and sensitive; Chen et al. (2013), doi:10.1038/nature12354."""
        return _indicator(0.4, 1.8, 25.0, overrides)

    @staticmethod
    def gcamp6m(**overrides: object) -> SimulationConfig:
        """GCaMP6m, between the two; Chen et al. (2013), doi:10.1038/nature12354."""
        return _indicator(0.15, 0.9, 22.0, overrides)

    @staticmethod
    def jgcamp8f(**overrides: object) -> SimulationConfig:
        """jGCaMP8f, fast and noisier; Zhang et al. (2023), doi:10.1038/s41586-023-05828-9."""
        return _indicator(0.05, 0.3, 12.0, overrides)

    @staticmethod
    def jgcamp8m(**overrides: object) -> SimulationConfig:
        """jGCaMP8m, fast and sensitive; Zhang et al. (2023), doi:10.1038/s41586-023-05828-9.

        That study introduces the indicator; none of the numbers here is a figure of it. Rise and
        decay are those that our benchmark assumes for its recordings, chosen by hand and not
        fitted; ``snr`` is our choice.
        """
        return _indicator(0.02, 0.3, 15.0, overrides)

    @staticmethod
    def jgcamp8s(**overrides: object) -> SimulationConfig:
        """jGCaMP8s, slower, most sensitive; Zhang et al. (2023), doi:10.1038/s41586-023-05828-9.

        That study introduces the indicator; none of the numbers here is a figure of it. Rise and
        decay are those that our benchmark assumes for its recordings, chosen by hand and not
        fitted; ``snr`` is our choice.
        """
        return _indicator(0.03, 0.6, 20.0, overrides)

    @staticmethod
    def ogb1(**overrides: object) -> SimulationConfig:
        """Oregon Green BAPTA-1, a dye; Stosiek et al. (2003), doi:10.1073/pnas.1232232100."""
        return _indicator(0.05, 1.5, 15.0, overrides)

    @staticmethod
    def clean(**overrides: object) -> SimulationConfig:
        """Nearly noise-free, driftless cells of equal amplitude, for checking an algorithm."""
        still = {"drift": {"step_std_fraction": 0.0}, "alpha_cv": 0.0}
        return _indicator(0.1, 0.6, 200.0, still).overridden(overrides)


def _indicator(
    tau_rise_s: float, tau_decay_s: float, snr: float, overrides: Mapping[str, object]
) -> SimulationConfig:
    kernel = {"tau_rise_s": tau_rise_s, "tau_decay_s": tau_decay_s}
    preset = SimulationConfig().overridden({"kernel": kernel, "noise": {"snr": snr}})
    return preset.overridden(overrides)
