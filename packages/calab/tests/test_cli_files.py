from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calab_io import load_tuning_data, read
from layouts.caiman import write_caiman
from layouts.minian import write_minian
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


@pytest.mark.parametrize("command", ["convert", "info"])
def test_results_of_caiman(calab_command: Command, folder: Path, command: str) -> None:
    write_caiman(folder / "results.hdf5")
    result = calab_command(command, "results.hdf5", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["cells"], said["frames"], said["fs_hz"]) == (3, 200, 20.0)
    if command == "info":
        assert said["trace"] == "raw"
        assert "C + YrA" in said["why"]
        return
    traces, metadata = load_tuning_data("results")
    np.testing.assert_array_equal(traces, np.asarray(read("results.hdf5").traces))
    assert metadata["cell_ids"] == [1, 2, 4]
    assert metadata["keys"] == ["estimates/C", "estimates/YrA"]


def test_a_library_that_is_missing_is_named(
    refused: Refused, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_minian(folder / "minian")

    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("calab_io.errors.import_module", absent)
    line = refused("info", "minian")
    assert line == "calab: reading zarr stores needs zarr: install calab with its extra 'minian'"


def test_what_is_read_is_chosen(calab_command: Command, folder: Path) -> None:
    write_caiman(folder / "results.hdf5")
    choice = ("--cells", "all", "--trace", "denoised", "--fs", 10, "--format", "caiman")
    result = calab_command("info", "results.hdf5", *choice, "--json")
    said = json.loads(result.stdout)
    assert (said["cells"], said["fs_hz"], said["trace"]) == (6, 10.0, "denoised")
    assert result.stderr == "calab: warning: results.hdf5: says 20 Hz; 10 Hz is used, as given\n"


def test_cells_are_chosen_by_their_ids(
    calab_command: Command, refused: Refused, folder: Path
) -> None:
    write_caiman(folder / "results.hdf5")
    result = calab_command("convert", "results.hdf5", "--cells", "4,0", "-o", "some")
    assert result.exit_code == 0, result.output
    assert json.loads(Path("some_metadata.json").read_text())["cell_ids"] == [4, 0]
    every = calab_command("convert", "results.hdf5", "--cells", "all", "-o", "every")
    assert every.exit_code == 0
    np.testing.assert_array_equal(np.load("some.npy"), np.load("every.npy")[[4, 0]])
    assert "no cell 17" in refused("info", "results.hdf5", "--cells", "17")
    assert "--cells: expected accepted, all, or whole" in refused(
        "info", "results.hdf5", "--cells", "some"
    )


def test_convert_refuses(refused: Refused, recording: Path, table: Path) -> None:
    assert "--format: expected 'auto' or 'suite2p' or" in refused("convert", table, "-f", "tiff")
    assert "--plane: does not apply to csv" in refused("convert", table, "--plane", 1)
    assert "expected a .npy file" in refused("convert", table, "-f", "npy")
    assert "give the sampling rate" in refused("convert", table)
    assert "--fs: expected a positive, finite" in refused("convert", table, "--fs", -1)
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


def test_info_says_which_cells_and_when(calab_command: Command, folder: Path) -> None:
    ids, times = np.arange(100, 120), 5 + np.arange(40) / 20
    np.savez(folder / "a.npz", x=np.ones((20, 40)), cell_ids=ids, timestamps=times)
    said = json.loads(calab_command("info", "a.npz", "--json").stdout)
    assert said["cell_ids"] == [100, 101, 102, "...", 117, 118, 119]
    assert said["timestamps_s"] == pytest.approx([5, 6.95])
    assert "100, 101, 102, ..., 117" in calab_command("info", "a.npz").stdout
    np.save(folder / "b.npy", np.ones((2, 40)))
    said = json.loads(calab_command("info", "b.npy", "--json").stdout)
    assert (said["format"], said["why"]) == ("npy", "the array in the file")


def test_info_takes_the_rate_from_the_sidecar(calab_command: Command, recording: Path) -> None:
    found = json.loads(calab_command("info", recording, "--json").stdout)
    assert (found["fs_hz"], found["duration_s"]) == (20.0, 15.0)
    shown = calab_command("info", recording).stdout
    assert "rec.npy" in shown
    assert "duration_s" in shown


@pytest.mark.parametrize(
    ("shape", "words"),
    [((0, 5), "no cells"), ((1, 0), "1 cells without a frame"), ((0,), "1 cells without a frame")],
)
def test_info_on_nothing(refused: Refused, shape: tuple[int, ...], words: str) -> None:
    np.save("x.npy", np.zeros(shape))
    assert refused("info", "x.npy") == f"calab: x.npy: {words}; choose another file"


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


def test_remedies_are_those_of_a_command_line(refused: Refused, folder: Path) -> None:
    np.savez(folder / "two.npz", a=np.ones((2, 30)), b=np.ones((2, 30)))
    assert "as in --key a" in refused("info", "two.npz")
    np.save(folder / "two.npy", np.ones((2, 30)))
    Path("two_metadata.json").write_text('{"sampling_rate_hz": "fast"}')
    assert refused("info", "two.npy").endswith("give --fs in Hz")
