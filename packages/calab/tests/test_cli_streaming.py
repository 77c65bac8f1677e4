"""Commands read and write some cells at a time, and leave nothing else behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import calab_core.slabs
import numpy as np
import pytest
from calab._scratch import LOCK, PREFIX, _host
from calab_io import LazyTraces, save_for_tuning
from calab_io.locks import locked
from typer.testing import Result

Command = Callable[..., Result]

KERNEL = ("--tau-rise", 0.1, "--tau-decay", 0.6)
AUTO = {f"a_{name}.npy" for name in ("activity", "rate")}


@pytest.fixture
def rec(folder: Path, traces: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of several slabs that cannot be read as a whole."""
    save_for_tuning(traces, 20.0, folder / "rec")

    def one(self: LazyTraces, rows: np.ndarray) -> np.ndarray:
        assert rows.size < self.shape[0], "all cells were read at once"
        return rows_of(self, rows)

    rows_of = LazyTraces._rows
    monkeypatch.setattr(LazyTraces, "_rows", one)
    monkeypatch.setattr(calab_core.slabs, "SLAB_BYTES", 1)
    monkeypatch.setattr("calab_core.cadecon.rows.block_cells", lambda shape: 1)
    return Path("rec.npy")


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (("deconvolve", *KERNEL), {"activity.npy"}),
        (("deconvolve", *KERNEL, "--full"), set()),
        (("deconvolve", "--auto", "-o", "a"), AUTO),
        (("deconvolve", "--auto", "-o", "a", "--report", "a.html"), AUTO),
        (("info",), set()),
    ],
    ids=["given kernel", "full", "auto", "report", "info"],
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


def test_what_a_killed_process_left_is_removed(calab_command: Command, rec: Path) -> None:
    here = f"{PREFIX}{_host()}-"
    names = (f"{here}left", f"{here}used", f"{here}new", f"{here}closed", f"{PREFIX}elsewhere-left")
    folders = [Path(name) for name in names]
    for folder in folders:
        folder.mkdir()
        (folder / LOCK).touch()
        if folder.name != names[2]:
            os.utime(folder / LOCK, (0, 0))
    # A folder in place of the lock cannot be opened, like the file of another user.
    (folders[3] / LOCK).unlink()
    (folders[3] / LOCK).mkdir()
    os.utime(folders[3] / LOCK, (0, 0))
    with locked(folders[1] / LOCK):
        result = calab_command("deconvolve", rec, *KERNEL)
    assert result.exit_code == 0, result.output
    assert [folder.exists() for folder in folders] == [False, True, True, True, True]
