from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calab.cli._output import phase_bars
from calab_core import run_cadecon
from calab_io import save_for_tuning
from calab_sim import presets, simulate
from typer.testing import Result

Command = Callable[..., Result]
Refused = Callable[..., str]

FILES = ["out_activity.npy", "out_rate.npy", "out_results.json", "out_spikes.npz"]


@pytest.fixture(scope="module")
def simulated() -> np.ndarray:
    """Four cells, 900 frames at 30 Hz, single spikes far above the noise, and one dead row."""
    spikes = {"model_type": "poisson", "rate_hz": 0.5}
    config = presets.clean(num_cells=4, num_timepoints=900, fs_hz=30.0, spike_model=spikes)
    traces = simulate(config).traces
    return np.vstack([traces, np.full((1, 900), 7.0)])


@pytest.fixture
def rec(folder: Path, simulated: np.ndarray) -> Path:
    save_for_tuning(simulated, 30.0, folder / "rec")
    return Path("rec.npy")


def written() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if not path.name.startswith("rec"))


@pytest.mark.installed
def test_writes_what_the_library_finds(
    calab_command: Command, rec: Path, simulated: np.ndarray
) -> None:
    result = calab_command("deconvolve", rec, "--auto", "-o", "out")
    assert result.exit_code == 0, result.output
    assert written() == FILES
    expected = run_cadecon(np.load(rec), 30.0)
    np.testing.assert_array_equal(np.load("out_activity.npy"), expected.activity)
    np.testing.assert_array_equal(np.load("out_rate.npy"), expected.details.rate)
    with np.load("out_spikes.npz", allow_pickle=False) as spikes:
        assert set(spikes) == {f"cell_{cell}" for cell in range(5)}
        for cell, times in enumerate(expected.details.spike_times):
            np.testing.assert_array_equal(spikes[f"cell_{cell}"], times)
    saved = json.loads(Path("out_results.json").read_text())
    assert saved["tau_decay"] == expected.metadata["tau_decay"]
    assert saved["settings"] == expected.metadata["settings"]
    assert saved["source"] == "rec.npy"
    assert [cell["alpha"] for cell in saved["cells"][:4]] == expected.alphas[:4].tolist()
    assert saved["cells"][4]["excluded"] == "constant: every recorded frame is 7"
    assert saved["cells"][4]["alpha"] is None


def test_table_says_what_matters(calab_command: Command, rec: Path) -> None:
    result = calab_command("deconvolve", rec, "--auto", "-o", "out")
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.replace("│", " ").split())
    for words in ("tau_decay", "scale known", "of 5 cells", "variance explained", "flags"):
        assert words in text
    assert "4: constant: every recorded frame is 7" in text


def test_json_counts_what_was_written(calab_command: Command, rec: Path) -> None:
    result = calab_command("deconvolve", rec, "--auto", "-o", "out", "--json")
    summary = json.loads(result.stdout)
    cells = json.loads(Path("out_results.json").read_text())["cells"]
    known = [cell["scale_known"] for cell in cells]
    assert [cell["converged"] for cell in cells] == [True] * 4 + [False]
    assert summary["scale_known"] == sum(known)
    assert summary["spikes"] == np.load("out_activity.npy")[known].sum()
    assert summary["excluded"] == {"4": "constant: every recorded frame is 7"}
    assert summary["flags"]["excluded"] == 1
    assert sorted(summary["output"]) == FILES


def test_every_option_reaches_the_settings(calab_command: Command, rec: Path) -> None:
    options = {
        "--upsample-target": 60,
        "--max-iterations": 7,
        "--convergence-tol": 0.02,
        "--patience": 2,
        "--subsets": 3,
        "--coverage": 0.5,
        "--aspect-ratio": 2.0,
        "--seed": 5,
        "--kernel": "per_cell",
    }
    pairs = [word for pair in options.items() for word in pair]
    switches = ("--no-hp-filter", "--no-lp-filter", "--no-noise-constraint")
    common = ("--segments", "0,450", "--n-threads", 1, "--on-nan", "raise")
    result = calab_command("deconvolve", rec, "--auto", *pairs, *switches, *common, "-o", "out")
    assert result.exit_code == 0, result.output
    saved = json.loads(Path("out_results.json").read_text())
    assert saved["settings"] == {
        "upsample_target": 60,
        "hp_filter_enabled": False,
        "lp_filter_enabled": False,
        "max_iterations": 7,
        "convergence_tol": 0.02,
        "patience": 2,
        "num_subsets": 3,
        "target_coverage": 0.5,
        "aspect_ratio": 2.0,
        "seed": 5,
        "noise_constrained": False,
        "kernel": "per_cell",
    }
    assert saved["segments"] in ([450], [0, 450])


