import pickle

import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError
from calab_io.files.mat import open_mat
from layouts.matlab import write_mat, write_matlab

TABLE = np.array([[0, 1, 2], [3, 4, 100]])


def values(path, key):
    with open_mat(path) as file:
        return file.numbers(key)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.mat"


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("compress", [False, True])
def test_cells_of_hdf5_are_loaded_when_asked_for(path, axis, compress):
    table = np.random.default_rng(0).normal(size=(200, 150)).astype("f4")
    write_mat(path, {"a": {"b": table}}, compress=compress)
    with open_mat(path) as file:
        traces = file.traces(file.matrix("a.b", ""), axis)
    expected = table.T if axis else table
    assert traces.shape == expected.shape
    assert traces.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(traces), expected)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(traces))[[7, 3, 90]], expected[[7, 3, 90]]
    )
    with h5py.File(path) as file:
        chunks = file["a/b"].chunks
    assert traces.slab == (chunks[1 - axis] if compress else (1 if axis else 200))


def test_frames_of_many_cells_share_a_page(path):
    write_mat(path, {"a": np.zeros((2000, 3))})
    with open_mat(path) as file:
        assert file.traces(file.find("a"), 0).slab == 512
        assert file.traces(file.find("a"), 1).slab == 1


def test_only_arrays_of_matlab_are_surely_turned(path):
    write_matlab(path)
    with h5py.File(path, "r+") as file:
        file["b"] = TABLE.astype("i2")
        file["c"] = TABLE.astype("f2")
        file["d"] = np.array([b"text"])
        file["#refs#/a"] = TABLE
    with open_mat(path) as file:
        assert [file.is_foreign(file.find(key)) for key in ("dF_traces", "b")] == [False, True]
        assert [file.find(key).kind for key in "bcd"] == ["int16", "double", "cell"]
        assert file.names() == ["b", "c", "d", "dF_traces", "fs"]
    write_matlab(path, version="5")
    with open_mat(path) as file:
        assert not file.is_foreign(file.find("fs"))


@pytest.mark.parametrize("kept", [0.4, 0.8, 0.99])
def test_hdf5_that_ends_early(path, kept):
    content = write_matlab(path).read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(CalabFormatError, match=r"x.mat: cannot be read"):
        values(path, "dF_traces")


def test_a_struct_within_itself(path):
    write_mat(path, {"a": {"b": TABLE}})
    with h5py.File(path, "r+") as file:
        file["a/c"] = h5py.SoftLink("/a")
    with open_mat(path) as file:
        keys = [element.key for element in file.walk()]
    assert keys[:5] == ["a", "a.b", "a.c", "a.c.b", "a.c.c"]
    assert keys[-1] == "a" + 8 * ".c"


def test_hdf5_that_claims_too_much(path):
    write_matlab(path)
    with h5py.File(path, "r+") as file:
        huge = file.create_dataset("huge", (10**9, 10**3), "f8", chunks=(1000, 1000))
        huge.attrs["MATLAB_class"] = np.bytes_("double")
        file["empty"] = TABLE[1:]
        file["empty"].attrs["MATLAB_empty"] = np.uint8(1)
    with pytest.raises(CalabFormatError, match="huge: expected data that fit the file"):
        values(path, "huge")
    with pytest.raises(CalabFormatError, match=r"empty is empty, but its shape is \(3, 4, 100\)"):
        values(path, "empty")
