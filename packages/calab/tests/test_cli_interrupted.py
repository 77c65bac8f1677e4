"""What Ctrl-C leaves is what the last line says, whenever it comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

Command = Callable[..., Result]

DECONVOLVE = ("deconvolve", "rec.npy", "--fs", 20, "--tau-rise", 0.1, "--tau-decay", 0.6, "-o", "a")
COMMANDS: dict[str, tuple[tuple[object, ...], str]] = {
    "deconvolve": (DECONVOLVE, "calab_core.run_deconvolution_full"),
    "demo": (("demo", "--cells", 2, "--frames", 300), "calab._demo.run_demo"),
    "simulate": (("simulate", "--cells", 2, "--frames", 300), "calab.simulate"),
    "files": (("convert", "rec.npy", "--fs", 20, "-o", "copy"), "calab_io.save_for_tuning"),
}


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def rec(folder: Path, traces: np.ndarray) -> None:
    np.save(folder / "rec.npy", traces)


@pytest.mark.parametrize("module", COMMANDS)
def test_before_anything_is_written(
    calab_command: Command, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, work = COMMANDS[module]
    monkeypatch.setattr(work, interrupt)
    result = calab_command(*arguments)
    assert result.exit_code == 130
    assert result.stderr == "calab: interrupted: nothing was written\n"
    assert files() == ["rec.npy"]


@pytest.mark.parametrize("module", COMMANDS)
def test_after_everything_was_written(
    calab_command: Command, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, _ = COMMANDS[module]
    monkeypatch.setattr(f"calab.cli.{module}.print_pairs", interrupt)
    for force in ((), ("--force",)):
        result = calab_command(*arguments, *force)
        assert result.exit_code == 0
        assert result.stderr == "calab: interrupted, but everything was written\n"
    assert len(files()) > 1


def test_between_the_outputs(calab_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calab._figure.draw_demo", interrupt)
    arguments = COMMANDS["demo"][0]
    assert "nothing was written" in calab_command(*arguments).stderr

    def half(stem: Path, *_: Any, **__: Any) -> None:
        Path(f"{stem}.npy").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("calab.save_for_tuning", lambda _, __, stem, ___: half(Path(stem)))
    result = calab_command(*COMMANDS["simulate"][0])
    assert result.exit_code == 1
    said = "calab: interrupted: of the outputs only simulated.npy are written\n"
    assert result.stderr == said
