"""Numerical core of CaLab: a thin, typed Python face over Rust."""

from .ar2 import tau_to_ar2
from .baseline import rolling_baseline
from .filter import bandpass_filter
from .kernel import build_kernel, compute_lipschitz, compute_upsample_factor
from .noise import noise_level

__all__ = [
    "bandpass_filter",
    "build_kernel",
    "compute_lipschitz",
    "compute_upsample_factor",
    "noise_level",
    "rolling_baseline",
    "tau_to_ar2",
]
