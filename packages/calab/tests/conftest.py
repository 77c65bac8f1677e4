from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calab.cli import app
from calab_core import CaDeconDetails, CaDeconResult, build_kernel, noise_level
from calab_io import save_for_tuning
from calab_sim import SimulationResult
from calab_solver import rolling_baseline
from typer.testing import CliRunner, Result

FS, TAU_RISE, TAU_DECAY = 20.0, 0.1, 0.6


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands write to the working folder by default, so each test has its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def calab_command() -> Callable[..., Result]:
    """Run `calab` in this process; anything but an exit is an error of the test."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="calab")

    return run


@pytest.fixture
def refused(calab_command: Callable[..., Result]) -> Callable[..., str]:
    """Run `calab`, expect exit code 2 and one line on stderr, and return that line."""

    def run(*arguments: object) -> str:
        result = calab_command(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("calab: ")
        return lines[0]

    return run


@pytest.fixture
def traces() -> np.ndarray:
    """Three cells with one event every two seconds, 300 frames at 20 Hz, little noise."""
    spikes = np.zeros((3, 300))
    spikes[:, 20::40] = 1
    time = np.arange(100) / FS
    kernel = np.exp(-time / TAU_DECAY) - np.exp(-time / TAU_RISE)
    calcium = np.array([np.convolve(row, kernel)[:300] for row in spikes])
    return 1 + calcium + np.random.default_rng(3).normal(0, 0.02, calcium.shape)


@pytest.fixture
def recording(folder: Path, traces: np.ndarray) -> Path:
    """Traces with the sampling rate beside them."""
    save_for_tuning(traces, FS, folder / "rec")
    return Path("rec.npy")


def pretend(simulation: SimulationResult, n_subsets: int = 4, **changes: object) -> CaDeconResult:
    """Make the result of a run that found the truth, and a history of how it got there."""
    config, truth = simulation.config, simulation.ground_truth
    fs, tau = config.fs_hz, (config.kernel.tau_rise_s, config.kernel.tau_decay_s)
    spikes = np.array([cell.spikes for cell in truth])
    n_cells, n_frames = spikes.shape
    kernel = build_kernel(*tau, fs)
    alphas = np.array([cell.alpha for cell in truth], dtype=float)
    fit = np.array([np.convolve(row, kernel)[:n_frames] for row in spikes])
    calcium = alphas[:, None] * fit
    foot = rolling_baseline(simulation.traces - calcium, fs, 5.0, mode="centered")
    rng = np.random.default_rng(0)
    fine = build_kernel(*tau, 10 * fs).astype(float)
    wobble = np.cumsum(rng.normal(0, 0.004, (n_subsets, fine.size)), axis=1) * (fine > 0.02)
    frames = [np.repeat(np.arange(n_frames), row.astype(int)) for row in spikes]
    history = [
        {
            "iteration": k,
            "tau_rise": tau[0] * (1 + 0.8 * 0.5**k),
            "tau_decay": tau[1] * (1 + 0.3 * 0.4**k),
            "kernel_change": None if k == 0 else 0.3 * 0.45**k,
            "pve": 0.8 - 0.2 * 0.5**k,
        }
        for k in range(9)
    ]
    details = {
        "rate": fs * spikes,
        "reconvolution": (foot + calcium).astype(np.float32),
        "removed_baseline": foot.astype(np.float32),
        "spike_times": tuple((f + rng.random(f.size)) / fs for f in frames),
        "noise": np.atleast_1d(noise_level(simulation.traces, fs)),
        "alpha_sd": 0.07 * alphas,
        "scale_known": np.ones(n_cells, bool),
        "converged": np.ones(n_cells, bool),
        "tau_rise": np.full(n_cells, tau[0]),
        "tau_decay": np.full(n_cells, tau[1]),
        "cell_ids": np.arange(n_cells),
        "excluded": {},
        "masked_fraction": np.isnan(simulation.traces).mean(axis=1),
        "segments": (),
        "units": np.full(n_cells, "spikes"),
        "subset_kernels": tuple(fine + wobble),
        "kernel_fs": 10 * fs,
    }
    metadata = {
        "fs": fs,
        "tau_rise": tau[0],
        "tau_decay": tau[1],
        "converged": True,
        "converged_at_iteration": 6,
        "num_iterations": 9,
        "settings": {"convergence_tol": 0.005, "max_iterations": 20, "seed": 42},
        "history": history,
    }
    return CaDeconResult(
        spikes,
        alphas,
        foot.mean(axis=1),
        np.full(n_cells, np.nan),
        kernel,
        np.empty(0, np.float32),
        fs,
        metadata,
        details=CaDeconDetails(**(details | changes)),  # type: ignore[arg-type]
    )


@pytest.fixture
def pretended() -> Callable[..., CaDeconResult]:
    return pretend
