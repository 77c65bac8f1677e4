"""What the tests of the numerical API share."""

import numpy as np
import pytest
from calab_core import build_kernel


def make_recording(n_cells, n_frames, seed=0, rate=0.02, noise=0.2, fs=30.0):
    """Poisson spikes of unit height through the kernel of 0.1 s and 0.6 s, with white noise."""
    rng = np.random.default_rng(seed)
    spikes = rng.poisson(rate, (n_cells, n_frames))
    kernel = build_kernel(0.1, 0.6, fs).astype(float)
    clean = np.array([np.convolve(row, kernel)[:n_frames] for row in spikes])
    return clean.reshape(spikes.shape) + noise * rng.standard_normal(spikes.shape)


@pytest.fixture
def recording():
    return make_recording
