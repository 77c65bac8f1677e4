import collections
import functools
import operator
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from calab_io import LazyTraces
from calab_io.files.pickled import read_pickled_dict
from calab_io.files.pickled_objects import Placeholder
from layouts.pickles import around, steps_of, text, write_pickle
from numpy.testing._private.utils import runstring

#: What Python reports when code is found, imported or run; reading a header only parses.
RUNS = {"pickle.find_class", "import", "exec", "os.system", "subprocess.Popen", "shutil.rmtree"}
heard = None


def hear(event, _):
    if heard is not None:
        heard.append(event)


sys.addaudithook(hear)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ops.npy"


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_of_every_protocol(path, protocol):
    numbers = np.arange(6.0).reshape(2, 3)
    shared = np.array([1, 2], dtype=">i2")
    data = {
        "fs": np.float32(7.5),
        "flag": True,
        "no": False,
        "nothing": None,
        "count": 300,
        "large": 2**70,
        "tau": 1.25,
        "name": "Ümlaut",
        "bytes": b"\x00\xff",
        "nested": {"a": [1, (2, 3, 4, 5), (), {}], "b": {}},
        "array": numbers,
        "turned": np.asfortranarray(numbers),
        "empty": np.zeros(0, dtype="f4"),
        "shared": [shared, shared],
        "text": np.array(["ab", "c"]),
        "word": np.str_("abc"),
        "ordered": collections.OrderedDict(z=1),
        5: "five",
    }
    loaded = read_pickled_dict(
        write_pickle(path, pickle.dumps(np.array(data, dtype=object), protocol))
    )
    assert loaded.keys() == data.keys()
    for name in ("array", "turned", "empty", "text"):
        np.testing.assert_array_equal(loaded[name], data[name])
        assert loaded[name].dtype == data[name].dtype
    for one in loaded["shared"]:
        np.testing.assert_array_equal(one, [1, 2])
    plain = set(data) - {"array", "turned", "empty", "text", "shared"}
    assert {name: loaded[name] for name in plain} == {name: data[name] for name in plain}
    assert isinstance(loaded["fs"], np.float32)


def test_dictionary_as_numpy_saves_it(path):
    np.save(path, {"fs": 10.0, "objects": np.array([["a", None]], dtype=object)}, allow_pickle=True)
    assert read_pickled_dict(path) == {"fs": 10.0, "objects": ["a", None]}


def test_sets_become_lists(path):
    write_pickle(path, pickle.dumps({"set": {1}, "frozen": frozenset([2])}, protocol=4))
    assert read_pickled_dict(path) == {"set": [1], "frozen": [2]}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (pathlib.PurePosixPath("/data"), "PurePosixPath"),
        (collections.defaultdict(list, a=[1]), "defaultdict"),
        (collections.deque([1, 2]), "deque"),
        (1j, "complex"),
        (np.zeros(2, dtype=[("x", "f4")]), "numpy.ndarray"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "numpy.ndarray"),
        (np.dtype("f4,f4"), "numpy.dtype"),
        (print, "print"),
    ],
)
def test_what_is_not_plain_is_a_placeholder_between_the_rest(path, value, name):
    np.save(path, {"fs": 10.0, "it": value, "tau": 1.0}, allow_pickle=True)
    loaded = read_pickled_dict(path)
    assert isinstance(loaded["it"], Placeholder)
    assert loaded["it"].name.endswith(name)
    assert name in repr(loaded["it"])
    assert (loaded["fs"], loaded["tau"]) == (10.0, 1.0)


def test_device_of_pytorch_is_a_placeholder(path):
    device = b"ctorch\ndevice\n" + text("cuda") + b"K\x00\x86R"
    loaded = read_pickled_dict(write_pickle(path, around(device)))
    assert loaded["it"].name == "torch.device"
    assert (loaded["fs"], loaded["tau"]) == (10, 1)
    assert "torch" not in sys.modules


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call

    def __call__(self):
        """Only what can be called can be pickled as a function."""


def hostile(marker):
    """Return steps that each make a file, by what they use."""
    python = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    shell = f'echo > "{marker}"'
    line = b"S" + repr(shell).encode() + b"\n"
    touch = operator.methodcaller("touch")
    return {
        "os.system": steps_of(Calls(os.system, shell)),
        "subprocess": steps_of(Calls(subprocess.check_output, [sys.executable, "-c", python])),
        "eval": steps_of(Calls(eval, python)),
        "protocol 0": b"cos\nsystem\n(" + line + b"tR",
        "INST": b"(" + line + b"ios\nsystem\n",
        "OBJ": b"(cos\nsystem\n" + line + b"o",
        "a call of what a call returned": steps_of(Calls(touch, pathlib.Path(marker))),
        "getattr": steps_of(Calls(Calls(getattr, pathlib.Path(marker), "touch"))),
        "state of a partial": steps_of(Calls(functools.partial(eval, python))),
        "numpy.memmap": steps_of(Calls(np.memmap, str(marker), "u1", "w+", 0, (1,))),
        "numpy.save": steps_of(Calls(np.save, str(marker), 1)),
        "runstring": steps_of(Calls(runstring, python, {})),
        "a method of an array": steps_of(Calls(np.ndarray.tofile, np.zeros(1), str(marker))),
        "pickle.loads": steps_of(Calls(pickle.loads, pickle.dumps(Calls(eval, python)))),
    }


