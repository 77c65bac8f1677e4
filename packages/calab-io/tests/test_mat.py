import h5py
import numpy as np
import pytest
import scipy.sparse
from calab_io import CalabFormatError, MissingKeyError
from calab_io.files.mat import MOST_DEPTH, open_mat
from layouts.matlab import write_mat

VERSIONS = pytest.mark.parametrize("version", ["5", "7.3"])


TABLE = np.array([[0, 1, 2], [3, 4, 100]])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.mat"


@VERSIONS
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_numbers_of_every_class(path, version, compress, dtype):
    write_mat(path, {"a": {"b": TABLE.astype(dtype)}}, version=version, compress=compress)
    with open_mat(path) as file:
        assert file.matrix("a.b", "").shape == (2, 3)
        found = file.numbers("a.b")
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, TABLE.ravel(order="F"))


@VERSIONS
@pytest.mark.parametrize("compress", [False, True])
def test_more_than_is_read_in_one_go(path, version, compress):
    large = np.random.default_rng(0).normal(size=(300, 1000))
    contents = {"a": {"first": large, "then": {"x": large[::-1]}}, "b": large + 1, "fs": 3.0}
    write_mat(path, contents, version=version, compress=compress)
    with open_mat(path) as file:
        np.testing.assert_array_equal(file.numbers("a.then.x"), large[::-1].ravel(order="F"))
        np.testing.assert_array_equal(file.numbers("b"), (large + 1).ravel(order="F"))
        assert file.scalar("fs") == 3.0


@VERSIONS
def test_text(path, version):
    write_mat(
        path, {"a": {"b": "µ-scope"}, "long": "x" * 2000, "n": 1.0, "empty": ""}, version=version
    )
    with open_mat(path) as file:
        assert file.text("a.b") == "µ-scope"
        assert [file.text(key) for key in ("long", "n", "none", "empty")] == [None] * 4


@VERSIONS
def test_what_is_empty(path, version):
    write_mat(path, {"a": {"b": np.empty((0, 5)), "c": 2.0}}, version=version)
    with open_mat(path) as file:
        assert file.find("a.b").shape == (0, 5)
        assert file.numbers("a.b").size == 0
        assert file.scalar("a.b") is None
        assert file.traces(file.find("a.b"), 1).shape == (5, 0)
        assert file.scalar("a.c") == 2


@VERSIONS
def test_all_elements_are_found(path, version):
    contents = {
        "a": {"b": {"c": TABLE}, "d": "text"},
        "e": [TABLE, TABLE] if version == "7.3" else np.array([TABLE, "x"], dtype=object),
        "f": TABLE,
    }
    write_mat(path, contents, version=version)
    with open_mat(path) as file:
        found = {element.key: element.kind for element in file.walk()}
        assert file.names() == ["a", "e", "f"]
        assert file.names("a.b") == ["c"]
        assert file.names("nothing") == []
    kinds = {"a": "struct", "e": "cell", "a.b": "struct", "a.d": "char"}
    assert {key: found[key] for key in kinds} == kinds
    assert list(found) == ["a", "e", "f", "a.b", "a.d", "a.b.c"]


@VERSIONS
def test_too_many_elements(path, version):
    write_mat(path, {f"v{at}": 1.0 for at in range(1001)}, version=version)
    with (
        pytest.raises(CalabFormatError, match="more than 1000 variables and fields; name the"),
        open_mat(path) as file,
    ):
        list(file.walk())


@VERSIONS
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (scipy.sparse.csc_matrix(np.eye(3)), r"a.x: .* got sparse; save it as full\(a.x\)"),
        (np.array([[1j, 2]]), "a.x: expected a matrix of real numbers, got complex; help"),
        (np.array([[True, False]]), "got logical"),
        ("text", "got char"),
        ({"y": 1.0}, "got struct"),
        (np.zeros((2, 3, 4)), r"expected a matrix, got shape \(2, 3, 4\); help"),
    ],
)
def test_what_is_no_matrix(path, version, value, message):
    write_mat(path, {"a": {"x": value}}, version=version)
    with pytest.raises(CalabFormatError, match=message), open_mat(path) as file:
        file.matrix("a.x", "help")


@VERSIONS
def test_shape_of_sparse_matrices(path, version):
    matrix = scipy.sparse.csc_matrix(([1.0], ([4], [1])), shape=(9, 3))
    write_mat(path, {"a": matrix}, version=version)
    with open_mat(path) as file:
        assert file.find("a").shape == (9, 3)
        assert file.numbers("a") is None


@VERSIONS
def test_what_is_missing(path, version):
    write_mat(path, {"a": {"x": 1.0}}, version=version)
    with open_mat(path) as file:
        with pytest.raises(MissingKeyError, match=r"a.y: not found \(there is a.x\); help"):
            file.matrix("a.y", "help")
        with pytest.raises(MissingKeyError, match=r"b.c: not found \(there is a\); help"):
            file.matrix("b.c", "help")
        with pytest.raises(MissingKeyError, match=r"b: not found \(there is a\); help"):
            file.matrix("b", "help")
        assert file.find("a.x.y") is None


@VERSIONS
def test_rates(path, version):
    contents = {
        "one": {"Fs": 5.0, "fr": np.nan, "fs": "fast"},
        "two": {"Fs": 5.0, "fr": 6.0},
        "none": {"Fs": [1.0, 2.0] if version == "7.3" else np.ones(2)},
        "framerate": np.uint8(7),
    }
    write_mat(path, contents, version=version)
    with open_mat(path) as file:
        assert file.rate(["one"]) == 5
        assert file.rate(["two", "one"]) is None
        assert file.rate(["none", ""]) == 7
        assert file.rate(["none"]) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a .mat file of version 5 to 7.3; save it again in MATLAB with -v7"),
        (bytes(400), "expected a .mat file"),
    ],
)
def test_what_is_no_mat_file(path, content, message):
    path.write_bytes(content)
    with pytest.raises(CalabFormatError, match=message), open_mat(path):
        pass


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError), open_mat(tmp_path / "none.mat"):
        pass
    with pytest.raises(CalabFormatError, match="expected a file, got a folder"), open_mat(tmp_path):
        pass


def test_a_struct_that_holds_itself_is_not_followed_for_ever(tmp_path):
    path = write_mat(tmp_path / "loop.mat", {"x": np.arange(12.0).reshape(3, 4)})
    with h5py.File(path, "r+") as file:
        file["loop/x"] = file["x"][()]
        file["loop/loop"] = h5py.SoftLink("/loop")
    with open_mat(path) as mat:
        keys = [element.key for element in mat.walk()]
    assert max(key.count(".") for key in keys) == MOST_DEPTH
    assert "loop.loop.x" in keys
