import numpy as np
import pytest
from calab_io import CalabFormatError, read
from layouts.inscopix import STATUS, write_inscopix
from layouts.tables import FS, example

TRACES = example()


@pytest.fixture
def path(tmp_path):
    return write_inscopix(tmp_path / "session_traces.csv")


def change(path, old, new):
    path.write_text(path.read_text().replace(old, new, 1))
    return path


def test_accepted_cells(path):
    recording = read(path)
    np.testing.assert_array_equal(recording.traces, TRACES[[0, 3]])
    assert recording.traces.flags.c_contiguous
    assert recording.cell_ids.tolist() == ["C000", "C003"]
    assert (recording.trace, recording.format) == ("raw", "inscopix")
    assert recording.fs == pytest.approx(FS)
    np.testing.assert_allclose(recording.timestamps, np.arange(50) / FS)
    assert recording.cells["status"].tolist() == ["accepted", "accepted"]
    assert recording.provenance["components"] == 4
    assert "does not say whether in dF" in recording.why
    assert recording.notes == ()


def test_all_cells(path):
    recording = read(path, cells="all")
    np.testing.assert_array_equal(recording.traces, TRACES)
    assert recording.cells["status"].tolist() == list(STATUS)


def test_cells_by_name(path):
    np.testing.assert_array_equal(read(path, cells=["C002"]).traces, TRACES[2:3])


def test_trace_is_what_the_user_says(path):
    assert read(path, trace="dff").trace == "dff"


def test_undecided_cells_are_read_where_none_is_accepted(tmp_path):
    status = ("undecided", "rejected", "undecided", "undecided")
    path = write_inscopix(tmp_path / "x.csv", status=status)
    with pytest.warns(UserWarning, match=r"x.csv: no cell was accepted: those that are undecided"):
        recording = read(path)
    np.testing.assert_array_equal(recording.traces, TRACES[[0, 2, 3]])


def test_rejected_cells_are_not_read_unasked(tmp_path):
    path = write_inscopix(tmp_path / "x.csv", status=("rejected",) * 4)
    with pytest.raises(CalabFormatError, match="no accepted cells; cells='all' reads the others"):
        read(path)


def test_times_of_day(tmp_path):
    start = 1_700_000_000.0
    recording = read(write_inscopix(tmp_path / "x.csv", start=start))
    assert recording.fs == pytest.approx(FS, rel=1e-4)
    assert recording.timestamps[0] == start


@pytest.mark.parametrize("corner", ["", " ", "Time (s)", "Time(s)"])
def test_older_exports_have_no_status(tmp_path, corner):
    path = write_inscopix(tmp_path / "old_traces.csv", status=None, corner=corner)
    with pytest.warns(UserWarning, match="without the status of its cells: all are read"):
        recording = read(path)
    np.testing.assert_array_equal(recording.traces, TRACES)
    assert recording.fs == pytest.approx(FS)
    assert dict(recording.cells) == {}
    assert read(path, cells="all").format == "inscopix"


def test_older_exports_are_known_by_name_too(tmp_path):
    path = write_inscopix(tmp_path / "table.csv", status=None)
    with pytest.raises(CalabFormatError, match=r"table.csv, line 1: .*names of columns"):
        read(path, fs=1)
    assert read(path, "inscopix", cells="all").format == "inscopix"


def test_numbers_of_rows_are_no_times(tmp_path):
    path = tmp_path / "my_traces.csv"
    path.write_text(",C0,C1\n0,1.5,2.5\n1,3.5,4.5\n2,5.5,6.5\n")
    with pytest.raises(CalabFormatError, match="column 1: expected times in seconds, got a count"):
        read(path)
    recording = read(path, cells="all", fs=7)
    assert (recording.fs, recording.timestamps) == (7, None)
    # One frame a second is possible where Inscopix itself says what stands there.
    status = path.read_text().replace("\n0", "\nTime(s)/Cell Status,accepted,accepted\n0", 1)
    path.write_text(status)
    assert read(path).fs == 1


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "time,C0,C1\n0,1,2\n", ",a,b\n0,1,2\n"])
def test_other_tables_of_that_name(tmp_path, text):
    path = tmp_path / "my_traces.csv"
    path.write_text(text)
    assert read(path, fs=1, skip_rows=0 if text[0] == "1" else 1).format == "csv"


def test_another_suffix_is_no_export(path):
    other = path.rename(path.with_suffix(".txt"))
    with pytest.raises(CalabFormatError, match="not a format that is known"):
        read(other)
    assert read(other, "inscopix").n_cells == 2
    path.mkdir()
    with pytest.raises(CalabFormatError, match="no recording is in this folder"):
        read(path)


def test_a_folder_with_one_export(path):
    (path.parent / "events.csv").write_text("1,2\n")
    assert read(path.parent).source == path


def test_names_in_quotes_and_other_line_ends(path):
    first = '\ufeff "", ' + '"C000", "C001", "C002", "C003"'
    lines = path.read_text().splitlines()
    path.write_text("\r\n".join([first, *lines[1:]]), encoding="utf-8")
    assert read(path).cell_ids.tolist() == ["C000", "C003"]


def test_missing_samples(path):
    lines = path.read_text().splitlines()
    lines[2] = lines[2].rpartition(",")[0] + ", "
    lines[3] = lines[3].rpartition(",")[0] + ", nan"
    path.write_text("\n".join(lines))
    traces = read(path).traces
    assert np.isnan(traces[1, :2]).all()
    np.testing.assert_array_equal(traces[1, 2:], TRACES[3, 2:])


def test_gaps_are_said(path):
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:20] + lines[25:]))
    with pytest.warns(UserWarning, match="1 gaps in the time stamps, where about 5 frames"):
        assert read(path).fs == pytest.approx(FS)


def test_times_of_no_use(path):
    change(path, "0.05,", "0.5,")
    with pytest.raises(CalabFormatError, match="column 1: expected time stamps that increase"):
        read(path)
    with pytest.warns(UserWarning, match="left out"):
        assert read(path, fs=20).timestamps is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" , C000", "1, C000", "line 1: expected an empty field and the names of cells, got '1'"),
        (", C003", "", "line 2: expected accepted .* each of 3 cells, got 4 of them"),
        ("rejected", "maybe", "line 2: expected accepted or .* got 'maybe'"),
        (", C003\n", ", C003, C004\n", "line 2: expected accepted"),
        ("\n0,", "\n0, 1,", "line 4: expected 6 fields"),
        ("\n0.05", "\nx", "line 4, column 1: expected a number, got 'x'"),
        ("\n0.05", "\n\x00", "line 4, column 1: expected a number"),
    ],
)
def test_damaged_export(path, old, new, message):
    with pytest.raises(CalabFormatError, match=rf"session_traces.csv, {message}"):
        read(change(path, old, new))


def test_another_number_of_fields_in_every_line(path):
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2] + [line + ", 1" for line in lines[2:]]))
    with pytest.raises(CalabFormatError, match="a sample of each of 4 cells, got 6 fields; export"):
        read(path)


def test_a_table_of_times_only(tmp_path):
    path = tmp_path / "x_traces.csv"
    path.write_text("Time (s)\n1\n2\n")
    with pytest.raises(CalabFormatError, match="line 1: expected an empty field and the names"):
        read(path, "inscopix")


@pytest.mark.parametrize("content", [b"", b"1\n", b"\xff\xfe,C0\n", b",\n\n"])
def test_what_is_no_export(tmp_path, content):
    path = tmp_path / "x_traces.csv"
    path.write_bytes(content)
    with pytest.raises(CalabFormatError, match=r"x_traces.csv"):
        read(path, "inscopix")
