import io
import struct
import zlib

import numpy as np
import pytest
import scipy.io
from calab_io import CalabFormatError
from calab_io.files.mat import open_mat
from calab_io.files.stream import Stream
from layouts.level5 import array, level5, part
from layouts.matlab import write_mat, write_matlab

TABLE = np.array([[0, 1, 2], [3, 4, 100]])


def values(path, key):
    with open_mat(path) as file:
        return file.numbers(key)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.mat"


def test_numbers_that_are_stored_in_fewer_bytes(path):
    level5(path, array("<", 6, (2, 2), b"a", part("<", 2, bytes([1, 2, 3, 4]))))
    found = values(path, "a")
    assert found.dtype == np.float64
    assert found.tolist() == scipy.io.loadmat(path)["a"].ravel(order="F").tolist() == [1, 2, 3, 4]


def test_numbers_within_their_tag(path):
    small = struct.pack("<HH", 4, 4) + struct.pack("<2H", 7, 9)
    level5(path, array("<", 7, (1, 2), b"a", small))
    assert values(path, "a").tolist() == scipy.io.loadmat(path)["a"].ravel().tolist() == [7, 9]


def test_the_other_byte_order(path):
    level5(path, array(">", 6, (1, 3), b"a", part(">", 9, struct.pack(">3d", 1, 2, 3))), order=">")
    assert values(path, "a").tolist() == [1, 2, 3]
    assert values(path, "a").dtype.isnative


@pytest.mark.parametrize(
    ("order", "kind", "encoding"),
    [("<", 4, "utf-16-le"), (">", 17, "utf-16-be"), ("<", 16, "utf-8"), (">", 18, "utf-32-be")],
)
def test_text_in_every_encoding(path, order, kind, encoding):
    content = part(order, kind, "µm".encode(encoding))
    level5(path, array(order, 4, (1, 2), b"a", content), order=order)
    with open_mat(path) as file:
        assert file.text("a") == "µm"


def test_a_field_to_which_nothing_was_assigned(path):
    fields = part("<", 5, struct.pack("<i", 32)) + part("<", 1, b"x".ljust(32, b"\0"))
    level5(path, array("<", 2, (1, 1), b"a", fields, struct.pack("<II", 14, 0)))
    with open_mat(path) as file:
        assert file.find("a.x").shape == (0, 0)


def test_an_array_of_structs_has_no_fields(path):
    structs = np.zeros(2, dtype=[("x", "O")])
    scipy.io.savemat(path, {"a": structs})
    with open_mat(path) as file:
        assert file.find("a").names == ()
        assert file.find("a.x") is None


def test_objects_are_named_by_their_class(path):
    words = (part("<", 1, word) for word in (b"MCOS", b"Sources2D"))
    content = array("<", 13, (1, 1), b"", part("<", 6, bytes(4)))
    old = part("<", 1, b"timer") + part("<", 5, struct.pack("<i", 8)) + part("<", 1, bytes(0))
    level5(
        path,
        array("<", 17, None, b"neuron", *words, content),
        array("<", 3, (1, 1), b"clock", old),
        array("<", 9, (1, 8), b"", part("<", 2, bytes(8))),  # MATLAB's own, without a name
    )
    with open_mat(path) as file:
        assert [(at.key, at.kind) for at in file.walk()] == [
            ("neuron", "Sources2D"),
            ("clock", "object"),
        ]


@pytest.mark.parametrize("axis", [0, 1])
def test_level_5_is_read_at_once(path, axis):
    write_mat(path, {"a": TABLE.astype("f4"), "b": TABLE.astype("i2")}, version="5")
    with open_mat(path) as file:
        single, double = (file.traces(file.find(key), axis) for key in "ab")
    np.testing.assert_array_equal(single, TABLE.T if axis else TABLE)
    assert (single.dtype, double.dtype) == (np.float32, np.float64)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kept", [0.4, 0.8, 0.99])
def test_level_5_that_ends_early(path, compress, kept):
    write_matlab(path, version="5", compress=compress)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(CalabFormatError, match="cannot be read: it ends in the middle"):
        values(path, "dF_traces")


DOUBLE = part("<", 9, struct.pack("<d", 1))


NOISE = part("<", 9, np.random.default_rng(0).normal(size=100).tobytes())


ENDS_EARLY = zlib.compress(array("<", 6, (1, 100), b"a", NOISE))[:400]


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        (array("<", 6, (2**31 - 1, 2**31 - 1), b"a", DOUBLE), "8 bytes for 4611686014132420609 n"),
        (array("<", 6, (-1, 1), b"a", DOUBLE), r"expected a shape, got \(-1, 1\)"),
        (array("<", 6, (1,), b"a", DOUBLE), r"expected a shape, got \(1,\)"),
        (array("<", 99, (1, 1), b"a", DOUBLE), "an array of class 99, which is not known"),
        (array("<", 6, (1, 1), b"a", part("<", 99, bytes(8))), "numbers of type 99, which is not"),
        (part("<", 5, bytes(8)), "expected an array, got data of type 5"),
        (part("<", 15, zlib.compress(part("<", 5, bytes(8)))), "expected an array, got data of"),
        (part("<", 15, ENDS_EARLY), "cannot be read: it ends in the middle"),
        (struct.pack("<II", 14 | 5 << 16, 0), "expected up to 4 bytes within a tag, got 5"),
        (part("<", 15, b"no zlib stream"), "cannot be read: Error -3 while decompressing"),
    ],
)
def test_sizes_that_the_bytes_do_not_bear_out(path, variable, message):
    level5(path, variable)
    with pytest.raises(CalabFormatError, match=message):
        values(path, "a")


def test_a_field_that_goes_on_beyond_its_file(path):
    fields = part("<", 5, struct.pack("<i", 2)) + part("<", 1, b"x\0y\0")
    field = struct.pack("<II", 14, 2**31) + array("<", 6, (1, 1), b"", DOUBLE)[8:]
    level5(path, array("<", 2, (1, 1), b"a", fields, field, field))
    with pytest.raises(CalabFormatError, match="expected to go on from byte"):
        values(path, "a.x")


def test_a_stretch_of_a_file_ends_where_it_ends():
    def stretch():
        return Stream(io.BytesIO(b"0123456789"), 4, compressed=False)

    stream = stretch()
    assert stream.take(1) == b"0"
    stream.skip_to(3)
    assert stream.take(1) == b"3"
    for steps in ([("take", 5)], [("take", 3), ("take", 2)], [("skip_to", 3), ("take", 2)]):
        stream = stretch()
        for name, number in steps[:-1]:
            getattr(stream, name)(number)
        with pytest.raises(ValueError, match="it ends in the middle of a variable"):
            getattr(stream, steps[-1][0])(steps[-1][1])
    for at in (-1, 5):
        with pytest.raises(ValueError, match=f"expected to go on from byte 0, got {at}"):
            stretch().skip_to(at)
