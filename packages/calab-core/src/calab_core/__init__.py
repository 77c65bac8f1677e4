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

from .cadecon import CaDeconDetails, CaDeconResult
from .deconvolution import run_deconvolution, run_deconvolution_full
from .dff import dff
from .quality import Quality, quality
from .result import DeconvolutionDetails, DeconvolutionResult

__all__ = [
    "BiexpFitResult",
    "CaDeconDetails",
    "CaDeconResult",
    "DeconvolutionDetails",
    "DeconvolutionResult",
    "Quality",
    "bandpass_filter",
    "build_kernel",
    "compute_lipschitz",
    "compute_upsample_factor",
    "dff",
    "estimate_kernel",
    "fit_biexponential",
    "noise_level",
    "quality",
    "run_deconvolution",
    "run_deconvolution_full",
    "tau_to_ar2",
]
