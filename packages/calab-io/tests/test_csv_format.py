import warnings

import numpy as np
import pytest
from calab_io import CalabFormatError, read, read_csv
from calab_io.files import tables
from layouts.tables import FS, example, write_csv

TRACES = example()
NAMES = "time,A,B"


@pytest.fixture
def path(tmp_path):
    return write_csv(tmp_path / "traces.csv")


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def frames(path, names=NAMES, steps=(0, 0.1, 0.2)):
    """Write a row per frame: of each cell its number, in tens, plus the frame."""
    width = names.count(",")
    rows = [
        ",".join([f"{time}", *(f"{10 * cell + at}" for cell in range(1, width + 1))])
        for at, time in enumerate(steps)
    ]
    return write(path, "\n".join([names, *rows]) + "\n")


EXPECTED = [[10, 11, 12], [20, 21, 22]]


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".TSV", "\t")])
def test_rows_are_cells(tmp_path, suffix, delimiter):
    recording = read(write_csv(tmp_path / f"traces{suffix}", delimiter=delimiter), fs=5)
    np.testing.assert_array_equal(recording.traces, TRACES)
    assert recording.traces.dtype == np.float64
    assert (recording.fs, recording.trace, recording.format) == (5, "raw", "csv")
    assert recording.cell_ids.tolist() == [0, 1, 2, 3]
    assert "rows are cells" in recording.why
    assert recording.timestamps is None
    assert recording.notes == ()


def test_trace_is_what_the_user_says(path):
    assert read(path, fs=5, trace="dff").trace == "dff"


def test_without_a_rate(path):
    with pytest.raises(CalabFormatError, match=r"frame rate is not in it; give fs in Hz$"):
        read(path)


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_columns_with_names(tmp_path, suffix, delimiter):
    path = write_csv(tmp_path / f"traces{suffix}", columns=True, delimiter=delimiter)
    recording = read(path, transpose=True)
    np.testing.assert_array_equal(recording.traces, TRACES)
    assert recording.traces.flags.c_contiguous
    assert recording.cell_ids.tolist() == ["cell 0", "cell 1", "cell 2", "cell 3"]
    assert recording.fs == pytest.approx(FS)
    np.testing.assert_allclose(recording.timestamps, np.arange(50) / FS)
    assert "columns are cells" in recording.why


def test_names_are_no_guess_at_the_orientation(tmp_path):
    path = frames(tmp_path / "x.csv")
    message = r"x.csv, line 1: .*names of columns \(time, A, B\); transpose=True if columns are"
    with pytest.raises(CalabFormatError, match=message + ".*skip_rows=1 if rows are$"):
        read(path, fs=1)
    recording = read(path, fs=1, skip_rows=1)
    assert recording.traces[:, 0].tolist() == [0, 0.1, 0.2]


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ("ABCD", r"\(A, B, C, D\)"),
        ("ABCDE", r"\(A, B, C, D, \.\.\.\)"),
        (["A", "b" * 77], r"\(A, b{77}\)"),
        (["A", "b" * 78], r"\(A, b{77}, \.\.\.\)"),
    ],
)
def test_many_names_are_shortened(tmp_path, names, listed):
    path = write(tmp_path / "x.csv", f"{','.join(names)}\n{','.join('1' * len(names))}\n")
    with pytest.raises(CalabFormatError, match=listed):
        read(path, fs=1)


@pytest.mark.parametrize(
    "name",
    ["time", "Time (s)", "time_s", "Timestamps", "time_stamp", "Elapsed time [s]", "t", "seconds"],
)
def test_times_by_their_names(tmp_path, name):
    recording = read(frames(tmp_path / "x.csv", f"{name},A,B"), transpose=True)
    assert recording.fs == pytest.approx(10)
    assert recording.traces.tolist() == EXPECTED


@pytest.mark.parametrize("name", ["Time (ms)", "time_ms", "timestamp [ms]"])
def test_times_in_milliseconds(tmp_path, name):
    path = frames(tmp_path / "x.csv", f"{name},A,B", (0, 100, 200))
    assert read(path, transpose=True).fs == pytest.approx(10)


@pytest.mark.parametrize("name", ["Time (months)", "time_h", "time_of_day", "frame time", "t/h"])
def test_times_in_a_unit_that_is_not_known(tmp_path, name):
    path = frames(tmp_path / "x.csv", f"{name},A,B")
    with pytest.raises(CalabFormatError, match=r"x.csv: expected times in s or ms.*, got '"):
        read(path, transpose=True, fs=1)


