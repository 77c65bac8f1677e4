from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calab_io import load_tuning_data
from calab_sim import SimulationConfig, presets, simulate
from typer.testing import Result

Command = Callable[..., Result]
Refused = Callable[..., str]

SMALL = ("--cells", 3, "--frames", 200, "--fs", 20, "--seed", 5)


@pytest.mark.installed
def test_preset_gives_what_the_library_gives(calab_command: Command) -> None:
    result = calab_command("simulate", "--preset", "gcamp6f", *SMALL, "-o", "sim", "--json")
    assert result.exit_code == 0, result.output
    config = presets.gcamp6f(num_cells=3, num_timepoints=200, fs_hz=20.0, seed=5)
    expected = simulate(config)
    traces, metadata = load_tuning_data("sim")
    np.testing.assert_array_equal(traces, expected.traces)
    assert metadata["sampling_rate_hz"] == 20.0
    assert SimulationConfig.model_validate(metadata["simulation"]) == config
    with np.load("sim_truth.npz", allow_pickle=False) as truth:
        np.testing.assert_array_equal(truth["spikes"][1], expected.ground_truth[1].spikes)
        assert truth["clean_calcium"].shape == (3, 200)
        assert truth["alpha"].shape == (3,)
    assert json.loads(result.stdout)["output"] == ["sim.npy", "sim_metadata.json", "sim_truth.npz"]


def test_configuration_file_with_overrides(calab_command: Command) -> None:
    config = presets.clean(num_cells=9, num_timepoints=100)
    Path("config.json").write_text(config.model_dump_json())
    result = calab_command("simulate", "--config", "config.json", "--cells", 2)
    assert result.exit_code == 0, result.output
    expected = simulate(presets.clean(num_cells=2, num_timepoints=100))
    np.testing.assert_array_equal(load_tuning_data("simulated")[0], expected.traces)


def test_output_can_be_deconvolved_at_once(calab_command: Command) -> None:
    assert calab_command("simulate", *SMALL).exit_code == 0
    result = calab_command("deconvolve", "simulated.npy", "--tau-rise", 0.1, "--tau-decay", 0.6)
    assert result.exit_code == 0, result.output
    assert np.load("activity.npy").shape == (3, 200)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--preset", "gcamp9z"), "no preset 'gcamp9z': there are clean, "),
        (("--preset", "clean", "--config", "c.json"), "either --preset or --config"),
        (("--cells", 0), "--cells: "),
        (("--fs", "-2"), "--fs: "),
        (("--seed", "x"), "Invalid value for '--seed'"),
        (("--config", "no.json"), "no.json: no such file"),
        (("--config", "broken.json"), "broken.json: expected a JSON file"),
        (("--config", "list.json"), "list.json: expected a JSON object, got list"),
        (("--config", "wrong.json"), "kernel.tau_rise_s: "),
        (("-o", "no/sim"), "no does not exist"),
    ],
)
def test_wrong_use_is_one_line(refused: Refused, arguments: tuple[object, ...], words: str) -> None:
    Path("broken.json").write_text("{")
    Path("list.json").write_text("[]")
    Path("wrong.json").write_text('{"kernel": {"tau_rise_s": "slow"}}')
    assert words in refused("simulate", *arguments)
    assert not list(Path().glob("sim*"))


def test_any_existing_file_of_the_three_stops_it(refused: Refused) -> None:
    Path("simulated_truth.npz").touch()
    assert "simulated_truth.npz exists" in refused("simulate", *SMALL)
    assert not Path("simulated.npy").exists()


@pytest.mark.parametrize(
    ("text", "key"),
    [('{"num_cell": 3}', "num_cell: "), ('{"kernel": {"tau_rise": 0.1}}', "kernel.tau_rise: ")],
)
def test_mistyped_key_is_named(refused: Refused, text: str, key: str) -> None:
    Path("typo.json").write_text(text)
    assert key in refused("simulate", "--config", "typo.json")
