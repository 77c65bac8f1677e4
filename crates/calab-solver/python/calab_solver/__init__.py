"""Numerical core of CaLab: a thin, typed Python face over Rust."""

from ._native import instruction_sets
from .deconvolve import Deconvolution, deconvolve
from .kernel import build_kernel
from .simulate import SimulatedCells, simulate_cells

__all__ = [
    "Deconvolution",
    "SimulatedCells",
    "build_kernel",
    "deconvolve",
    "instruction_sets",
    "simulate_cells",
]
