"""Numerical core of CaLab: a thin, typed Python face over Rust."""

from .kernel import build_kernel

__all__ = ["build_kernel"]
