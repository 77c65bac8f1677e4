from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calab.cli import app
from calab_io import save_for_tuning
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
