from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "bandpass_filter",
    "build_kernel",
    "compute_lipschitz",
    "compute_upsample_factor",
    "estimate_kernel",
    "fit_biexponential",
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
    high_pass: bool,
    low_pass: bool,
) -> NDArray[np.float64]: ...
def build_kernel(tau_rise: float, tau_decay: float, fs: float) -> NDArray[np.float64]: ...
def estimate_kernel(
    traces: NDArray[np.float64],
    spikes: NDArray[np.float64],
    lengths: list[int],
    alphas: NDArray[np.float64],
    baselines: NDArray[np.float64],
    kernel_length: int,
    *,
    upsample: int,
    smooth_lambda: float,
    tol: float,
    max_iters: int,
) -> tuple[NDArray[np.float64], float, int, bool]: ...
def fit_biexponential(
    kernel: NDArray[np.float64],
    fs: float,
    *,
    two_components: bool,
    skip: int,
    warm: tuple[tuple[float, float, float], tuple[float, float, float] | None] | None,
) -> tuple[float, float, float, float, float, float, float, str]: ...
def instruction_sets() -> list[str]: ...
def deconvolve(
    traces: NDArray[np.float64] | NDArray[np.float32],
    fs: float,
    tau_rise: float,
    tau_decay: float,
    lam: float | None,
    *,
    method: str,
    boxed: bool,
    baseline: str,
    segments: list[int],
    tol: float,
    max_iters: int,
    single: bool,
    full: bool,
    n_threads: int | None,
    level: str | None,
    progress: Callable[[int, int], object] | None,
) -> tuple[
    NDArray[Any],
    tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    tuple[
        NDArray[np.float64],
        NDArray[np.float64],
        NDArray[np.int64],
        NDArray[np.bool_],
        NDArray[np.float64],
        NDArray[np.float64],
        NDArray[np.float64],
        list[str],
        NDArray[np.float64],
        NDArray[np.float64],
    ],
]: ...
def event_scale(
    amplitudes: NDArray[np.float64],
    null_level: float,
    *,
    threshold: float,
    gap: float,
    variations: list[float],
    outliers: list[float],
    weight_strength: float,
    weight_mean: float,
    prior_mean: float,
    prior_sd: float,
) -> tuple[
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
    float,
    float,
    float,
    int,
]: ...
def find_events(
    batch: dict[str, Any], noise: NDArray[np.float64], ways: list[dict[str, float]]
) -> list[
    tuple[
        NDArray[np.int64],
        NDArray[np.float64],
        NDArray[np.int64],
        NDArray[np.float64],
        NDArray[np.float64],
        NDArray[np.float64],
        NDArray[np.float64],
    ]
]: ...
def event_costs(
    batch: dict[str, Any], noise: NDArray[np.float64], rules: dict[str, float]
) -> NDArray[np.float64]: ...
def find_foot(
    batch: dict[str, Any], noise: NDArray[np.float64], width: int, rules: dict[str, float]
) -> NDArray[np.float64]: ...
def place_spikes(
    batch: dict[str, Any],
    alphas: NDArray[np.float64],
    thetas: NDArray[np.float64],
    events: list[tuple[NDArray[np.int64], NDArray[np.float64]]],
    *,
    window: float,
    spread: float,
    sweeps: int,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float32],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.bool_],
]: ...
def sample_kernel(
    batch: dict[str, Any],
    baselines: NDArray[np.float64],
    noise: NDArray[np.float64],
    *,
    sweeps: int,
    least: int,
    burn_in: int,
    spread: float,
    seed: int,
) -> tuple[
    tuple[float, float],
    NDArray[np.float64],
    bool,
    int,
    NDArray[np.float64],
    float,
    float,
]: ...
def score_kernels(
    batch: dict[str, Any],
    noise: NDArray[np.float64],
    windows: NDArray[np.int64],
    rules: dict[str, float],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]: ...
def simulate_cells(
    parameters: dict[str, float | None],
    traces: NDArray[np.float32],
    spikes: NDArray[np.float32],
    clean_calcium: NDArray[np.float32],
    properties: NDArray[np.float64],
    n_threads: int,
) -> None: ...
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