def test_times_in_minutes(tmp_path):
    path = frames(tmp_path / "x.csv", "Time (min),A,B", (0, 0.01, 0.02))
    assert read(path, transpose=True).fs == pytest.approx(1 / 0.6)


def test_times_that_are_hardly_seconds(tmp_path):
    path = frames(tmp_path / "x.csv", "time,A,B", (0, 33, 66))
    message = r"x.csv, time: the times have no unit and are .* means 0.030303 Hz; give fs in Hz if"
    with pytest.warns(UserWarning, match=message):
        read(path, transpose=True)
    named = frames(tmp_path / "y.csv", "time (s),A,B", (0, 33, 66))
    assert read(named, transpose=True).notes == ()
    assert read(frames(path, "seconds,A,B", (0, 33, 66)), transpose=True).notes == ()


@pytest.mark.parametrize("name", ["timer", "runtime", "sometimes", "t1"])
def test_a_cell_may_have_such_a_name(tmp_path, name):
    recording = read(frames(tmp_path / "x.csv", f"time,{name}"), transpose=True)
    assert recording.cell_ids.tolist() == [name]


def test_times_that_do_not_increase(tmp_path):
    path = frames(tmp_path / "x.csv", steps=(0, 0.1, 0.1))
    with pytest.raises(CalabFormatError, match=r"x.csv, time: expected time stamps that increase"):
        read(path, transpose=True)
    with pytest.warns(UserWarning, match=r"x.csv, time: .*left out"):
        assert read(path, transpose=True, fs=7).timestamps is None


def test_two_columns_of_times(tmp_path):
    path = frames(tmp_path / "x.csv", "time,A,t")
    with pytest.raises(CalabFormatError, match="expected one column of times, got time, t"):
        read(path, transpose=True)


@pytest.mark.parametrize("name", ["frame", "Frame_number", "index"])
def test_numbers_of_frames_are_no_cell(tmp_path, name):
    path = frames(tmp_path / "x.csv", f"{name},A,B", (7, 8, 9))
    with pytest.raises(CalabFormatError, match="or name a column 'time', in seconds"):
        read(path, transpose=True)
    recording = read(path, transpose=True, fs=3)
    assert recording.cell_ids.tolist() == ["A", "B"]
    assert recording.traces.tolist() == EXPECTED


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_a_column_without_a_name_counts_rows(tmp_path, name):
    counted = frames(tmp_path / "x.csv", f"{name},A,B", (1, 2, 3))
    assert read(counted, transpose=True, fs=3).traces.tolist() == EXPECTED
    with pytest.raises(CalabFormatError, match=r"x.csv, column 1: .*name it time"):
        read(frames(tmp_path / "x.csv", f"{name},A,B"), transpose=True, fs=3)


def test_a_row_per_cell_and_frame(tmp_path):
    path = frames(tmp_path / "x.csv", "frame,cell_id,value")
    with pytest.raises(CalabFormatError, match=r"a row per cell and frame \('cell_id'\); pivot"):
        read(path, transpose=True, fs=1)


def test_a_single_column_may_be_called_cell(tmp_path):
    path = frames(tmp_path / "x.csv", "time,cell")
    assert read(path, transpose=True).cell_ids.tolist() == ["cell"]


def test_no_column_of_a_cell(tmp_path):
    path = write(tmp_path / "x.csv", "time\n1\n2\n")
    with pytest.raises(CalabFormatError, match="expected a column per cell, got time"):
        read(path, transpose=True)


def test_as_many_names_as_columns(tmp_path):
    path = write(tmp_path / "x.csv", "A,B,C\n1,2\n3,4\n")
    with pytest.raises(CalabFormatError, match="expected a name for each of 2 columns, got 3"):
        read(path, transpose=True)


def test_names_below_lines_that_are_left_out(tmp_path):
    path = write(tmp_path / "x.csv", "my data\n\nA,B\n1,2\n3,4\n")
    recording = read(path, transpose=True, skip_rows=1, fs=1)
    assert recording.cell_ids.tolist() == ["A", "B"]
    assert recording.traces.tolist() == [[1, 3], [2, 4]]


def test_numbers_without_names(tmp_path):
    path = write(tmp_path / "x.csv", "1,2\n3,4\n5,6\n")
    recording = read(path, transpose=True, fs=1)
    assert recording.traces.tolist() == [[1, 3, 5], [2, 4, 6]]
    assert recording.cell_ids.tolist() == [0, 1]
    with pytest.warns(UserWarning, match="3 cells x 2 frames, more cells than frames"):
        assert read(path, fs=1).n_cells == 3


