"""Commands read and write some cells at a time, and leave nothing else behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import calab_core.slabs
import numpy as np
import pytest
from calab_io import LazyTraces, save_for_tuning
from typer.testing import Result

Command = Callable[..., Result]

KERNEL = ("--tau-rise", 0.1, "--tau-decay", 0.6)


@pytest.fixture
def rec(folder: Path, traces: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of several slabs that cannot be read as a whole."""
    save_for_tuning(traces, 20.0, folder / "rec")

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("all cells were read at once")

    monkeypatch.setattr(LazyTraces, "__array__", refuse)
    monkeypatch.setattr(calab_core.slabs, "SLAB_BYTES", 1)
    return Path("rec.npy")


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (("deconvolve", *KERNEL), {"activity.npy"}),
        (("deconvolve", "--auto", "-o", "a"), {f"a_{n}.npy" for n in ("activity", "rate")}),
        (("info",), set()),
    ],
    ids=["given kernel", "auto", "info"],
)
def test_never_all_cells_at_once(
    calab_command: Command, rec: Path, arguments: tuple[object, ...], files: set[str]
) -> None:
    command, *options = arguments
    result = calab_command(command, rec, *options)
    assert result.exit_code == 0, result.output
    written = {path.name for path in Path().rglob("*")}
    assert {name for name in written if name.endswith(".npy")} == {"rec.npy", *files}
    assert not [name for name in written if name.startswith(".")]


@pytest.mark.parametrize("arguments", [KERNEL, ("--auto",)], ids=["given kernel", "auto"])
def test_a_failure_leaves_nothing(
    calab_command: Command, rec: Path, arguments: tuple[object, ...]
) -> None:
    content = np.load(rec)
    content[2, 7] = np.inf
    np.save(rec, content)
    before = sorted(Path().rglob("*"))
    result = calab_command("deconvolve", rec, *arguments)
    assert result.exit_code == 2
    assert "cell 2" in result.stderr
    assert sorted(Path().rglob("*")) == before
