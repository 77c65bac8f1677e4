"""The numerical API of CaLab: from calcium traces to neural activity."""

from calab_solver import (
    bandpass_filter,
    build_kernel,
    compute_lipschitz,
    compute_upsample_factor,
    noise_level,
    tau_to_ar2,
)

from .deconvolution import run_deconvolution, run_deconvolution_full
from .result import DeconvolutionDetails, DeconvolutionResult

__all__ = [
    "DeconvolutionDetails",
    "DeconvolutionResult",
    "bandpass_filter",
    "build_kernel",
    "compute_lipschitz",
    "compute_upsample_factor",
    "noise_level",
    "run_deconvolution",
    "run_deconvolution_full",
    "tau_to_ar2",
]
