"""Automated deconvolution: spikes and kernels from the traces alone."""

from .pipeline import run_cadecon
from .result import CaDeconDetails, CaDeconResult
from .settings import CadeconSettings, DeconConfig

__all__ = ["CaDeconDetails", "CaDeconResult", "CadeconSettings", "DeconConfig", "run_cadecon"]
