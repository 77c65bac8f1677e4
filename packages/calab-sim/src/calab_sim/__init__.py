"""Simulated calcium-imaging recordings with known ground truth."""

from .config import SimulationConfig
from .indicators import presets
from .parts import (
    DriftModel,
    KernelConfig,
    MarkovConfig,
    NoiseConfig,
    PhotobleachingConfig,
    PoissonConfig,
    RandomWalkDrift,
    SaturationConfig,
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
