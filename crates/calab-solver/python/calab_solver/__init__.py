"""Numerical core of CaLab: a thin, typed Python face over Rust."""

from ._native import instruction_sets
from .deconvolve import Deconvolution, deconvolve
from .kernel import build_kernel

__all__ = ["Deconvolution", "build_kernel", "deconvolve", "instruction_sets"]
