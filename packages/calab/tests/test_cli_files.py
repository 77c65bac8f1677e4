from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calab_io import load_tuning_data
from typer.testing import Result

Command = Callable[..., Result]
Refused = Callable[..., str]


@pytest.fixture
def table(folder: Path) -> Path:
    path = folder / "table.csv"
    path.write_text("1,2,,4\n5,6,7,8\n")
    return path


@pytest.mark.installed
def test_csv_becomes_a_tuning_pair(calab_command: Command, table: Path) -> None:
    result = calab_command("convert", table, "--fs", 30, "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "cells": 2,
        "frames": 4,
        "fs_hz": 30.0,
        "output": ["out.npy", "out_metadata.json"],
    }
    traces, metadata = load_tuning_data("out")
    np.testing.assert_array_equal(traces, [[1, 2, np.nan, 4], [5, 6, 7, 8]])
    assert metadata["sampling_rate_hz"] == 30.0
    assert metadata["source"] == "table.csv"


def test_stem_of_the_input_is_the_default(calab_command: Command, table: Path) -> None:
    assert calab_command("convert", table, "-f", "csv", "--fs", 30).exit_code == 0
    assert load_tuning_data("table")[0].shape == (2, 4)


def test_rate_and_metadata_come_along_from_the_sidecar(
    calab_command: Command, recording: Path, traces: np.ndarray
) -> None:
    assert calab_command("convert", recording, "-o", "copy").exit_code == 0
    copied, metadata = load_tuning_data("copy")
    np.testing.assert_array_equal(copied, traces)
    assert metadata["sampling_rate_hz"] == 20.0


@pytest.mark.parametrize("name", ["caiman", "minian"])
def test_formats_to_come_say_so(refused: Refused, recording: Path, name: str) -> None:
    line = refused("convert", recording, "--format", name)
    assert line == f"calab: --format {name} is not available in this version; npy and csv are"


def test_convert_refuses(refused: Refused, recording: Path, table: Path) -> None:
    assert "is not one of 'npy', 'csv'" in refused("convert", table, "-f", "tiff")
    assert "expected a .npy file" in refused("convert", table, "-f", "npy")
    assert "give the sampling rate" in refused("convert", table)
    assert "fs in Hz, got -1" in refused("convert", table, "--fs", -1)
    assert "is the input itself" in refused("convert", recording)
    Path("out_metadata.json").touch()
    assert "out_metadata.json exists" in refused("convert", table, "--fs", 30, "-o", "out")
    assert not Path("out.npy").exists()


@pytest.mark.installed
def test_info_describes_a_recording(calab_command: Command, traces: np.ndarray) -> None:
    traces[0, :9] = np.nan
    traces[1, 0] = np.inf
    traces[2] = 0.5
    np.save("x.npy", traces)
    result = calab_command("info", "x.npy", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["cells"], found["frames"], found["dtype"]) == (3, 300, "float64")
    assert (found["missing_samples"], found["infinite_samples"]) == (9, 1)
    assert found["constant_cells"] == 1
    assert found["fs_hz"] is None
    assert found["max"] == traces[np.isfinite(traces)].max()


def test_info_takes_the_rate_from_the_sidecar(calab_command: Command, recording: Path) -> None:
    found = json.loads(calab_command("info", recording, "--json").stdout)
    assert (found["fs_hz"], found["duration_s"]) == (20.0, 15.0)
    shown = calab_command("info", recording).stdout
    assert "rec.npy" in shown
    assert "duration_s" in shown


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0,)])
def test_info_on_nothing(calab_command: Command, shape: tuple[int, ...]) -> None:
    np.save("x.npy", np.zeros(shape))
    found = json.loads(calab_command("info", "x.npy", "--json").stdout)
    assert found["cells"] * found["frames"] == 0
    assert found["max"] is None


def test_info_on_an_export_shows_its_parameters(calab_command: Command) -> None:
    parameters = {"tau_rise_s": 0.1, "tau_decay_s": 0.6, "lambda": 0.1, "sampling_rate_hz": 20}
    Path("p.json").write_text(json.dumps({"parameters": parameters}))
    found = json.loads(calab_command("info", "p.json", "--json").stdout)
    assert found["tau_decay"] == 0.6
    assert found["filter_enabled"] is False


def test_info_refuses(refused: Refused, recording: Path) -> None:
    assert "no such file" in refused("info", "no.npy")
    assert "no such file" in refused("info", "no.json")
    Path("rec_metadata.json").write_text("{")
    assert "rec_metadata.json: expected a JSON file" in refused("info", recording)


@pytest.mark.installed
def test_versions_lists_what_is_installed(calab_command: Command) -> None:
    found = json.loads(calab_command("versions", "--json").stdout)
    assert {"calab", "calab-solver", "python"} <= set(found)
    assert "calab-core" in calab_command("versions").stdout


def test_suffix_of_the_output_is_not_doubled(calab_command: Command, table: Path) -> None:
    assert calab_command("convert", table, "--fs", 30, "-o", "zz.npy").exit_code == 0
    assert load_tuning_data("zz")[0].shape == (2, 4)


def test_info_on_a_name_without_suffix_says_there_is_no_file(refused: Refused) -> None:
    assert refused("info", "nofile") == "calab: nofile: no such file"
