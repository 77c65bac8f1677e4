"""Files on which HDF5 would never come back are refused before it sees them."""

import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, read
from calab_io.files import hdf5_heap
from calab_io.files.hdf5_heap import HEAP, refuse_endless_heap
from layouts.nwb import write_nwb


@pytest.fixture
def path(tmp_path):
    """A file with texts of any length, which stand in the global heap."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["texts"] = [f"text {at}" * at for at in range(40)]
    return tmp_path / "a.h5"


def free_space(data):
    """Find the head of the free space of the first collection, which comes last in it."""
    start = data.index(HEAP)
    at, end = start + 16, start + int.from_bytes(data[start + 8 : start + 16], "little")
    while int.from_bytes(data[at : at + 2], "little"):
        at += 16 + -(-int.from_bytes(data[at + 8 : at + 16], "little") // 8) * 8
    assert at < end
    return at


def test_a_sound_heap(path):
    refuse_endless_heap(path)
    with h5py.File(path) as file:
        assert file["texts"].asstr()[3] == "text 3" * 3


def test_free_space_of_no_size(path):
    data = bytearray(path.read_bytes())
    at = free_space(data)
    data[at + 8 : at + 16] = bytes(8)
    path.write_bytes(data)
    with pytest.raises(
        CalabFormatError, match=r"a\.h5: cannot be read: the heap at byte \d+ is dam"
    ):
        refuse_endless_heap(path)


def test_what_only_looks_like_a_heap(path):
    with h5py.File(path, "r+") as file:
        file["bytes"] = np.frombuffer(HEAP + bytes(8192), np.uint8)
        file["long"] = np.frombuffer(HEAP + b"\xff" * 8 + bytes(8192), np.uint8)
    refuse_endless_heap(path)


def test_reading_asks(tmp_path):
    path = write_nwb(tmp_path / "a.nwb")
    data = bytearray(path.read_bytes())
    at = free_space(data)
    data[at : at + 16] = bytes(16)
    path.write_bytes(data)
    with pytest.raises(CalabFormatError, match="the heap at byte"):
        read(path)


@pytest.mark.parametrize("chunks", [None, (10, 100)])
def test_heaps_between_numbers_are_found_and_numbers_are_not_searched(path, chunks, monkeypatch):
    with h5py.File(path, "a") as file:
        traces = np.full((100, 1000), 7.0)
        file.create_dataset("a", data=traces, chunks=chunks)
        file["more texts"] = [f"text {at}" * at for at in range(400)]
        file.create_dataset("b/c", data=traces, chunks=chunks)
    size = path.stat().st_size
    found = []
    monkeypatch.setattr(hdf5_heap, "_heaps", lambda data, a, b: found.append((a, b)) or [])
    refuse_endless_heap(path)
    assert sum(end - begin for begin, end in found) <= size - 2 * traces.nbytes
    monkeypatch.undo()
    data = bytearray(path.read_bytes())
    last = data.rindex(HEAP)
    assert any(begin <= last < end for begin, end in found)
    data[last + 16 : last + 32] = bytes(16)
    path.write_bytes(data)
    with pytest.raises(CalabFormatError, match=f"the heap at byte {last} is damaged"):
        refuse_endless_heap(path)


def test_a_sound_file_is_searched_once(path, monkeypatch):
    refuse_endless_heap(path)
    monkeypatch.setattr(hdf5_heap, "_extents", lambda path: pytest.fail("it was searched again"))
    refuse_endless_heap(path)
    hdf5_heap.forget()
    with pytest.raises(pytest.fail.Exception):
        refuse_endless_heap(path)
