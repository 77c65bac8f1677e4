import numpy as np
from numpy.typing import NDArray

__all__ = [
    "bandpass_filter",
    "build_kernel",
    "compute_lipschitz",
    "compute_upsample_factor",
    "noise_level",
    "rolling_baseline",
    "tau_to_ar2",
]

def bandpass_filter(
    traces: NDArray[np.float64],
    tau_rise: float,
    tau_decay: float,
    fs: float,
    segments: list[int],
) -> NDArray[np.float64]: ...
def build_kernel(tau_rise: float, tau_decay: float, fs: float) -> NDArray[np.float64]: ...
def compute_lipschitz(kernel: NDArray[np.float64]) -> float: ...
def compute_upsample_factor(fs: float, target_fs: float) -> int: ...
def noise_level(
    traces: NDArray[np.float64], fs: float, segments: list[int]
) -> NDArray[np.float64]: ...
def rolling_baseline(
    traces: NDArray[np.float64],
    fs: float,
    tau_decay: float,
    centered: bool,
    segments: list[int],
) -> NDArray[np.float64]: ...
def tau_to_ar2(
    tau_rise: float, tau_decay: float, fs: float
) -> tuple[float, float, float, float]: ...
