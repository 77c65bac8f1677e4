"""The biexponential calcium kernel and its autoregressive form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _native

__all__ = ["build_kernel"]


def build_kernel(tau_rise: float, tau_decay: float, fs: float) -> NDArray[np.float32]:
    """Sample the peak-normalised biexponential kernel."""
    return _native.build_kernel(tau_rise, tau_decay, fs).astype(np.float32)