def test_comments(tmp_path):
    """As `numpy.savetxt` writes its header."""
    path = tmp_path / "x.csv"
    header = f"a recording\n{NAMES}"
    np.savetxt(
        path, np.array([[0, 10, 20], [0.1, 11, 21], [0.2, 12, 22]]), "%g", ",", header=header
    )
    recording = read(path, transpose=True)
    assert recording.cell_ids.tolist() == ["A", "B"]
    assert recording.traces.tolist() == EXPECTED
    # Of rows that are cells it may say anything.
    assert read(path, fs=1).traces[0].tolist() == [0, 10, 20]


def test_a_comment_that_is_no_names(tmp_path):
    path = write(tmp_path / "x.csv", "# a recording\n1,\n# end\n4,5\n")
    expected = [[1, np.nan], [4, 5]]
    np.testing.assert_array_equal(read(path, fs=1).traces, expected)
    np.testing.assert_array_equal(read(path, fs=1, transpose=True).traces, np.transpose(expected))


def test_table_of_pandas(tmp_path):
    """Which writes the number of each column above it, and of each row before it."""
    path = write(tmp_path / "x.csv", ",0,1\n0,1.5,2.5\n1,4.5,5.5\n")
    with pytest.raises(CalabFormatError, match=r"names of columns \(, 0, 1\); transpose=True"):
        read(path, fs=1)
    columns = read(path, transpose=True, fs=1)
    assert columns.cell_ids.tolist() == ["0", "1"]
    assert columns.traces.tolist() == [[1.5, 4.5], [2.5, 5.5]]


def test_numbers_of_cells_beside_a_name(tmp_path):
    path = write(tmp_path / "x.csv", "frame,0,1\n8,1.5,2.5\n9,4.5,5.5\n")
    recording = read(path, transpose=True, fs=1)
    assert recording.cell_ids.tolist() == ["0", "1"]
    assert recording.traces.tolist() == [[1.5, 4.5], [2.5, 5.5]]


def test_samples_that_happen_to_count(tmp_path):
    path = write(tmp_path / "x.csv", "5,0,1\n7,8,9\n")
    assert read(path, fs=1).traces.tolist() == [[5, 0, 1], [7, 8, 9]]


def test_names_of_rows_under_an_empty_corner(tmp_path):
    path = write(tmp_path / "x.csv", ",0,1,2\n7,1.5,2.5,3.5\n5,4.5,5.5,6.5\n")
    recording = read(path, skip_rows=1, fs=1)
    assert recording.cell_ids.tolist() == [7, 5]
    assert recording.traces.tolist() == [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]
    with pytest.raises(CalabFormatError, match="column 1: expected a column without a name to"):
        read(path, transpose=True, skip_rows=1, fs=1)


@pytest.mark.parametrize("label", ["1.5", "nan", f"{2**53}"])
def test_names_of_rows_that_are_no_ids(tmp_path, label):
    path = write(tmp_path / "x.csv", f",a,b\n{label},1.5,2.5\n")
    with pytest.raises(CalabFormatError, match="column 1: expected whole numbers, the ids"):
        read(path, skip_rows=1, fs=1)


def test_a_first_line_that_counts(tmp_path):
    path = write(tmp_path / "x.csv", "0,1\n1.5,2.5\n3.5,4.5\n")
    with pytest.raises(CalabFormatError, match="skip_rows=0 if these are samples"):
        read(path, fs=1)
    with pytest.warns(UserWarning, match="counts the columns, and is read as names"):
        recording = read(path, transpose=True, fs=1)
    assert recording.traces.tolist() == [[1.5, 3.5], [2.5, 4.5]]
    samples = read(path, transpose=True, fs=1, skip_rows=0)
    assert samples.traces.tolist() == [[0, 1.5, 3.5], [1, 2.5, 4.5]]


@pytest.mark.parametrize("text", ["1.5\n2.5\n", "0\n1\n"])
def test_a_single_column_of_numbers_has_no_names(tmp_path, text):
    recording = read(write(tmp_path / "x.csv", text), transpose=True, fs=1)
    assert recording.n_frames == 2


def test_names_in_the_first_column_are_refused(tmp_path):
    path = write(tmp_path / "x.csv", "a,1,2\nb,3,4\n")
    with pytest.raises(CalabFormatError, match=r"x.csv, line 1, column 1: .* got 'a'"):
        read(path, fs=1)


