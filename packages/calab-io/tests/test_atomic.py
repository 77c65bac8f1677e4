from __future__ import annotations

from pathlib import Path

import pytest
from calab_io.atomic import atomic_path, atomic_paths


def test_target_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.npy"
    with atomic_path(target) as draft:
        draft.write_text("new")
        assert not target.exists()
        assert draft.parent == tmp_path
        assert draft.suffix == ".npy"
    assert target.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_interrupted_block_keeps_the_old_file_and_leaves_nothing(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "a.npy"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as draft:  # noqa: PT012
        draft.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]


def test_no_target_moves_before_all_are_written(tmp_path: Path) -> None:
    targets = [tmp_path / "a.npy", tmp_path / "b.json"]
    with pytest.raises(RuntimeError), atomic_paths(targets) as drafts:  # noqa: PT012
        drafts[0].write_text("complete")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="expected an existing folder"):
        atomic_path(tmp_path / "no" / "a.npy").__enter__()


def test_errors_name_the_file_and_not_its_draft(tmp_path: Path) -> None:
    target = tmp_path / "a.npy"
    with pytest.raises(FileNotFoundError) as caught, atomic_path(target):
        pass
    assert caught.value.filename == str(target)
    assert caught.value.filename2 is None
