import shutil
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest
import zarr
from calab_io import Recording
from calab_io.writers import saved
from calab_io.writers.saved import load, save
from layouts.results import FS, assert_same, cadecon, deconvolution


@pytest.fixture(params=[".zarr", ".h5"])
def path(request, tmp_path):
    return tmp_path / f"result{request.param}"


@pytest.mark.parametrize("name", ["result", "result.npy", "zarr"])
def test_other_suffixes(tmp_path, name):
    with pytest.raises(ValueError, match=r"path: expected a name that ends in \.zarr or \.h5"):
        save(cadecon(), tmp_path / name)


def test_what_is_no_path():
    with pytest.raises(TypeError, match="path: expected a path"):
        save(cadecon(), 3)
    with pytest.raises(TypeError, match="path: expected a path"):
        load(3)


def test_nothing_is_replaced_unasked(path):
    save(cadecon(), path)
    with pytest.raises(FileExistsError, match=r"exists; give another name or overwrite=True"):
        save(deconvolution(), path, fs=1)
    assert_same(load(path), cadecon())
    save(deconvolution(), path, fs=1, overwrite=True)
    assert_same(load(path), deconvolution())
    with pytest.raises(TypeError, match="overwrite: expected True or False"):
        save(cadecon(), path, overwrite="yes")
    assert len(list(path.parent.iterdir())) == 1


def test_only_a_saved_result_is_replaced(path):
    if path.suffix == ".zarr":
        zarr.create_group(path)
    else:
        h5py.File(path, "w").close()
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(FileExistsError, match="is no result that calab saved; remove it"):
        save(cadecon(), path, overwrite=True)
    assert sorted(path.parent.rglob("*")) == before


@pytest.mark.parametrize("kind", ["empty file", "empty folder", "link to nothing"])
def test_other_things_are_not_replaced(path, kind):
    if kind == "empty file":
        path.touch()
    elif kind == "empty folder":
        path.mkdir()
    else:
        path.symlink_to("nothing")
    with pytest.raises(FileExistsError, match="exists; give another name"):
        save(cadecon(), path)
    with pytest.raises(FileExistsError, match="is no result that calab saved"):
        save(cadecon(), path, overwrite=True)


@pytest.mark.parametrize("inside", ["", "C/C.npy"])
def test_the_recording_is_not_replaced(path, inside):
    save(cadecon(), path)
    source = Recording(
        traces=np.zeros((3, 6)),
        fs=FS,
        cell_ids=np.array(["a", "b", "ç"]),
        timestamps=None,
        source=path / inside,
        format="npy",
        trace="raw",
        why="",
    )
    with pytest.raises(ValueError, match=r"the recording was read from .* give another name"):
        save(cadecon(), path, recording=source, overwrite=True)
    save(cadecon(), path.with_stem("other"), recording=source)


def test_folder_that_is_not_there(path):
    with pytest.raises(NotADirectoryError):
        save(cadecon(), path.parent / "missing" / path.name)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (cadecon()._replace(metadata={"x": {1, 2}}), "metadata: expected what JSON can express"),
        (np.zeros((2, 3), np.longdouble), "expected numbers or text in activity, got dtype"),
        (cadecon()._replace(pves=np.full(3, None)), "in pves, got dtype object"),
    ],
)
def test_what_cannot_be_kept(path, result, message):
    with pytest.raises(TypeError, match=message):
        save(result, path, fs=FS)
    assert list(path.parent.iterdir()) == []


def test_what_fails_leaves_nothing(path, monkeypatch):
    written = []

    def fail(*args):
        written.append(args)
        raise OSError("disk full")

    module = "zarr" if path.suffix == ".zarr" else "hdf5"
    monkeypatch.setattr(f"calab_io.writers.saved.{module}._write_array", fail)
    with pytest.raises(OSError, match="disk full"):
        save(cadecon(), path)
    assert len(written) == 1
    assert list(path.parent.iterdir()) == []


def test_libraries_are_asked_for(path, monkeypatch):
    save(cadecon(), path)
    library, extra = ("zarr", "zarr") if path.suffix == ".zarr" else ("h5py", "hdf5")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"needs {library}: install .* extra '{extra}'"):
        load(path)
    with pytest.raises(ImportError, match=f"needs {library}: install .* extra '{extra}'"):
        save(cadecon(), path.with_stem("other"))


def test_import_loads_no_library():
    code = (
        "import sys, calab_io.writers.saved, calab_io.writers.to_xarray, calab_io.writers.labels\n"
        "print({'zarr', 'h5py', 'xarray', 'pydantic'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_result_that_was_being_replaced_when_its_process_was_killed(tmp_path):
    path = tmp_path / "a.zarr"
    save(np.ones((2, 5)), path, fs=1)
    path.rename(tmp_path / ".calab-aside-0123abcd-a.zarr")
    np.testing.assert_array_equal(load(path), np.ones((2, 5)))
    # Reading moves nothing: it may be the moment between both renames of a writer.
    assert [entry.name for entry in tmp_path.iterdir()] == [".calab-aside-0123abcd-a.zarr"]
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save(np.zeros((2, 5)), path, fs=1)


def test_a_result_that_is_replaced_while_it_is_read(tmp_path, monkeypatch):
    path, aside, new = (tmp_path / f"{name}.zarr" for name in ("a", ".calab-aside-0123abcd-a", "b"))
    save(np.ones((2, 5)), aside, fs=1)
    save(np.zeros((2, 5)), new, fs=1)

    def found_then_gone(target):
        if not new.exists():
            return target
        new.rename(target)
        shutil.rmtree(aside)
        return aside

    monkeypatch.setattr(saved, "whereabouts", found_then_gone)
    np.testing.assert_array_equal(load(path), np.zeros((2, 5)))


def test_a_folder_that_is_replaced_again_and_again_is_read_whole(tmp_path):
    path, stop = tmp_path / "a.zarr", threading.Event()
    save(np.zeros((40, 50)), path, fs=1)

    def replace():
        value = 0
        while not stop.is_set():
            value += 1
            save(np.full((40, 50), value), path, fs=1, overwrite=True)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(60):
            assert np.ptp(load(path)) == 0
    finally:
        stop.set()
        writer.join()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.zarr"]
