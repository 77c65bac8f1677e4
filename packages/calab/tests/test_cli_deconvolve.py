from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calab_core import run_deconvolution, run_deconvolution_full
from calab_io import save_for_tuning
from typer.testing import Result

Command = Callable[..., Result]
Refused = Callable[..., str]

KERNEL = ("--tau-rise", 0.1, "--tau-decay", 0.6)


@pytest.fixture
def params(folder: Path) -> Path:
    path = folder / "params.json"
    parameters = {"tau_rise_s": 0.1, "tau_decay_s": 0.6, "lambda": 0.1, "sampling_rate_hz": 20}
    path.write_text(json.dumps({"schema_version": "1.1.0", "parameters": parameters}))
    return path


@pytest.mark.installed
def test_export_gives_what_the_library_gives(
    calab_command: Command, recording: Path, params: Path, traces: np.ndarray
) -> None:
    result = calab_command("deconvolve", recording, "-p", params)
    assert result.exit_code == 0, result.output
    expected = run_deconvolution(traces, 20.0, 0.1, 0.6, 0.1)
    np.testing.assert_array_equal(np.load("activity.npy"), expected)
    assert result.stderr == ""


def test_time_constants_take_the_rate_from_the_sidecar_and_lam_from_the_noise(
    calab_command: Command, recording: Path, traces: np.ndarray
) -> None:
    result = calab_command("deconvolve", recording, *KERNEL, "-o", "a.npy", "--json")
    assert result.exit_code == 0, result.output
    expected = run_deconvolution(traces, 20.0, 0.1, 0.6, "auto")
    np.testing.assert_array_equal(np.load("a.npy"), expected)
    summary = json.loads(result.stdout)
    assert summary["cells"] == 3
    assert summary["frames"] == 300
    assert summary["fs_hz"] == 20.0
    assert summary["lam"] == "auto"
    assert summary["converged"] == 3
    assert summary["output"] == "a.npy"


def test_full_writes_every_field_without_pickle(
    calab_command: Command, recording: Path, traces: np.ndarray
) -> None:
    result = calab_command("deconvolve", recording, *KERNEL, "--lam", 0.1, "--full")
    assert result.exit_code == 0, result.output
    expected = run_deconvolution_full(traces, 20.0, 0.1, 0.6, 0.1)
    with np.load("activity.npz", allow_pickle=False) as saved:
        for name in ("activity", "baseline", "reconvolution", "iterations", "converged"):
            np.testing.assert_array_equal(saved[name], getattr(expected, name))
        for name in ("gap", "lam", "lam_rule", "noise", "masked_fraction", "removed_baseline"):
            np.testing.assert_array_equal(saved[name], getattr(expected.details, name))
        assert saved["tau_decay"] == 0.6


def test_options_reach_the_solver(
    calab_command: Command, recording: Path, traces: np.ndarray
) -> None:
    options = ("--baseline-mode", "centered", "--dtype", "float32", "--n-threads", 1, "--tol", 1e-5)
    result = calab_command("deconvolve", recording, *KERNEL, "--lam", 0.1, *options)
    assert result.exit_code == 0, result.output
    activity = np.load("activity.npy")
    assert activity.dtype == np.float32
    expected = run_deconvolution(
        traces, 20.0, 0.1, 0.6, 0.1, baseline_mode="centered", dtype="float32", tol=1e-5
    )
    np.testing.assert_array_equal(activity, expected)


def test_segments_reach_the_solver(
    calab_command: Command, recording: Path, traces: np.ndarray
) -> None:
    assert calab_command("deconvolve", recording, *KERNEL, "--segments", "0,100").exit_code == 0
    joined = np.load("activity.npy")
    expected = run_deconvolution(traces, 20.0, 0.1, 0.6, "auto", segments=[0, 100])
    np.testing.assert_array_equal(joined, expected)
    assert not np.array_equal(joined, run_deconvolution(traces, 20.0, 0.1, 0.6, "auto"))


def test_box_needs_no_sparsity_weight(
    calab_command: Command, recording: Path, traces: np.ndarray
) -> None:
    assert calab_command("deconvolve", recording, *KERNEL, "--constraint", "box01").exit_code == 0
    expected = run_deconvolution(traces, 20.0, 0.1, 0.6, 0.0, constraint="box01")
    np.testing.assert_array_equal(np.load("activity.npy"), expected)


