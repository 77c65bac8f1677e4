import pickle
import sys

import numpy as np
import pyarrow as pa
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from calab_io.formats import parquet
from layouts.tables import FS, example, write_parquet

TRACES = example()
CELLS = {f"cell_{at}": trace for at, trace in enumerate(TRACES)}
TIMES = np.arange(50) / 10


@pytest.fixture
def path(tmp_path):
    return write_parquet(tmp_path / "traces.parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".PQ"])
def test_columns_are_cells(tmp_path, suffix):
    recording = read(write_parquet(tmp_path / f"traces{suffix}"))
    np.testing.assert_array_equal(recording.traces, TRACES)
    assert recording.traces.dtype == np.float32
    assert (recording.trace, recording.format) == ("raw", "parquet")
    assert recording.fs == pytest.approx(FS)
    np.testing.assert_allclose(recording.timestamps, np.arange(50) / FS)
    assert recording.cell_ids.tolist() == list(CELLS)
    assert "a column per cell" in recording.why
    assert recording.notes == ()


def test_trace_is_what_the_user_says(path):
    assert read(path, trace="dff").trace == "dff"


def test_rows_are_read_when_asked_for(path):
    recording = read(path)
    lazy = pickle.loads(pickle.dumps(recording.traces))
    np.testing.assert_array_equal(lazy[2], TRACES[2])
    np.testing.assert_array_equal(lazy[[3, 0, 3]], TRACES[[3, 0, 3]])
    np.testing.assert_array_equal(lazy[1:, 5:9], TRACES[1:, 5:9])
    np.testing.assert_array_equal(read(path, cells=["cell_2"]).traces, TRACES[2:3])


def test_groups_of_rows(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", row_group_size=7, compression="zstd")
    np.testing.assert_array_equal(read(path).traces, TRACES)


def test_one_double_makes_all_double(tmp_path):
    path = write_parquet(
        tmp_path / "x.parquet", columns={"a": TRACES[0].astype(np.float32), "b": TRACES[1]}
    )
    assert read(path, fs=1).traces.dtype == np.float64


@pytest.mark.parametrize("kind", ["int8", "int64", "uint16", "float16"])
def test_other_numbers_become_double(tmp_path, kind):
    path = write_parquet(tmp_path / "x.parquet", columns={"a": np.arange(5).astype(kind)})
    recording = read(path, fs=1)
    assert recording.traces.dtype == np.float64
    assert np.asarray(recording.traces).tolist() == [[0, 1, 2, 3, 4]]


def test_missing_samples(tmp_path):
    columns = {
        "a": pa.array([1, None, 3], pa.float32()),
        "b": pa.array([None, 2, 3], pa.int16()),
    }
    traces = read(write_parquet(tmp_path / "x.parquet", columns=columns), fs=1).traces
    np.testing.assert_array_equal(traces, [[1, np.nan, 3], [np.nan, 2, 3]])


@pytest.mark.parametrize(
    "times",
    [
        pa.array(range(0, 5000, 100), pa.timestamp("ms", tz="UTC")),
        pa.array([at * 100_000_000 for at in range(50)], pa.duration("ns")),
        TIMES.astype(np.float32),
    ],
)
def test_kinds_of_times(tmp_path, times):
    recording = read(write_parquet(tmp_path / "x.parquet", columns={**CELLS, "t": times}))
    assert recording.fs == pytest.approx(10)
    np.testing.assert_allclose(recording.timestamps, TIMES, rtol=1e-6)
    assert recording.n_cells == 4


def test_times_in_milliseconds(tmp_path):
    columns = {"time_ms": np.arange(50) * 100, **CELLS}
    assert read(write_parquet(tmp_path / "x.parquet", columns=columns)).fs == pytest.approx(10)


def test_times_that_are_no_numbers(tmp_path):
    columns = {"time": ["noon"] * 50, **CELLS}
    with pytest.raises(CalabFormatError, match=r"x.parquet, time: expected numbers or times, got"):
        read(write_parquet(tmp_path / "x.parquet", columns=columns))


def test_times_of_no_use(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", columns={"time": np.zeros(50), **CELLS})
    with pytest.raises(CalabFormatError, match="time: expected time stamps that increase"):
        read(path)
    with pytest.warns(UserWarning, match="left out"):
        assert read(path, fs=2).timestamps is None


def test_without_times(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", columns={"frame": np.arange(50), **CELLS})
    with pytest.raises(CalabFormatError, match="not in it; give fs in Hz, or name a column 'time'"):
        read(path)
    assert read(path, fs=1).cell_ids.tolist() == list(CELLS)


def test_index_of_pandas_without_a_name(tmp_path):
    name = "__index_level_0__"
    path = write_parquet(tmp_path / "x.parquet", columns={**CELLS, name: np.arange(50)})
    assert read(path, fs=1).cell_ids.tolist() == list(CELLS)
    path = write_parquet(tmp_path / "y.parquet", columns={**CELLS, name: TIMES})
    with pytest.raises(CalabFormatError, match=r"__index_level_0__: .*name it time"):
        read(path, fs=1)
    path = write_parquet(tmp_path / "z.parquet", columns={**CELLS, "": TIMES})
    with pytest.raises(CalabFormatError, match=r"z.parquet, column 5: .*name it time"):
        read(path, fs=1)


def test_no_columns(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", columns={})
    with pytest.raises(CalabFormatError, match="expected a column per cell, got none"):
        read(path, fs=1)


def test_no_rows(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", columns={"a": np.zeros(0)})
    with pytest.raises(CalabFormatError, match="1 cells without a frame"):
        read(path, fs=1)


def test_columns_of_words_are_refused_by_name(tmp_path):
    columns = {**CELLS, "animal": ["m1"] * 50, "running": [True] * 50, "speed": TIMES}
    path = write_parquet(tmp_path / "x.parquet", columns=columns)
    message = r"got animal \(string\), running \(bool\); key='cell_\*'"
    with pytest.raises(CalabFormatError, match=message):
        read(path, fs=1)
    recording = read(path, fs=1, key="cell_*")
    assert recording.cell_ids.tolist() == list(CELLS)
    assert "named cell_*" in recording.why
    np.testing.assert_array_equal(recording.traces, TRACES)
    with pytest.raises(MissingKeyError, match=r"x.parquet, roi\*: not found \(there is animal"):
        read(path, fs=1, key="roi*")


def test_many_columns_of_words_are_shortened(tmp_path):
    columns = {f"w{at:02}": ["a"] for at in range(20)}
    with pytest.raises(CalabFormatError, match=r"w19 \(string\); "):
        read(write_parquet(tmp_path / "x.parquet", columns=columns))
    columns["w20"] = ["a"]
    with pytest.raises(CalabFormatError, match=r"w19 \(string\), \.\.\.; "):
        read(write_parquet(tmp_path / "x.parquet", columns=columns))


def test_a_row_per_cell_and_frame(tmp_path):
    columns = {"cell": np.repeat(np.arange(4), 50), "value": TRACES.ravel()}
    with pytest.raises(CalabFormatError, match=r"per cell and frame \('cell'\); pivot the table"):
        read(write_parquet(tmp_path / "x.parquet", columns=columns), fs=1)


def test_a_name_with_a_dot_is_no_path(tmp_path):
    columns = {"a.b": TRACES[0], "a": TRACES[1], "a.c": TRACES[2]}
    recording = read(write_parquet(tmp_path / "x.parquet", columns=columns), fs=1)
    np.testing.assert_array_equal(recording.traces, TRACES[:3])


def test_two_columns_of_one_name(tmp_path):
    table = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["a", "a"])
    pa.parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(CalabFormatError, match="an id of its own for each of 2 cells"):
        read(tmp_path / "x.parquet", fs=1)


def test_transpose_does_not_apply(path):
    with pytest.raises(ValueError, match="transpose: does not apply to parquet"):
        read(path, transpose=True)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1 and no more"])
def test_what_is_no_parquet(tmp_path, content):
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(CalabFormatError, match=r"x.parquet: (expected a Parquet file|cannot be)"):
        read(path)


def test_damaged_description(path):
    content = path.read_bytes()
    path.write_bytes(content[:-200] + bytes(190) + content[-10:])
    with pytest.raises(CalabFormatError, match=r"traces.parquet: cannot be read"):
        read(path)


def test_damaged_content_is_noticed_when_it_is_read(path):
    recording, content = read(path), path.read_bytes()
    # Of which the last bytes say where it begins.
    description = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(content[:4] + b"\xff" * (description - 4) + content[description:])
    with pytest.raises(CalabFormatError, match=r"traces.parquet: cannot be read"):
        np.asarray(recording.traces)


def test_a_file_that_was_replaced_is_noticed(path):
    recording = read(path)
    write_parquet(path, columns={name: trace[:9] for name, trace in CELLS.items()})
    with pytest.raises(CalabFormatError, match="expected 50 rows, got 9"):
        np.asarray(recording.traces)


def test_rows_that_cannot_be_there(path, monkeypatch):
    monkeypatch.setattr(parquet, "MOST_INFLATED", 0.01)
    with pytest.raises(CalabFormatError, match="data that fit the file, got 50 rows of 5 columns"):
        read(path)


def test_other_names_and_folders_are_not_taken(path):
    other = path.rename(path.with_suffix(".table"))
    with pytest.raises(CalabFormatError, match="not a format that is known"):
        read(other)
    np.testing.assert_array_equal(read(other, "parquet").traces, TRACES)
    path.mkdir()
    with pytest.raises(CalabFormatError, match="no recording is in this folder"):
        read(path)


def test_without_the_library(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"traces.parquet needs pyarrow: .* extra 'parquet'"):
        read(path)
