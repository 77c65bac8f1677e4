"""Numerical core of CaLab: a thin, typed Python face over Rust."""

from .kernel import build_kernel
from .simulate import SimulatedCells, simulate_cells

__all__ = ["SimulatedCells", "build_kernel", "simulate_cells"]
