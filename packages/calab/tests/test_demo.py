from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calab._demo import run_demo, with_spike_snr
from calab._figure import draw_demo
from calab_sim import presets
from typer.testing import Result

Command = Callable[..., Result]
Refused = Callable[..., str]

SMALL = ("--cells", 4, "--frames", 1500)
FILES = {
    "recording.npy",
    "recording_metadata.json",
    "truth.npz",
    "results.npz",
    "summary.json",
    "figure.png",
}


@pytest.mark.installed
def test_demo_writes_all_it_promises_and_scores_well(calab_command: Command) -> None:
    result = calab_command("demo", "--cells", 6, "--frames", 3600, "--json")
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("demo-output").iterdir()} == FILES
    printed = json.loads(result.stdout)
    saved = json.loads(Path("demo-output/summary.json").read_text())
    assert saved["rate_correlation_median"] == printed["rate_correlation_median"]
    # One spike is 8 times the noise: a method that finds none scores about 0, the true rate 1.
    assert printed["rate_correlation_median"] > 0.9
    assert printed["spike_snr"] == pytest.approx(8, rel=0.2)
    assert printed["scale_known"] >= 1
    # The bound for bursts; these spikes are mostly alone.
    assert printed["count_error_absolute_median"] < 0.15
    assert abs(printed["tau_decay_error"]) < 0.3
    with np.load("demo-output/results.npz", allow_pickle=False) as results:
        assert results["activity"].shape == (6, 3600)
    assert Path("demo-output/figure.png").read_bytes().startswith(b"\x89PNG")


def test_table_names_scores_and_time(calab_command: Command) -> None:
    result = calab_command("demo", *SMALL)
    assert result.exit_code == 0, result.output
    for words in ("correlation", "kernel found", "spike count", "time", "demo-output"):
        assert words in result.stdout
    assert result.stderr == ""


def test_without_matplotlib_all_else_is_written_and_advice_given(
    calab_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calab.cli.demo.find_spec", lambda name: None)
    result = calab_command("demo", *SMALL, "--json")
    assert result.exit_code == 0, result.output
    assert {path.name for path in Path("demo-output").iterdir()} == FILES - {"figure.png"}
    assert "figure.png" not in result.stdout
    assert "install calab with its extra 'plot'" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_results_of_another_run_are_kept_without_force(
    calab_command: Command, refused: Refused
) -> None:
    Path("demo-output").mkdir()
    Path("demo-output/notes.txt").write_text("mine")
    Path("demo-output/summary.json").write_text("old")
    assert "demo-output/summary.json exists: give --force" in refused("demo", *SMALL)
    assert Path("demo-output/summary.json").read_text() == "old"
    assert calab_command("demo", *SMALL, "--force").exit_code == 0
    assert Path("demo-output/notes.txt").read_text() == "mine"
    assert {path.name for path in Path("demo-output").iterdir()} == FILES | {"notes.txt"}


def test_wrong_use_is_one_line(refused: Refused) -> None:
    Path("file").touch()
    assert "file is not a folder" in refused("demo", "--out", "file")
    assert "file is not a folder" in refused("demo", "--out", "file/deeper")
    assert "no preset 'x'" in refused("demo", "--preset", "x")
    assert "--frames: " in refused("demo", "--frames", 0)
    assert "--rate" in refused("demo", "--rate", -1)
    assert "--spike-snr" in refused("demo", "--spike-snr", 0)
    assert not Path("demo-output").exists()


def test_seed_decides_the_recording(
    calab_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three figures would only take time.
    monkeypatch.setattr("calab.cli.demo.find_spec", lambda name: None)
    for seed, out in ((1, "a"), (1, "b"), (2, "c")):
        assert calab_command("demo", *SMALL, "--seed", seed, "-o", out).exit_code == 0
    a, b, c = (np.load(f"{out}/recording.npy") for out in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_measured_kernel_is_the_simulated_one() -> None:
    sparse = {"model_type": "poisson", "rate_hz": 0.5}
    demo = run_demo(presets.clean(num_cells=6, num_timepoints=1500, spike_model=sparse))
    assert demo.kernel.shape == demo.measured_kernel.shape
    # The preset has no drift and hardly any noise; what is left is the averaging over a frame,
    # which shifts spikes by half a frame on average.
    residual = np.sum((demo.measured_kernel - demo.kernel) ** 2)
    assert residual < 0.1 * np.sum((demo.measured_kernel - demo.measured_kernel.mean()) ** 2)


@pytest.mark.parametrize("spike_snr", [3.0, 8.0])
def test_noise_is_sized_by_one_spike(spike_snr: float) -> None:
    sparse = {"model_type": "poisson", "rate_hz": 0.5}
    config = presets.gcamp6f(num_cells=5, num_timepoints=1500, spike_model=sparse)
    demo = run_demo(with_spike_snr(config, spike_snr))
    # Cells differ in how high their spikes pile up; the median is that of five.
    assert demo.spike_snr == pytest.approx(spike_snr, rel=0.15)


def test_silent_cells_are_neither_scored_nor_an_error() -> None:
    silent = {"model_type": "poisson", "rate_hz": 1e-6}
    config = presets.gcamp6f(num_cells=2, num_timepoints=300, spike_model=silent)
    with pytest.warns(UserWarning, match="^the kernel may be wrong: no spike was found$"):
        demo = run_demo(with_spike_snr(config, 8.0))
    assert np.isnan(demo.rate_correlation).all()
    assert np.isnan(demo.count_error).all()
    assert np.isnan(demo.summary()["rate_correlation_median"])


def test_progress_counts_the_cells() -> None:
    calls: list[tuple[str, int, int]] = []
    run_demo(presets.clean(num_cells=3, num_timepoints=300), lambda *c: calls.append(c))
    phases = list(dict.fromkeys(phase for phase, _, _ in calls))
    assert phases == ["drift", "kernel", "sampling", "amplitudes", "spikes"]
    assert calls[-1] == ("spikes", 3, 3)


@pytest.mark.parametrize("cells", [1, 2])
def test_figure_of_few_cells(cells: int) -> None:
    figure = draw_demo(run_demo(presets.clean(num_cells=cells, num_timepoints=200)))
    figure.canvas.draw()
    titles = [axes.get_title(loc="left") for axes in figure.get_axes()]
    assert sum(title.startswith("cell ") for title in titles) == cells
    assert all(axes.get_ylabel() for axes in figure.get_axes())


def test_figure_of_an_earlier_run_does_not_stay(
    calab_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("demo-output").mkdir()
    Path("demo-output/figure.png").touch()
    monkeypatch.setattr("calab.cli.demo.find_spec", lambda name: None)
    assert calab_command("demo", *SMALL, "--force").exit_code == 0
    assert not Path("demo-output/figure.png").exists()
