"""The benchmarks run without the packages they compare with, and their rows make sense."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(script, folder, *arguments):
    """Run a benchmark and return its rows and what it printed."""
    target = folder / "rows.json"
    command = [sys.executable, BENCHMARKS / script, "--quick", "--json", target, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(target.read_text()), done.stdout


def recording(fs, tau_rise, tau_decay, seed):
    """Two minutes of dF/F in which one spike stands out of the noise, and the spike times."""
    random = np.random.default_rng(seed)
    seconds = np.arange(round(120 * fs)) / fs
    spikes = np.sort(random.uniform(0, 120, size=60))
    since = np.maximum(seconds[:, np.newaxis] - spikes, 0)
    calcium = np.sum(np.exp(-since / tau_decay) - np.exp(-since / tau_rise), axis=1)
    return calcium + random.normal(0, 0.1, size=seconds.size), spikes


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "recordings.h5"
    sets = {"A": ("GCaMP6f", 30.0, 0.05, 0.5), "B": ("GCaMP6s", 60.0, 0.15, 1.3)}
    with h5py.File(path, "w") as file:
        for name, (indicator, fs, *time_constants) in sets.items():
            for seed, segment in enumerate(("0", "1")):
                group = file.create_group(f"{name}/neuron/{segment}")
                trace, spikes = recording(fs, *time_constants, seed)
                group["trace"], group["spike_times"] = trace.astype(np.float32), spikes
                group.attrs.update(fs=fs, indicator=indicator)
    return path


def test_ground_truth_finds_simulated_spikes(tmp_path, data):
    rows, printed = run("ground_truth.py", tmp_path, "--data", data)
    done = [row for row in rows if row["run"]]
    assert {row["data_set"] for row in done} == {"A", "B", "overall"}
    rates = [row for row in done if row["kind"] == "rate"]
    assert {row["sigma"] for row in rates} == {0.2, 0.05}
    for row in rates:
        assert row["as_is"] <= row["best"] + 1e-12
        # True time constants and a signal ten times the noise: 0.9 leaves room for the seed.
        if (
            row["method"].startswith("calab ")
            and row["sigma"] == 0.2
            and "0.3.0" not in row["method"]
        ):
            assert row["as_is"] > 0.9, row
    assert {row["method"] for row in rows if not row["run"]} >= {"calab 0.3.0, lam 0"}
    assert "not run" in printed


def test_deconvolution_has_every_row(tmp_path):
    rows, printed = run("deconvolution.py", tmp_path)
    by_name = {row["what"].split(":")[0]: row for row in rows}
    assert len(rows) == 10
    for row in rows:
        assert row["ours"] > 0, row
        assert (row["ratio"] is None) == (row["verdict"] == "not run")
        assert row["what"] in printed
    # What is compared with other packages was not run, what is about ours alone was.
    assert by_name["lam='auto'"]["verdict"] == "not run"
    assert by_name["rolling baseline"]["verdict"] in {"met", "MISSED"}


def test_peer_without_the_package_is_not_run(tmp_path, data):
    # This interpreter has a calab, but not the published 0.3.0, and no OASIS.
    rows, _ = run("ground_truth.py", tmp_path, "--data", data, "--peers", sys.executable)
    peers = [row for row in rows if "0.3.0" in row["method"] or "OASIS" in row["method"]]
    assert len(peers) == 5
    assert not any(row["run"] for row in peers)


def test_objective_agrees_with_the_solver(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from _problem import Problem
    from calab_core import run_deconvolution_full

    trace, _ = recording(30.0, 0.1, 0.6, seed=3)
    problem = Problem(30.0, 0.1, 0.6, trace.size)
    result = run_deconvolution_full(trace, 30.0, 0.1, 0.6, 0.3, baseline_mode="none")
    judged = problem.objective(trace, result.activity, 0.3)
    # Both sum the same thousands of terms in f64, one of them through a Fourier transform.
    assert judged == pytest.approx(float(result.details.objective), rel=1e-9)
