"""Time single calls through Python with pytest-benchmark, each with its answer checked.

Run as ``pytest benchmarks --benchmark-only``. For following our own speed from one commit to the
next; ``deconvolution.py`` compares with other packages.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from calab import run_deconvolution_full, simulate
from calab_solver import rolling_baseline
from numpy.typing import NDArray

FS, TAU_RISE, TAU_DECAY = 30.0, 0.1, 0.6
CELLS, FRAMES = 32, 9_000


@pytest.fixture(scope="module")
def traces() -> NDArray[np.float64]:
    """Return a simulated recording, cells x frames."""
    recording = simulate(num_cells=CELLS, num_timepoints=FRAMES, fs_hz=FS)
    return np.asarray(recording.traces, dtype=np.float64)


@pytest.mark.parametrize("lam", [0.5, "auto"])
def test_deconvolve_exactly(
    benchmark: Any, traces: NDArray[np.float64], lam: float | Literal["auto"]
) -> None:
    """Solve to a certified relative gap of 1e-6."""
    result = benchmark(run_deconvolution_full, traces, FS, TAU_RISE, TAU_DECAY, lam)
    assert result.converged.all()
    assert np.all(result.details.gap <= 1e-6 * result.details.objective)


@pytest.mark.parametrize("mode", ["causal", "centered"])
def test_take_the_baseline(
    benchmark: Any, traces: NDArray[np.float64], mode: Literal["causal", "centered"]
) -> None:
    """Slide the quantile over every cell."""
    baseline = benchmark(rolling_baseline, traces, FS, TAU_DECAY, mode=mode)
    assert np.all(baseline <= traces.max(axis=1, keepdims=True))


def test_simulate(benchmark: Any) -> None:
    """Simulate the recording that the others use."""
    recording = benchmark(simulate, num_cells=CELLS, num_timepoints=FRAMES, fs_hz=FS)
    assert np.isfinite(recording.traces).all()
