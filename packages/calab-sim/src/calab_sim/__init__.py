"""Simulated calcium-imaging recordings with known ground truth."""

from .indicators import presets
from .models import (
    DriftModel,
    KernelConfig,
    MarkovConfig,
    NoiseConfig,
    PhotobleachingConfig,
    PoissonConfig,
    RandomWalkDrift,
    SaturationConfig,
    SimulationConfig,
    SinusoidalDrift,
    SpikeModel,
)
from .recording import CellGroundTruth, SimulationResult, simulate

__all__ = [
    "CellGroundTruth",
    "DriftModel",
    "KernelConfig",
    "MarkovConfig",
    "NoiseConfig",
    "PhotobleachingConfig",
    "PoissonConfig",
    "RandomWalkDrift",
    "SaturationConfig",
    "SimulationConfig",
    "SimulationResult",
    "SinusoidalDrift",
    "SpikeModel",
    "presets",
    "simulate",
]
