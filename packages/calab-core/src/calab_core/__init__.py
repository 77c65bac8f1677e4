"""The numerical API of CaLab: from calcium traces to neural activity."""

from calab_solver import (
    BiexpFitResult,
    bandpass_filter,
    build_kernel,
    compute_lipschitz,
    compute_upsample_factor,
    estimate_kernel,
    fit_biexponential,
    noise_level,
    tau_to_ar2,
)

from .deconvolution import run_deconvolution, run_deconvolution_full
from .result import DeconvolutionDetails, DeconvolutionResult

__all__ = [
    "BiexpFitResult",
    "DeconvolutionDetails",
    "DeconvolutionResult",
    "bandpass_filter",
    "build_kernel",
    "compute_lipschitz",
    "compute_upsample_factor",
    "estimate_kernel",
    "fit_biexponential",
    "noise_level",
    "run_deconvolution",
    "run_deconvolution_full",
    "tau_to_ar2",
]
