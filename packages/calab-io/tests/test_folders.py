import os

import pytest
from calab_io.folders import ASIDE, DRAFT, atomic_folder, clean, recover, whereabouts


def fill(folder, text="new"):
    folder.mkdir()
    (folder / "file").write_text(text)


def content(folder):
    return {entry.name: (entry / "file").read_text() for entry in folder.iterdir()}


@pytest.fixture
def target(tmp_path):
    return tmp_path / "store.zarr"


def test_new_folder(tmp_path, target):
    with atomic_folder(target) as draft:
        assert (draft.parent, draft.suffix) == (tmp_path, ".zarr")
        fill(draft)
        assert not target.exists()
    assert content(tmp_path) == {"store.zarr": "new"}


def test_replaced_folder(tmp_path, target):
    fill(target, "old")
    with atomic_folder(target) as draft:
        fill(draft)
        assert content(tmp_path)["store.zarr"] == "old"
    assert content(tmp_path) == {"store.zarr": "new"}


def test_error_leaves_what_was_there(tmp_path, target):
    fill(target, "old")

    def interrupted():
        with atomic_folder(target) as draft:
            fill(draft)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert content(tmp_path) == {"store.zarr": "old"}


def test_old_folder_comes_back_if_the_new_one_does_not_come(tmp_path, target):
    fill(target, "old")
    with pytest.raises(FileNotFoundError), atomic_folder(target):
        pass
    assert content(tmp_path) == {"store.zarr": "old"}


def test_nothing_to_bring_back(tmp_path, target):
    with pytest.raises(FileNotFoundError) as caught, atomic_folder(target):
        pass
    assert ".old" not in str(caught.value)
    assert content(tmp_path) == {}


def test_link_to_a_folder_stays(tmp_path, target):
    fill(tmp_path / "elsewhere", "old")
    target.symlink_to("elsewhere")
    with atomic_folder(target) as draft:
        fill(draft)
    assert os.readlink(target) == "elsewhere"
    assert content(tmp_path) == {"store.zarr": "new", "elsewhere": "new"}


def test_parent_that_is_not_there(tmp_path):
    with (
        pytest.raises(NotADirectoryError, match="existing folder"),
        atomic_folder(tmp_path / "x/y"),
    ):
        pass


def test_what_stepped_aside_comes_back(tmp_path, target):
    """Killed between both renames."""
    fill(tmp_path / f"{ASIDE}0123abcd-store.zarr", "old")
    fill(tmp_path / f"{ASIDE}0123abcd-other.zarr", "another")
    recover(target)
    recover(target)
    assert content(tmp_path) == {
        "store.zarr": "old",
        f"{ASIDE}0123abcd-other.zarr": "another",
    }
    recover(tmp_path / "no" / "store.zarr")


def test_what_stepped_aside_is_found_where_it_is(tmp_path, target):
    aside, link = tmp_path / f"{ASIDE}0123abcd-store.zarr", tmp_path / "link"
    assert whereabouts(target) == target
    fill(aside, "old")
    link.symlink_to(target.name)
    assert whereabouts(target) == whereabouts(link) == aside
    fill(target)
    assert whereabouts(target) == target
    assert whereabouts(link) == link


def test_the_next_replacement_brings_it_back_first(tmp_path, target):
    fill(tmp_path / f"{ASIDE}0123abcd-store.zarr", "old")
    with pytest.raises(FileNotFoundError), atomic_folder(target):
        assert content(tmp_path) == {"store.zarr": "old"}
    assert content(tmp_path) == {"store.zarr": "old"}


def test_nothing_half_done_is_left(tmp_path, target):
    fill(target, "new")
    fill(tmp_path / f"{ASIDE}0123abcd-store.zarr", "old")
    fill(tmp_path / f"{ASIDE}0123abcd-a-b", "kept")
    fill(tmp_path / f"{DRAFT}0123abcd-a-b", "half")
    fill(tmp_path / f"{DRAFT}0123abcd-others.zarr", "half of another's")
    clean(tmp_path, {"store.zarr", "a-b"})
    draft = f"{DRAFT}0123abcd-others.zarr"
    assert content(tmp_path) == {"store.zarr": "new", "a-b": "kept", draft: "half of another's"}


def test_of_what_stepped_aside_the_newest_comes_back_and_the_rest_goes(tmp_path):
    old, new = (tmp_path / f"{ASIDE}{token}-store.zarr" for token in ("0" * 8, "f" * 8))
    for folder, text in ((new, "newest"), (old, "older")):
        fill(folder, text)
    os.utime(old, (0, 0))
    assert whereabouts(tmp_path / "store.zarr") == new
    recover(tmp_path / "store.zarr")
    assert content(tmp_path) == {"store.zarr": "newest"}
