"""Figures of automated deconvolution. Drawing needs matplotlib, the extra `plot`."""

from .convergence import plot_convergence
from .kernel import plot_kernel
from .quality import plot_quality
from .raster import plot_raster
from .trace import plot_trace

__all__ = ["plot_convergence", "plot_kernel", "plot_quality", "plot_raster", "plot_trace"]
