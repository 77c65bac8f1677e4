"""Some rows of a data set, read in as few requests as pay."""

import h5py
import numpy as np
import pytest
from calab_io.files import hdf5

TABLE = np.arange(4000 * 30, dtype=np.float32).reshape(4000, 30)


class Counted:
    """A data set that counts the samples that are read of it."""

    def __init__(self, item):
        self.item, self.samples = item, 0

    def __getattr__(self, name):
        return getattr(self.item, name)

    def __getitem__(self, key):
        found = self.item[key]
        self.samples += found.size
        return found


@pytest.mark.parametrize(
    ("turned", "chunks"),
    [(False, None), (False, (40, 30)), (True, (30, 40))],
    ids=["plain", "in chunks", "frames x cells in chunks"],
)
def test_what_is_between_rows_far_apart_is_not_read(tmp_path, monkeypatch, turned, chunks):
    monkeypatch.setattr(hdf5, "SKIPPED", 1 << 10)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        item = file.create_dataset("a", data=TABLE.T if turned else TABLE, chunks=chunks)
        for rows in ([3, 2, 3999, 1200, 5], list(range(7, 40)), [0, 3999]):
            counted = Counted(item)
            found = hdf5.rows_of(counted, np.array(rows), int(turned))
            np.testing.assert_array_equal(found, TABLE[rows])
            assert counted.samples <= 7 * 30 or len(rows) == 33
            assert counted.samples <= 33 * 30


def test_columns_without_chunks_are_read_in_one_go(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        counted = Counted(file.create_dataset("a", data=TABLE.T))
        np.testing.assert_array_equal(hdf5.rows_of(counted, np.array([3999, 0]), 1), TABLE[[-1, 0]])
        assert counted.samples == TABLE.size
