"""Automated deconvolution: spikes and kernels from the traces alone."""

from .result import CaDeconDetails, CaDeconResult

__all__ = ["CaDeconDetails", "CaDeconResult"]