def test_cells_without_certificate_are_counted_aloud(
    calab_command: Command, recording: Path
) -> None:
    result = calab_command("deconvolve", recording, *KERNEL, "--max-iters", 1)
    assert result.exit_code == 0, result.output
    assert result.stderr == "calab: warning: 3 of 3 cells have no certificate\n"


def test_csv_of_frames_by_cells_with_header(
    calab_command: Command, folder: Path, traces: np.ndarray
) -> None:
    rows = "\n".join(",".join(map(repr, row)) for row in traces.T.tolist())
    (folder / "table.csv").write_text(f"a,b,c\n{rows}\n")
    reading = ("--transpose", "--skip-rows", 1, "--fs", 20)
    result = calab_command("deconvolve", "table.csv", *KERNEL, *reading)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    expected = run_deconvolution(traces, 20.0, 0.1, 0.6, "auto")
    np.testing.assert_array_equal(np.load("activity.npy"), expected)


def test_suspicious_orientation_is_said_on_stderr(
    calab_command: Command, folder: Path, traces: np.ndarray
) -> None:
    np.save(folder / "turned.npy", traces.T[:200])
    result = calab_command("deconvolve", "turned.npy", *KERNEL, "--fs", 20, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["cells"] == 200
    first = result.stderr.splitlines()[0]
    assert first.startswith("calab: warning: turned.npy: read as 200 cells x 3 frames")


def test_missing_samples_are_masked_or_refused(
    calab_command: Command, refused: Refused, folder: Path, traces: np.ndarray
) -> None:
    traces[1, 30:60] = np.nan
    np.save(folder / "gaps.npy", traces)
    arguments = ("deconvolve", "gaps.npy", *KERNEL, "--fs", 20, "--lam", 0.1)
    assert "got nan at cell 1, frame 30" in refused(*arguments, "--on-nan", "raise")
    assert not Path("activity.npy").exists()
    result = calab_command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["missing_share"] == pytest.approx(30 / 900)
    assert np.isfinite(np.load("activity.npy")).all()


def test_infinite_sample_is_refused(refused: Refused, folder: Path, traces: np.ndarray) -> None:
    traces[1, 5] = np.inf
    np.save(folder / "bad.npy", traces)
    assert "inf" in refused("deconvolve", "bad.npy", *KERNEL, "--fs", 20)


def test_existing_output_is_kept_without_force_and_before_any_work(
    calab_command: Command, refused: Refused, recording: Path
) -> None:
    Path("activity.npy").write_text("precious")
    # Even the input is not looked at: the refusal comes first.
    assert "activity.npy exists: give --force" in refused("deconvolve", "no.npy", *KERNEL)
    assert Path("activity.npy").read_text() == "precious"
    assert calab_command("deconvolve", recording, *KERNEL, "--force").exit_code == 0
    assert np.load("activity.npy").shape == (3, 300)


def test_input_is_never_the_output(refused: Refused, recording: Path) -> None:
    before = recording.read_bytes()
    line = refused("deconvolve", recording, *KERNEL, "-o", "./rec.npy", "--force")
    assert "is the input itself" in line
    assert recording.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument 'FILE' (see calab deconvolve --help)"),
        (("no.npy", *KERNEL), "no.npy: no such file"),
        (("rec.npy",), "give --params JSON, or both --tau-rise and --tau-decay"),
        (("rec.npy", "--tau-rise", 0.1), "give --params JSON, or both"),
        (("rec.npy", *KERNEL, "-p", "p.json"), "either --params or --tau-rise, --tau-decay"),
        (("rec.npy", "-p", "p.json"), "p.json: no such file"),
        (("rec.npy", *KERNEL, "--lam", "much"), "expected --lam auto or a number, got 'much'"),
        (("rec.npy", *KERNEL, "--lam", "-1"), "lam"),
        (("rec.npy", *KERNEL, "--segments", "0;9"), "expected --segments as in 0,9000,18000"),
        (("rec.npy", *KERNEL, "--fs", "0"), "fs"),
        (("rec.npy", "--tau-rise", 0.6, "--tau-decay", 0.1), "tau"),
        (("rec.npy", *KERNEL, "--fs", "fast"), "Invalid value for '--fs'"),
        (("rec.npy", *KERNEL, "--method", "magic"), "'magic' is not one of 'exact', 'fista'"),
        (("rec.npy", *KERNEL, "--nonsense"), "No such option: --nonsense"),
        (("rec.npy", *KERNEL, "-o", "no/a.npy"), "no does not exist: make it first"),
        (("rec.npy", *KERNEL, "-o", "rec.npy/a.npy"), "rec.npy is not a folder"),
        (("rec.npy", *KERNEL, "-o", "a.txt"), "the activity alone is written as .npy"),
        (("rec.npy", *KERNEL, "-o", "a.npz"), "with --full all is written as .npz"),
        (("rec.npy", *KERNEL, "-o", "sub"), "sub.npy is a folder: name a file"),
        (("rec.mat", *KERNEL), "rec.mat: no such file or folder"),
    ],
)
def test_wrong_use_is_one_line(
    refused: Refused, recording: Path, arguments: tuple[object, ...], words: str
) -> None:
    Path("sub.npy").mkdir()
    before = sorted(Path().iterdir())
    assert words in refused("deconvolve", *arguments)
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expected a JSON file"),
        ("[]", "expected a JSON object"),
        ('{"parameters": {}}', "no field parameters.tau_rise_s"),
    ],
)
def test_broken_export_is_one_line(
    refused: Refused, recording: Path, params: Path, text: str, words: str
) -> None:
    params.write_text(text)
    line = refused("deconvolve", recording, "-p", params)
    assert words in line
    assert '"' not in line.split("params.json")[0], "a KeyError must not be shown as a repr"


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2, 2)), np.array(["x"]), np.array([1, None], dtype=object)]
)
def test_array_that_is_no_traces_is_one_line(
    refused: Refused, folder: Path, array: np.ndarray
) -> None:
    np.save(folder / "bad.npy", array, allow_pickle=True)
    assert "bad.npy: expected" in refused("deconvolve", "bad.npy", *KERNEL, "--fs", 20)


