import numpy as np
from numpy.typing import NDArray

def build_kernel(tau_rise: float, tau_decay: float, fs: float) -> NDArray[np.float64]: ...
