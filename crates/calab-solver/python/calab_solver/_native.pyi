from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

def build_kernel(tau_rise: float, tau_decay: float, fs: float) -> NDArray[np.float64]: ...

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
def simulate_cells(
    parameters: dict[str, float | None],
    traces: NDArray[np.float32],
    spikes: NDArray[np.float32],
    clean_calcium: NDArray[np.float32],
    properties: NDArray[np.float64],
    n_threads: int,
) -> None: ...