def test_empty_file_is_one_line(refused: Refused, folder: Path) -> None:
    (folder / "empty.npy").touch()
    (folder / "empty.csv").touch()
    assert "expected a .npy file" in refused("deconvolve", "empty.npy", *KERNEL, "--fs", 20)
    assert "got no rows" in refused("deconvolve", "empty.csv", *KERNEL, "--fs", 20)


def test_rate_is_asked_for_where_nothing_says_it(
    refused: Refused, folder: Path, traces: np.ndarray
) -> None:
    np.save(folder / "alone.npy", traces)
    assert "give the sampling rate with --fs HZ" in refused("deconvolve", "alone.npy", *KERNEL)


def test_export_of_another_rate_is_refused(
    calab_command: Command, refused: Refused, params: Path, traces: np.ndarray
) -> None:
    save_for_tuning(traces, 30.0, "other")
    line = refused("deconvolve", "other.npy", "-p", params)
    assert "tuned at 20 Hz" in line
    assert line.endswith("but the recording has 30 Hz; --fs says what it really has")
    save_for_tuning(traces, 20.05, "near")
    result = calab_command("deconvolve", "near.npy", "-p", params)
    assert result.exit_code == 0, result.stderr
    assert "the rate of the export is used" in result.stderr
    result = calab_command("deconvolve", "other.npy", "-p", params, "--fs", 20, "-o", "b")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tau-rise", "-1", "--tau-decay", 0.6), "calab: --tau-rise: expected"),
        ((*KERNEL, "--fs", "-1"), "calab: --fs: expected"),
        ((*KERNEL, "--lam", "-1"), "calab: --lam: expected"),
        ((*KERNEL, "--tol", "2"), "calab: --tol: expected"),
        ((*KERNEL, "--n-threads", "0"), "calab: --n-threads: expected"),
    ],
)
def test_errors_name_the_option(
    refused: Refused, recording: Path, arguments: tuple[object, ...], words: str
) -> None:
    assert refused("deconvolve", recording, *arguments).startswith(words)


def test_broken_sidecar_needs_a_rate_and_is_said_aloud(
    calab_command: Command, refused: Refused, recording: Path
) -> None:
    Path("rec_metadata.json").write_text('{"sampling_rate_hz": "fast"}')
    assert "sampling_rate_hz: expected a number, got 'fast'; give --fs" in refused(
        "deconvolve", recording, *KERNEL
    )
    Path("rec_metadata.json").write_text("{")
    result = calab_command("deconvolve", recording, *KERNEL, "--fs", 20)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("calab: warning: rec_metadata.json: expected a JSON file")
    # As a warning of its own, and nothing is lost of the traces.
    assert np.load("activity.npy").shape == np.load(recording).shape