def test_quotes_and_missing_samples(tmp_path):
    text = '"time","A, left","B"\n"0", ,20\n"0.1",NA,21\n,,\n"0.2",12, N/A \n'
    recording = read(write(tmp_path / "x.csv", text), transpose=True)
    assert recording.cell_ids.tolist() == ["A, left", "B"]
    expected = [[np.nan, np.nan, 12], [20, 21, np.nan]]
    np.testing.assert_array_equal(recording.traces, expected)


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_missing_samples_are_filled_in_as_one_by_one(tmp_path, delimiter):
    text = "1,,NA,nan,\n ,null, 2.5E1 ,none,-3e-2\n,,,,\n,,,,7\nn/a,INF,1,2,3\n".replace(
        ",", delimiter
    )
    expected = [
        [1, *[np.nan] * 4],
        [np.nan, np.nan, 25, np.nan, -0.03],
        [*[np.nan] * 4, 7],
        [np.nan, np.inf, 1, 2, 3],
    ]
    path = write(tmp_path / "x.csv", text)
    np.testing.assert_array_equal(read_csv(path, delimiter=delimiter), expected)
    quoted = write(tmp_path / "y.csv", text.replace("1", '"1"', 1))
    np.testing.assert_array_equal(read_csv(quoted, delimiter=delimiter), expected)


def test_missing_samples_do_not_need_the_slow_way(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_read_quoted_table", None)
    path = write(tmp_path / "x.csv", "1, ,NA,nan,\n,n/a ,2, null,None\n")
    assert np.isnan(read_csv(path)).sum() == 8


def test_comments_among_quotes(tmp_path):
    path = write(tmp_path / "x.csv", '"1","2"\n# half\n"3","4"\n')
    assert read(path, fs=1).traces.tolist() == [[1, 2], [3, 4]]


def test_an_empty_table_is_refused_also_where_warnings_are_not_shown(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(CalabFormatError, match="got no rows"):
            read(write(tmp_path / "x.csv", ""), fs=1)


def test_lines_left_out_above_missing_samples(tmp_path):
    path = write(tmp_path / "x.csv", "one,\ntwo,\n1,\n3,4\n")
    np.testing.assert_array_equal(read_csv(path, skip_rows=2), [[1, np.nan], [3, 4]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got no rows"),
        (b"\n ,\n", "got no rows"),
        ("1,2\n3,4\n".encode("utf-16"), "expected a text table"),
        (b"1,2\n3,\x004\n", "line 2, column 2: expected a number"),
        (b"1,2\n" + b"9" * 200_000 + b"x,1\n", "field larger than field limit"),
        (b"1," * 100_000 + b"1\n1,2\n", "line 2: expected 100001 fields"),
    ],
)
@pytest.mark.parametrize("transpose", [False, True])
def test_what_is_no_table(tmp_path, content, message, transpose):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(CalabFormatError, match=rf"x\.csv.*{message}"):
        read(path, fs=1, transpose=transpose)


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("A,B\n", "names of columns", "got no rows"),
        ("1;2\n3;4\n", "names of columns", "line 2, column 1: expected a number, got '3;4'"),
        ('1,"2\n3,4\n', r"names of columns \(1, 2 3,4\)", "got no rows"),
    ],
)
def test_what_may_be_names(tmp_path, text, rows, columns):
    path = write(tmp_path / "x.csv", text)
    with pytest.raises(CalabFormatError, match=rows):
        read(path, fs=1)
    with pytest.raises(CalabFormatError, match=columns):
        read(path, fs=1, transpose=True)


def test_a_folder_is_no_table(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(CalabFormatError, match="no recording is in this folder"):
        read(tmp_path / "x.csv")


def test_another_suffix_is_read_if_named(tmp_path):
    path = tmp_path / "traces.txt"
    path.write_text("1,2\n")
    assert read(path, "csv", fs=1).traces.tolist() == [[1, 2]]
    with pytest.raises(CalabFormatError, match="not a format that is known"):
        read(path, fs=1)


def test_speed_is_that_of_numpy(tmp_path):
    """The fast way is taken: NumPy opens the file itself, and nothing is read again."""
    path, calls = write_csv(tmp_path / "x.csv"), []
    original = np.loadtxt

    def spy(source, **options):
        calls.append(source)
        return original(source, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "loadtxt", spy)
        read(path, fs=1)
    assert calls == [path]
