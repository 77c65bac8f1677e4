"""How late spikes are, on average, on a grid that they do not lie on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["grid_lag"]

#: Bins per frame from which on half a bin is less than a tenth of a frame.
FINE = 6
#: Places of a spike within a bin, and bins to either side that may explain it best.
PLACES, BESIDE = 16, 2
#: Decays after which nothing is left of a transient, and frames after which none tells places
#: apart.
TAIL, MOST_FRAMES = 8.0, 512
#: Largest lag in frames: nearest to a spike stays the frame of its bin.
MOST = 0.49


@lru_cache(maxsize=4096)
def grid_lag(fs: float, tau_rise: float, tau_decay: float, upsample_factor: int) -> float:
    """Return how much later than its bin a spike is on average.

    A transient is 0 at its spike and seen only at the frames after it. On a coarse grid that which
    rises within a frame is therefore explained best from the bin before it, and its time is too
    early by up to half a frame, the same for all spikes.

    Parameters
    ----------
    fs : float
        Sampling rate in hertz.
    tau_rise, tau_decay : float
        Time constants in seconds.
    upsample_factor : int
        Bins per frame.

    Returns
    -------
    float
        Seconds; 0 from six bins per frame on, where it is less than a tenth of a frame.
    """
    if upsample_factor >= FINE:
        return 0.0
    tail = int(np.ceil(min(TAIL * tau_decay * fs, MOST_FRAMES)))
    frames = np.arange(tail + 2 * BESIDE + 2)
    bins = np.arange(-BESIDE * upsample_factor, (BESIDE + 1) * upsample_factor + 1)
    offsets = bins / upsample_factor
    places = (np.arange(PLACES * upsample_factor) + 0.5) / (PLACES * upsample_factor)
    ahead = frames - BESIDE

    def seen(times: NDArray[np.float64]) -> NDArray[np.float64]:
        since = np.maximum(ahead - times[:, None], 0.0) / fs
        return np.asarray(np.exp(-since / tau_decay) - np.exp(-since / tau_rise))

    candidates, spikes = seen(offsets), seen(places)
    norms = np.linalg.norm(candidates, axis=1)
    gains = spikes @ candidates.T / np.where(norms > 0, norms, np.inf)
    # Of a spike that no frame shows nothing is known.
    shown = gains.max(axis=1) > 0
    if not shown.any():
        return 0.0
    late = places[shown] - offsets[np.argmax(gains[shown], axis=1)]
    return float(np.clip(late.mean(), 0.0, MOST) / fs)
