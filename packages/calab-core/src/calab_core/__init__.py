"""The numerical API of CaLab: from calcium traces to neural activity.

The automated deconvolution is loaded when one of its names is first used, for its settings need
pydantic, whose import takes longer than a deconvolution.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from calab_solver import (
    BiexpFitResult,
    SolveTraceDetails,
    SolveTraceResult,
    bandpass_filter,
    build_kernel,
    compute_lipschitz,
    compute_upsample_factor,
    estimate_kernel,
    fit_biexponential,
    noise_level,
    solve_trace,
    tau_to_ar2,
)

from .deconvolution import run_deconvolution, run_deconvolution_full
from .dff import dff
from .quality import Quality, quality
from .result import DeconvolutionDetails, DeconvolutionResult

if TYPE_CHECKING:
    from .cadecon import CaDeconDetails, CaDeconResult, CadeconSettings, DeconConfig, run_cadecon

__all__ = [
    "BiexpFitResult",
    "CaDeconDetails",
    "CaDeconResult",
    "CadeconSettings",
    "DeconConfig",
    "DeconvolutionDetails",
    "DeconvolutionResult",
    "Quality",
    "SolveTraceDetails",
    "SolveTraceResult",
    "bandpass_filter",
    "build_kernel",
    "compute_lipschitz",
    "compute_upsample_factor",
    "dff",
    "estimate_kernel",
    "fit_biexponential",
    "noise_level",
    "quality",
    "run_cadecon",
    "run_deconvolution",
    "run_deconvolution_full",
    "solve_trace",
    "tau_to_ar2",
]

_CADECON = {"CaDeconDetails", "CaDeconResult", "CadeconSettings", "DeconConfig", "run_cadecon"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _CADECON:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(".cadecon", __name__), name)
        globals()[name] = value
        return value
