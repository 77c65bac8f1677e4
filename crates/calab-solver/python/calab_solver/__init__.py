"""Numerical core of CaLab: a thin, typed Python face over Rust."""

from ._native import instruction_sets
from .ar2 import tau_to_ar2
from .baseline import rolling_baseline
from .biexponential import BiexpFitResult, fit_biexponential
from .deconvolve import Deconvolution, deconvolve
from .filter import bandpass_filter
from .free_kernel import estimate_kernel
from .kernel import build_kernel, compute_lipschitz, compute_upsample_factor
from .noise import noise_level
from .simulate import SimulatedCells, simulate_cells

__all__ = [
    "BiexpFitResult",
    "Deconvolution",
    "SimulatedCells",
    "bandpass_filter",
    "build_kernel",
    "compute_lipschitz",
    "compute_upsample_factor",
    "deconvolve",
    "estimate_kernel",
    "fit_biexponential",
    "instruction_sets",
    "noise_level",
    "rolling_baseline",
    "simulate_cells",
    "tau_to_ar2",
]
