import pathlib
import struct
import tracemalloc

import numpy as np
import pytest
from calab_io import CalabFormatError
from calab_io.files import restricted_pickle
from calab_io.files.pickled import npy_header, read_pickled_dict
from calab_io.files.pickled_objects import Placeholder
from layouts.pickles import F4, NDARRAY, RECONSTRUCT, around, array_of, text, write_pickle


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ops.npy"


def test_array_is_built_wherever_the_memo_has_it(path):
    one = struct.pack("<f", 1.5)
    array = array_of(b"K\x01\x85", b"C\x04" + one, remember=b"q\x08q\x09")
    loaded = read_pickled_dict(write_pickle(path, around(b"(" + array + b"h\x08h\x09l")))["it"]
    assert [each.tolist() for each in loaded] == [[1.5]] * 3


def test_array_does_not_take_a_place_that_is_anothers_by_now(path):
    array = array_of(b"K\x01\x85", b"C\x04abcd", remember=b"q\x09K\x07q\x090")
    loaded = read_pickled_dict(write_pickle(path, around(b"(" + array + b"h\x09l")))["it"]
    assert loaded[1] == 7


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        # Sizes that the file does not have.
        (b"\x8e" + struct.pack("<Q", 2**40) + b"few", "expected .* bytes in a bytes8"),
        (b"B" + struct.pack("<I", 2**31) + b"few", "expected .* bytes in a bytes4"),
        (b"X" + struct.pack("<I", 2**31) + b"few", "expected .* bytes in a unicodestring4"),
        (b"\x96" + struct.pack("<Q", 2**40) + b"few", "expected .* bytes in a bytearray8"),
        (b"\x8b" + struct.pack("<i", 2**31 - 1) + b"few", ""),
        (array_of(b"J\xff\xff\xff\x7f\x85", b"C\x04abcd"), "expected 8589934588 bytes"),
        (array_of(b"K\x02K\x02K\x02\x87", b"C\x04abcd"), "expected 32 bytes"),
        (array_of(b"J\xff\xff\xff\xff\x85", b"C\x00"), "expected the shape"),
        (array_of(b"G" + b"\x00" * 8 + b"\x85", b"C\x00"), "expected the shape"),
        (array_of(b"(" + b"K\x00" * 33 + b"t", b"C\x00"), "33 axes"),
        (
            array_of(b"K\x01\x85", b"C\x08abcdefgh", F4.replace(b"f4", b"O8")),
            "array of object",
        ),
        # The same bytes copied over and over.
        (
            text("x" * 3000)
            + b"q\x00"
            + (b"0c_codecs\nencode\n(h\x00" + text("latin1") + b"tR") * 300,
            "copies nothing twice",
        ),
        (
            F4.replace(b"f4", b"U9")
            + b"q\x000C\x24"
            + bytes(36)
            + b"q\x01(h\x00h\x01tq\x020cnumpy._core.multiarray\nscalar\nq\x03"
            + b"0h\x03h\x02R" * 300,
            "copies nothing twice",
        ),
        (b"c" + b"a" * 1000 + b"\nb\n", "names of at most 1000"),
        # Stacks and memos that are not there.
        (b"h\x09", ""),
        (b"0" * 9, ""),
        (b"K\x01\x97", "NEXT_BUFFER"),
        (b"(K\x01d", ""),
        (b"I" + b"9" * 5000 + b"\n", ""),
    ],
)
def test_damage_is_one_error_and_takes_no_memory(path, steps, message):
    write_pickle(path, around(steps))
    tracemalloc.start()
    with pytest.raises(CalabFormatError, match=rf"ops.npy: cannot be read: .*{message}"):
        read_pickled_dict(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6


def test_memo_at_a_large_place_takes_no_memory(path):
    write_pickle(path, around(b"K\x01r" + struct.pack("<I", 2**32 - 1)))
    assert read_pickled_dict(path)["it"] == 1


def test_arrays_share_bytes_that_are_used_again(path):
    once = b"B" + struct.pack("<I", 400_000) + bytes(400_000) + b"q\x00"
    steps = b"(" + array_of(b"J" + struct.pack("<i", 100_000) + b"\x85", once)
    steps += array_of(b"J" + struct.pack("<i", 100_000) + b"\x85", b"h\x00") * 99 + b"l"
    tracemalloc.start()
    loaded = read_pickled_dict(write_pickle(path, around(steps)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(loaded["it"]) == 100
    assert loaded["it"][99].shape == (100_000,)
    assert peak < 3e6


def test_number_of_steps_is_bounded(path, monkeypatch):
    write_pickle(path, around(b"(" + b"]" * 100 + b"l"))
    assert read_pickled_dict(path)["it"] == [[]] * 100
    monkeypatch.setattr(restricted_pickle, "MOST_STEPS", 100)
    with pytest.raises(CalabFormatError, match="at most 100 steps"):
        read_pickled_dict(path)


DEPTH = 200_000


@pytest.mark.parametrize(
    "steps",
    [
        b"]" * DEPTH + b"a" * (DEPTH - 1),
        b"K\x01" + b"\x85" * DEPTH,
        (b"}" + text("k")) * DEPTH + b"N" + b"s" * DEPTH,
        b"cos\nsystem\n" + b")R" * DEPTH,
    ],
    ids=["lists", "tuples", "dictionaries", "calls"],
)
def test_nesting_does_not_overflow_the_stack(path, steps):
    loaded = read_pickled_dict(write_pickle(path, around(steps)))
    assert isinstance(loaded["it"], list | tuple | dict | Placeholder)
    del loaded


def test_nested_arrays_of_objects_do_not_overflow_the_stack(path):
    objects, depth = F4.replace(b"f4", b"O8"), 100_000
    parts = RECONSTRUCT + b"q\x010" + NDARRAY + b"q\x020" + objects + b"q\x030K\x01\x85q\x040"
    begin = b"h\x01h\x02R(K\x01h\x04h\x03\x89]"
    steps = parts + begin * depth + b"N" + b"atb" * depth
    value, levels = read_pickled_dict(write_pickle(path, around(steps)))["it"], 0
    while isinstance(value, list):
        (value,), levels = value, levels + 1
    assert levels == depth


def test_keys_that_could_be_chosen_to_do_harm_are_left_out(path):
    deep = b"K\x01" + b"\x85" * DEPTH
    large = b"\x8a\x09" + (2**61 - 1).to_bytes(9, "little")
    steps = b"}(" + deep + b"K\x01" + large + b"K\x02K\x07K\x03NK\x04" + text("a") + b"K\x05u"
    assert read_pickled_dict(write_pickle(path, around(steps)))["it"] == {7: 3, "a": 5}


def test_mutated_files_are_read_or_refused(path):
    rng = np.random.default_rng(0)
    data = {"fs": 10.0, "n": np.float64(1), "image": np.ones((3, 3)), "path": pathlib.Path("a")}
    np.save(path, {**data, "list": [1, {"a": (1, 2)}], "bytes": b"abc"}, allow_pickle=True)
    content = path.read_bytes()
    refused = 0
    for _ in range(500):
        mutated = bytearray(content)
        for at in rng.integers(len(content), size=rng.integers(1, 4)):
            mutated[at] = rng.integers(256)
        path.write_bytes(mutated[: rng.integers(len(content)) if rng.random() < 0.2 else None])
        try:
            assert isinstance(read_pickled_dict(path), dict)
        except CalabFormatError:
            refused += 1
    assert 50 < refused < 500


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones(3, np.float32), "expected a dictionary, got an array of float32"),
        (np.array([{}, {}]), "expected a dictionary, got list"),
        (np.array([None] * 5000), "expected a dictionary, got list"),
        (np.array(3, dtype=object), "expected a dictionary, got int"),
    ],
)
def test_what_is_not_a_dictionary(path, value, message):
    np.save(path, value, allow_pickle=True)
    with pytest.raises(CalabFormatError, match=message):
        read_pickled_dict(path)


def test_header_of_an_array(path):
    np.save(path, np.ones((2, 3), np.float32))
    header = npy_header(path)
    assert (header.shape, header.dtype) == ((2, 3), np.float32)
    assert path.stat().st_size == header.offset + 24


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (-1, r"expected float32 of shape \(2, 3\), got 23 bytes of it; the file is not complete"),
        (20, "ops.npy: cannot be read"),
        (0, "ops.npy: cannot be read"),
    ],
)
def test_truncated_array(path, size, message):
    np.save(path, np.ones((2, 3), np.float32))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CalabFormatError, match=message):
        npy_header(path)


def test_no_file(path):
    with pytest.raises(FileNotFoundError):
        npy_header(path)
