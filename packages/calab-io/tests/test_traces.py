from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from calab_io import read_csv, read_npy, read_traces

TABLE = np.array([[1.0, 2.5, -3.0], [4.0, 5.0, 6.0]])


@pytest.fixture
def npy(tmp_path: Path) -> Path:
    path = tmp_path / "traces.npy"
    np.save(path, TABLE)
    return path


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("<f4", "float32"),
        (">f4", "float32"),
        ("<f8", "float64"),
        (">f8", "float64"),
        ("i2", "f8"),
        ("i4", "f8"),
    ],
)
def test_npy_keeps_single_precision_and_widens_the_rest(
    tmp_path: Path, dtype: str, expected: str
) -> None:
    path = tmp_path / "traces.npy"
    np.save(path, np.round(TABLE).astype(dtype))
    traces = read_npy(path)
    assert traces.dtype == np.dtype(expected)
    assert traces.dtype.isnative
    np.testing.assert_array_equal(traces, np.round(TABLE))


def test_fortran_order_is_read_as_saved(tmp_path: Path) -> None:
    path = tmp_path / "traces.npy"
    np.save(path, np.asfortranarray(TABLE))
    np.testing.assert_array_equal(read_npy(path), TABLE)


def test_one_dimension_is_one_cell_also_when_transposed(tmp_path: Path) -> None:
    path = tmp_path / "traces.npy"
    np.save(path, TABLE[0])
    assert read_npy(path).shape == (1, 3)
    assert read_npy(path, transpose=True).shape == (1, 3)


def test_more_rows_than_columns_warns_and_is_not_turned(tmp_path: Path) -> None:
    path = tmp_path / "traces.npy"
    np.save(path, TABLE.T)
    with pytest.warns(UserWarning, match="read as 3 cells x 2 frames.*transpose it"):
        traces = read_npy(path)
    np.testing.assert_array_equal(traces, TABLE.T)
    np.testing.assert_array_equal(read_npy(path, transpose=True), TABLE)


def test_transposing_the_wrong_way_warns_too(npy: Path) -> None:
    with pytest.warns(UserWarning, match="do not transpose"):
        assert read_npy(npy, transpose=True).shape == (3, 2)


@pytest.mark.parametrize("shape", [(), (2, 3, 4)])
def test_other_dimensions_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "traces.npy"
    np.save(path, np.zeros(shape))
    with pytest.raises(ValueError, match=r"expected cells x frames, got shape"):
        read_npy(path)


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([1j]), np.array([True])])
def test_what_is_not_a_real_number_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    path = tmp_path / "traces.npy"
    np.save(path, array)
    with pytest.raises(ValueError, match="expected real numbers, got dtype"):
        read_npy(path)


def test_objects_are_refused_without_unpickling(tmp_path: Path) -> None:
    path = tmp_path / "traces.npy"
    np.save(path, np.array([[1.0], "x"], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"traces\.npy: expected a complete \.npy file of numbers"):
        read_npy(path)


@pytest.mark.parametrize("content", [b"", b"\x93NUM", b"1,2,3\n", b"PK\x03\x04"])
def test_what_is_not_npy_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "traces.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"expected a \.npy file"):
        read_npy(path)


@pytest.mark.parametrize("kept", [7, 40, -8])
def test_truncated_npy_is_refused(tmp_path: Path, kept: int) -> None:
    buffer = io.BytesIO()
    np.save(buffer, TABLE)
    path = tmp_path / "traces.npy"
    path.write_bytes(buffer.getvalue()[:kept])
    with pytest.raises(ValueError, match=r"expected a complete \.npy file of numbers"):
        read_npy(path)


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.npy: no such file"):
        read_npy(tmp_path / "no.npy")
    with pytest.raises(IsADirectoryError, match="expected a file, got a folder"):
        read_csv(tmp_path)


def test_csv_rows_are_cells(tmp_path: Path) -> None:
    path = write(tmp_path / "traces.csv", "1,2.5,-3\n4,5,6\n")
    np.testing.assert_array_equal(read_csv(path), TABLE)


def test_csv_with_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "traces.csv"
    path.write_bytes(b"\xef\xbb\xbf1,2.5,-3\r\n4,5,6\r\n")
    np.testing.assert_array_equal(read_csv(path), TABLE)


def test_missing_samples_become_nan(tmp_path: Path) -> None:
    path = write(tmp_path / "traces.csv", "1,,NA,nan\n\n null ,2,3,4\n")
    expected = [[1, np.nan, np.nan, np.nan], [np.nan, 2, 3, 4]]
    np.testing.assert_array_equal(read_csv(path), expected)


def test_single_row_is_one_cell(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path / "traces.csv", "1,2,3\n")).shape == (1, 3)


def test_header_is_refused_with_advice_and_can_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "traces.csv", "a,b,c\n1,2.5,-3\n4,5,6\n")
    with pytest.raises(ValueError, match=r"line 1, column 1: expected a number, got 'a' .*skip_"):
        read_csv(path)
    np.testing.assert_array_equal(read_csv(path, skip_rows=1), TABLE)


def test_ragged_rows_are_refused_with_their_line(tmp_path: Path) -> None:
    path = write(tmp_path / "traces.csv", "1,2,3\n4,5\n")
    with pytest.raises(ValueError, match="line 2: expected 3 fields as in the first row, got 2"):
        read_csv(path)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_empty_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="got no rows"):
        read_csv(write(tmp_path / "traces.csv", text))


def test_binary_csv_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "traces.csv"
    path.write_bytes(b"\xff\xfe\x00\x81,1\n")
    with pytest.raises(ValueError, match="expected a text table of numbers"):
        read_csv(path)


def test_negative_skip_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected skip_rows >= 0, got -1"):
        read_csv(write(tmp_path / "traces.csv", "1,2\n"), skip_rows=-1)


def test_suffix_chooses_the_reader(tmp_path: Path, npy: Path) -> None:
    np.testing.assert_array_equal(read_traces(npy), TABLE)
    tsv = write(tmp_path / "traces.TSV", "1\t2.5\t-3\n4\t5\t6\n")
    np.testing.assert_array_equal(read_traces(tsv), TABLE)
    with pytest.raises(ValueError, match=r"expected a \.npy, \.csv or \.tsv file, got \.mat"):
        read_traces(tmp_path / "traces.mat")
    with pytest.raises(ValueError, match=r"traces: expected a \.npy, .* got no suffix"):
        read_traces(tmp_path / "traces")
    with pytest.raises(ValueError, match=r"skip_rows is for \.csv"):
        read_traces(npy, skip_rows=1)
