"""Arrays in `.npy` files of which only rows are in memory."""

from __future__ import annotations

import pickle
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from calab_io import CalabFormatError, LazyTraces, read
from calab_io.files.npy_array import create_npy, open_npy

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", VALUES)
    return tmp_path / "x.npy"


def test_what_is_written_row_by_row_is_what_numpy_writes(path: Path, tmp_path: Path) -> None:
    array = create_npy(tmp_path / "y.npy", (3, 4), np.float32)
    np.testing.assert_array_equal(array, np.zeros((3, 4)))
    array[1:3] = VALUES[1:]
    array[0:1] = VALUES[:1]
    assert (tmp_path / "y.npy").read_bytes() == path.read_bytes()


def test_rows_are_read_from_where_they_are(path: Path) -> None:
    array = pickle.loads(pickle.dumps(open_npy(path)))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array[1:], VALUES[1:])
    np.testing.assert_array_equal(array[[2, 0], 1:3], VALUES[[2, 0], 1:3])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [(VALUES.astype(">f4"), np.float32), (VALUES.astype(np.int16), np.float64)],
    ids=["other byte order", "integers"],
)
def test_a_recording_stays_in_its_file(path: Path, values: np.ndarray, dtype: type) -> None:
    np.save(path, values)
    traces = read(path, fs=20).traces
    assert isinstance(traces, LazyTraces)
    assert traces.dtype == dtype
    np.testing.assert_array_equal(traces[:2], VALUES[:2])
    np.testing.assert_array_equal(traces, VALUES)


def test_what_is_read_cannot_be_written_to(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TypeError, match="does not support item assignment"):
        read(path, fs=20).traces[:1] = 0  # type: ignore[index]
    assert path.read_bytes() == before


def test_columns_that_are_kept_together_are_read_at_once(path: Path) -> None:
    np.save(path, np.asfortranarray(VALUES))
    assert open_npy(path) is None
    np.testing.assert_array_equal(read(path, fs=20).traces, VALUES)


def test_doubt_of_the_orientation_is_noted(path: Path) -> None:
    np.save(path, VALUES.T)
    with pytest.warns(UserWarning, match="more cells than frames") as warned:
        recording = read(path, fs=20)
    assert len(warned) == len(recording.notes) == 1


def test_a_file_that_changed_is_refused(path: Path) -> None:
    traces = read(path, fs=20).traces
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(CalabFormatError, match=r"x\.npy"):
        traces[0]
    np.save(path, VALUES[:2])
    with pytest.raises(CalabFormatError, match=r"no longer holds an array of shape \(3, 4\)"):
        traces[0]


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")(10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match=r"expected 4\.0 GB of free disk, got 1\.0 GB"):
        create_npy(tmp_path / "y.npy", (1000, 10**6), np.float32)
    assert not (tmp_path / "y.npy").exists()
