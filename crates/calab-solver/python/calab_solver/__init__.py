"""Numerical core of CaLab: a thin, typed Python face over Rust."""

from ._native import instruction_sets
from .ar2 import tau_to_ar2
from .baseline import rolling_baseline
from .biexponential import BiexpFitResult, fit_biexponential
from .chain import SampledKernel, sample_kernel
from .deconvolve import Deconvolution, deconvolve
from .events import Events, KernelScores, find_events, score_kernels
from .filter import bandpass_filter
from .foot import find_foot
from .free_kernel import estimate_kernel
from .kernel import build_kernel, compute_lipschitz, compute_upsample_factor
from .noise import noise_level
from .scale import EventScale, event_scale
from .simulate import SimulatedCells, simulate_cells
from .solve_trace import SolveTraceDetails, SolveTraceResult, solve_trace
from .spikes import PlacedSpikes, place_spikes

__all__ = [
    "BiexpFitResult",
    "Deconvolution",
    "EventScale",
    "Events",
    "KernelScores",
    "PlacedSpikes",
    "SampledKernel",
    "SimulatedCells",
    "SolveTraceDetails",
    "SolveTraceResult",
    "bandpass_filter",
    "build_kernel",
    "compute_lipschitz",
    "compute_upsample_factor",
    "deconvolve",
    "estimate_kernel",
    "event_scale",
    "find_events",
    "find_foot",
    "fit_biexponential",
    "instruction_sets",
    "noise_level",
    "place_spikes",
    "rolling_baseline",
    "sample_kernel",
    "score_kernels",
    "simulate_cells",
    "solve_trace",
    "tau_to_ar2",
]
