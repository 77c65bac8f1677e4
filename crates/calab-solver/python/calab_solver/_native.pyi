import numpy as np
from numpy.typing import NDArray

def build_kernel(tau_rise: float, tau_decay: float, fs: float) -> NDArray[np.float64]: ...
def simulate_cells(
    parameters: dict[str, float | None],
    traces: NDArray[np.float32],
    spikes: NDArray[np.float32],
    clean_calcium: NDArray[np.float32],
    properties: NDArray[np.float64],
    n_threads: int,
) -> None: ...
