import io

import numpy as np
import pytest
from calab_io import CalabFormatError, read, read_npy
from calab_io.files.npy import LONGEST_HEADER, load_array, read_header

VALUES = np.arange(6.0).reshape(2, 3)


def npy(text=None, *, version=1, shape="(2, 3)", descr="'<f8'", pad=0):
    """Write an array as `numpy.save` does, with a header of one's own."""
    if text is None:
        text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    header = text.encode("latin-1") + b" " * (pad - len(text) - 1) + b"\n"
    size = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + VALUES.tobytes()


@pytest.mark.parametrize("version", [1, 2])
def test_header(version):
    content = npy(version=version)
    header = read_header(io.BytesIO(content))
    assert (header.shape, header.dtype, header.is_real) == ((2, 3), np.float64, True)
    assert header.offset == len(content) - VALUES.nbytes
    np.testing.assert_array_equal(load_array(io.BytesIO(content), VALUES.nbytes), VALUES)


@pytest.mark.parametrize("descr", ["'|b1'", "'<c8'", "'<U4'", "'O'", "[('a', '<f8')]"])
def test_what_is_not_real(descr):
    assert not read_header(io.BytesIO(npy(descr=descr))).is_real


def test_what_takes_more_than_there_is_is_not_loaded():
    with pytest.raises(ValueError, match=r"shape \(2, 3\) of float64 takes more than there is"):
        load_array(io.BytesIO(npy()), VALUES.nbytes - 1)


def test_files_of_python_2_are_read_without_a_warning(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(npy(shape="(2L, 3L)"))
    np.testing.assert_array_equal(read_npy(path), VALUES)


def test_the_longest_header(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(npy(pad=LONGEST_HEADER))
    np.testing.assert_array_equal(read_npy(path), VALUES)
    path.write_bytes(npy(pad=LONGEST_HEADER + 1))
    with pytest.raises(CalabFormatError, match="the header is too long"):
        read_npy(path)


@pytest.mark.parametrize(
    "content",
    [
        npy(shape="(1000000, 1000000)"),
        npy(shape="(1000000000000000000000, 3)"),
        npy(shape="(0, 100000000000000000000)"),
        npy(shape="(-2, 3)"),
        npy(shape=f"({'9' * 5000}, 3)"),
        npy(shape="(2, 3"),
        npy(descr="'O'"),
        npy(descr="'<f8\\d'"),
        npy(descr="('<f8', (1000000,))"),
        npy(text="(" * 5000),
        npy(text="-" * 9000 + "1"),
        npy(text="{'shape': '''"),
        npy(text="\x00\xff"),
        npy(text="[]"),
        npy(version=3),
        npy(version=2)[:9],
        npy()[:-1],
    ],
)
def test_damaged_headers(tmp_path, content):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    for reader in (read_npy, read):
        with pytest.raises(
            CalabFormatError, match=r"x.npy: expected a complete .npy file of numbers: "
        ) as raised:
            reader(path)
        assert len(str(raised.value)) < 600


def test_what_is_not_numbers_says_what_it_is(tmp_path):
    np.save(tmp_path / "ops.npy", np.array({"fs": 30}, dtype=object))
    with pytest.raises(CalabFormatError, match="it holds Python objects, which are not unpickled"):
        read(tmp_path / "ops.npy")
    (tmp_path / "a.isxd").touch()
    with pytest.raises(CalabFormatError, match="export its traces as CSV"):
        read(tmp_path / "a.isxd")
    (tmp_path / "a.tif").touch()
    with pytest.raises(CalabFormatError, match="a movie has no traces yet"):
        read(tmp_path / "a.tif")


def test_spikes_of_suite2p_are_not_taken_for_traces(tmp_path):
    np.save(tmp_path / "spks.npy", VALUES)
    with pytest.warns(UserWarning, match=r"suite2p has already deconvolved; F has traces"):
        assert read(tmp_path / "spks.npy", fs=30).trace == "deconvolved"
    assert read(tmp_path / "spks.npy", fs=30, trace="raw").trace == "raw"
