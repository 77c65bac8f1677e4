from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calab_core import run_cadecon
from typer.testing import Result

Command = Callable[..., Result]
Refused = Callable[..., str]


@pytest.mark.installed
def test_writes_what_the_library_gives(
    calab_command: Command, recording: Path, traces: np.ndarray
) -> None:
    result = calab_command("deconvolve", recording, "--auto", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    expected = run_cadecon(traces, 20.0)
    np.testing.assert_array_equal(np.load("out_activity.npy"), expected.activity)
    np.testing.assert_array_equal(np.load("out_rate.npy"), expected.details.rate)
    with np.load("out_spikes.npz") as spikes:
        for cell, times in enumerate(expected.details.spike_times):
            np.testing.assert_array_equal(spikes[f"cell_{cell}"], times)
    document = json.loads(Path("out_results.json").read_text())
    assert document["settings"] == expected.metadata["settings"]
    assert document["alphas"] == expected.metadata["alphas"]
    assert json.loads(result.stdout)["spikes"] == int(expected.activity.sum()) > 0


def test_a_report_is_a_page(calab_command: Command, recording: Path) -> None:
    result = calab_command("deconvolve", recording, "--auto", "-o", "out", "--report", "out.html")
    assert result.exit_code == 0, result.output
    assert "amplitude of one spike" in result.stdout
    assert Path("out.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_settings_reach_the_pipeline(calab_command: Command, recording: Path) -> None:
    options = ("--seed", 7, "--kernel", "per_cell", "--n-threads", 1)
    result = calab_command("deconvolve", recording, "--auto", "-o", "out", *options)
    assert result.exit_code == 0, result.output
    settings = json.loads(Path("out_results.json").read_text())["settings"]
    assert (settings["seed"], settings["kernel"]) == (7, "per_cell")


def test_refuses_what_contradicts_it(refused: Refused, recording: Path) -> None:
    line = refused("deconvolve", recording, "--auto", "--lam", 1, "--tol", 1e-3)
    assert "leave out --lam, --tol" in line
    assert "give --auto with --seed" in refused("deconvolve", recording, "--seed", 3)


def test_existing_files_are_kept(refused: Refused, recording: Path) -> None:
    Path("out_rate.npy").write_bytes(b"mine")
    assert "out_rate.npy exists" in refused("deconvolve", recording, "--auto", "-o", "out")
    assert Path("out_rate.npy").read_bytes() == b"mine"
    assert not Path("out_activity.npy").exists()


def test_a_rate_is_needed(refused: Refused, traces: np.ndarray) -> None:
    np.save("bare.npy", traces)
    assert "--fs HZ" in refused("deconvolve", "bare.npy", "--auto", "-o", "out")