def test_report_is_one_of_the_outputs_and_knows_the_unit(
    calab_command: Command, refused: Refused, rec: Path
) -> None:
    Path("page.html").write_text("mine")
    arguments = ("deconvolve", rec, "--auto", "-o", "out", "--report", "page.html", "--dff")
    assert "page.html exists: give --force" in refused(*arguments)
    assert written() == ["page.html"]
    result = calab_command(*arguments, "--force")
    assert result.exit_code == 0, result.output
    page = Path("page.html").read_text("utf-8")
    assert "rec.npy" in page
    assert "% / √Hz" in page
    cells = json.loads(Path("out_results.json").read_text())["cells"]
    assert cells[0]["noise_dff"] > 0


def test_existing_files_are_kept(refused: Refused, rec: Path) -> None:
    Path("out_rate.npy").write_bytes(b"mine")
    assert "out_rate.npy exists" in refused("deconvolve", rec, "--auto", "-o", "out.npy")
    assert Path("out_rate.npy").read_bytes() == b"mine"
    assert written() == ["out_rate.npy"]


def test_names_begin_as_the_recording_does(calab_command: Command, rec: Path) -> None:
    assert calab_command("deconvolve", rec, "--auto").exit_code == 0
    assert Path("rec_activity.npy").exists()


def test_report_without_matplotlib_is_refused_before_any_work(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calab.cli.auto.find_spec", lambda name: None)
    line = refused("deconvolve", "no.npy", "--auto", "--report", "page.html")
    assert "install calab with its extra 'plot'" in line


def test_a_failing_report_leaves_nothing(
    calab_command: Command, rec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "page.html")

    monkeypatch.setattr("calab.report.write_report", fail)
    monkeypatch.setattr("calab.write_report", fail, raising=False)
    result = calab_command("deconvolve", rec, "--auto", "-o", "out", "--report", "page.html")
    assert result.exit_code == 2
    assert "no space left" in result.stderr
    assert written() == []


def test_interruption_says_what_was_written(
    calab_command: Command, rec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("calab.cli.auto.print_json", interrupt)
        late = calab_command("deconvolve", rec, "--auto", "-o", "out", "--json")
    assert late.exit_code == 0
    assert late.stderr.splitlines()[0] == "calab: interrupted, but everything was written"
    assert written() == FILES
    monkeypatch.setattr("calab_core.run_cadecon", interrupt)
    early = calab_command("deconvolve", rec, "--auto", "-o", "early")
    assert early.exit_code == 130
    assert early.stderr == "calab: interrupted: nothing was written\n"
    assert written() == FILES


def test_recording_without_anything_is_said_aloud(calab_command: Command, folder: Path) -> None:
    np.save(folder / "dead.npy", np.zeros((2, 100)))
    result = calab_command("deconvolve", "dead.npy", "--auto", "--fs", 30, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == "calab: warning: no cell holds anything to deconvolve\n"
    assert json.loads(result.stdout)["spikes_per_s"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rec.npy", "--auto", "--tau-rise", 0.1, "--lam", 1), "leave out --tau-rise, --lam"),
        (("rec.npy", "--auto", "-p", "p.json", "--full"), "leave out --params, --full"),
        (("rec.npy", "--auto", "--method", "exact"), "leave out --method"),
        (("rec.npy", "--seed", 1, "--no-hp-filter"), "with --no-hp-filter, --seed"),
        (("rec.npy", "--report", "a.html"), "give --auto with --report"),
        (("rec.npy", "--auto", "--coverage", 2), "--coverage: "),
        (("rec.npy", "--auto", "--subsets", 0), "--subsets: "),
        (("rec.npy", "--auto", "--subsets", 0, "--coverage", 2), "; --coverage: "),
        (("rec.npy", "--auto", "--fs", -1), "--fs: expected"),
        (("rec.npy", "--auto", "--n-threads", 0), "--n-threads: expected"),
        (("rec.npy", "--auto", "--kernel", "mine"), "'mine' is not one of"),
        (("rec.npy", "--auto", "-o", "no/out"), "no does not exist: make it first"),
        (("rec.npy", "--auto", "--report", "rec_rate.npy"), "a name of its own"),
        (("rec.npy", "--auto", "--report", "rec.npy", "--force"), "is the input itself"),
        (("no.npy", "--auto"), "no.npy: no such file"),
        ((".", "--auto", "-o", "x"), "no recording is in this folder"),
        (("rec.npy", "--auto", "-o", ""), "needs the beginning of a file's name"),
        (("alone.npy", "--auto"), "give the sampling rate with --fs HZ"),
        (("rec.npy",), "or --auto"),
    ],
)
def test_wrong_use_is_one_line(
    refused: Refused, rec: Path, arguments: tuple[object, ...], words: str
) -> None:
    np.save("alone.npy", np.ones((2, 50)))
    before = sorted(Path().iterdir())
    assert words in refused("deconvolve", *arguments)
    assert sorted(Path().iterdir()) == before


def test_bars_follow_the_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    with phase_bars({}, quiet=True) as report:
        assert report is None
    monkeypatch.setattr("calab.cli._output._on_terminal", lambda: True)
    with phase_bars({"kernel": "[finding]"}, quiet=False) as report:
        assert report is not None
        report("kernel", 3, 20)
        report("spikes", 1, 5)
        report("spikes", 5, 5)
