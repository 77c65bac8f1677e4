"""What the tests of the numerical API share."""

import numpy as np
import pytest
from calab_core import CaDeconDetails, CaDeconResult, build_kernel


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


def make_cadecon(traces, spikes, alphas, fs=30.0, baseline=0.0, **changes):
    """Pretend that a run found these spikes, amplitudes and this constant baseline."""
    n_cells, n_frames = traces.shape
    kernel = build_kernel(0.1, 0.6, fs)
    fit = np.array([np.convolve(row, kernel)[:n_frames] for row in spikes])
    times = tuple(np.repeat(np.arange(n_frames), row.astype(int)) / fs for row in spikes)
    details = {
        "rate": (spikes * fs).astype(np.float32),
        "reconvolution": (baseline + alphas[:, None] * fit).astype(np.float32),
        "removed_baseline": np.full(traces.shape, baseline, np.float32),
        "spike_times": times,
        "noise": np.full(n_cells, 0.2),
        "alpha_sd": 0.1 * alphas,
        "scale_known": np.ones(n_cells, bool),
        "converged": np.ones(n_cells, bool),
        "tau_rise": np.full(n_cells, 0.1),
        "tau_decay": np.full(n_cells, 0.6),
        "cell_ids": np.arange(n_cells),
        "excluded": {},
        "masked_fraction": np.isnan(traces).mean(axis=1),
        "segments": (),
        "units": np.full(n_cells, "spikes"),
        "subset_kernels": (kernel.astype(float),),
        "kernel_fs": fs,
    }
    return CaDeconResult(
        spikes.astype(np.float32),
        alphas,
        np.full(n_cells, baseline),
        np.full(n_cells, np.nan),
        kernel,
        np.empty(0, np.float32),
        fs,
        {},
        details=CaDeconDetails(**(details | changes)),
    )


@pytest.fixture
def cadecon():
    return make_cadecon