NAMES = list(hostile(pathlib.Path("made.npy")))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_runs(tmp_path, path, name):
    global heard
    marker = tmp_path / "made.npy"
    steps = hostile(marker)[name]
    pickle.loads(b"\x80\x02" + steps + b".")
    assert marker.exists(), "the test itself is at fault: it does no harm"
    marker.unlink()
    write_pickle(path, around(steps))
    heard = []
    try:
        loaded = read_pickled_dict(path)
    finally:
        events, heard = heard, None
    assert not marker.exists()
    assert RUNS.isdisjoint(events)
    assert "open" in events
    assert isinstance(loaded["it"], Placeholder)
    assert (loaded["fs"], loaded["tau"]) == (10, 1)


def test_numpy_load_of_another_file_is_not_called(tmp_path, path):
    inner, marker = tmp_path / "inner.npy", tmp_path / "made"
    evil = Calls(pathlib.Path.touch, marker)
    np.save(inner, np.array(evil, dtype=object), allow_pickle=True)
    steps = steps_of(Calls(np.load, str(inner), None, True))
    loaded = read_pickled_dict(write_pickle(path, around(steps)))
    assert loaded["it"].name == "numpy.load"
    assert not marker.exists()
    pickle.loads(b"\x80\x02" + steps + b".")
    assert marker.exists()


def test_state_does_not_change_what_it_names(path):
    # A pair as state is set attribute by attribute, on a class or module as well.
    steps = b"ccalab_io\nLazyTraces\n(N}" + text("harm") + b"K\x01stb"
    loaded = read_pickled_dict(write_pickle(path, around(steps)))
    assert loaded["it"].name == "calab_io.LazyTraces"
    assert not hasattr(LazyTraces, "harm")
    pickle.loads(b"\x80\x02" + steps + b".")
    assert LazyTraces.harm == 1
    del LazyTraces.harm


@pytest.mark.parametrize(
    ("steps", "value"),
    [
        (b"K\x01(K\x02K\x031", 1),
        (b"K\x01(0", 1),
        (b"(K\x012\x86" + b"l", [(1, 1)]),
        (b"(" + text("a") + b"K\x01d", {"a": 1}),
    ],
)
def test_rare_steps(path, steps, value):
    assert read_pickled_dict(write_pickle(path, around(steps)))["it"] == value


@pytest.mark.parametrize(
    "steps",
    [
        b"ccopyreg\n_reconstructor\n(cos\n_Environ\ncbuiltins\nobject\nNtR}K\x01K\x02sb",
        b"cos\nsystem\n)R" + text("rm") + b"\x85R" + text("rm") + b"\x85R",
        b"cbuiltins\ngetattr\n(cos\nenviron\n" + text("clear") + b"tR)R",
        text("os") + text("system") + b"\x93" + text("rm") + b"\x85R",
        b"csubprocess\nPopen\n" + text("rm") + b"\x85\x81",
        b"csubprocess\nPopen\n" + text("rm") + b"\x85}\x92",
        b"ccollections\ndefaultdict\n)R(K\x01K\x02u(K\x01e(K\x01\x90K\x01K\x02sK\x01a",
        b"c" + b"a" * 998 + b"\nbb\n",
        b"P1\n",
        b"K\x01Q",
        b"\x82\x01",
        b"K\x01)R",
        b"}\x85)R",
        b"cnumpy\ndtype\n)R",
        b"cnumpy\ndtype\n" + text("f4") + b"\x85R",
        b"cnumpy\ndtype\n" + text("f3") + b"\x85R(K\x03" + text("<") + b"NNNtb",
        b"cnumpy\ndtype\n" + text("f4") + b"\x85RK\x01b",
        b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nmemmap\n)tR",
        b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n)tRNb",
        b"cnumpy._core.multiarray\nscalar\n(K\x01K\x02tR",
        b"c_codecs\nencode\n(" + text("41") + text("hex") + b"tR",
        b"cbuiltins\nbytes\n(J\xff\xff\xff\x7ftR",
        b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR",
    ],
)
def test_steps_that_make_no_plain_data_are_inert(path, steps):
    loaded = read_pickled_dict(write_pickle(path, around(steps)))
    assert isinstance(loaded["it"], Placeholder)
    assert isinstance(loaded["it"].name, str)
    assert (loaded["fs"], loaded["tau"]) == (10, 1)
