import io
import zipfile

import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from layouts.tables import FS, example, write_npz

TRACES = example()


@pytest.fixture
def path(tmp_path):
    return write_npz(tmp_path / "traces.npz")


def header(shape="(4, 50)", descr="'<f8'", length=None):
    """Make the beginning of an array as `numpy.save` writes it."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    size = len(text) if length is None else length
    return b"\x93NUMPY\x02\x00" + size.to_bytes(4, "little") + text


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_traces_with_rate_ids_and_times(tmp_path, compressed):
    recording = read(write_npz(tmp_path / "traces.npz", compressed=compressed))
    np.testing.assert_array_equal(recording.traces, TRACES)
    assert recording.traces.dtype == np.float32
    assert (recording.fs, recording.trace, recording.format) == (FS, "raw", "npz")
    assert recording.cell_ids.tolist() == [0, 3, 6, 9]
    np.testing.assert_allclose(recording.timestamps, np.arange(50) / FS)
    assert recording.why == "the array traces, the only one with two axes"
    assert recording.notes == ()


@pytest.mark.parametrize("name", ["fs", "Fs", "fr", "sampling_rate", "sampling_rate_hz"])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_rate_by_any_of_its_names(tmp_path, name, shape):
    values = {"F": TRACES, name: np.full(shape, 31.0)}
    assert read(write_npz(tmp_path / "x.npz", **values)).fs == 31


def test_rate_from_times(tmp_path):
    times = np.arange(50) / 10
    recording = read(write_npz(tmp_path / "x.npz", F=TRACES, time=times))
    assert recording.fs == pytest.approx(10)
    np.testing.assert_array_equal(recording.timestamps, times)


def test_rate_that_differs_from_the_times_is_said(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES, time=np.arange(50) / 10, fs=20)
    message = r"time: the times have no unit and would mean 10 Hz instead of 20 Hz: they are left"
    with pytest.warns(UserWarning, match=message):
        recording = read(path)
    assert (recording.fs, recording.timestamps) == (20, None)


def test_times_of_no_use_are_left_out_where_the_rate_is_known(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES, time=np.zeros(50))
    with pytest.raises(CalabFormatError, match=r"x.npz, time: expected time stamps that increase"):
        read(path)
    with pytest.warns(UserWarning, match="do not increase"):
        recording = read(path, fs=5)
    assert (recording.fs, recording.timestamps) == (5, None)


def test_times_of_no_use_beside_a_rate(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES, time=np.zeros(50), fs=20)
    with pytest.warns(UserWarning, match="do not increase"):
        recording = read(path)
    assert (recording.fs, recording.timestamps) == (20, None)


def test_gaps_are_said_with_the_rest(tmp_path):
    times = np.arange(50) / 10 + (np.arange(50) > 30)
    path = write_npz(tmp_path / "x.npz", F=TRACES.T, time=times, fs=10)
    with pytest.warns(UserWarning, match="1 gaps in the time stamps") as warned:
        recording = read(path, transpose=True)
    assert [str(one.message) for one in warned] == list(recording.notes)
    np.testing.assert_array_equal(recording.timestamps, times)


@pytest.mark.parametrize("time", [np.arange(7.0), np.array(["a"] * 50)])
def test_times_of_something_else_are_not_taken(tmp_path, time):
    assert read(write_npz(tmp_path / "x.npz", F=TRACES, fs=5, time=time)).timestamps is None


def test_several_rates(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES, fs=5, frame_rate=6)
    with pytest.raises(
        CalabFormatError, match="expected one sampling rate, got fs 5, frame_rate 6; give fs"
    ):
        read(path)
    assert read(path, fs=7).fs == 7


def test_a_rate_that_is_none_gives_way_to_the_users(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES, fs=np.nan)
    assert read(path, fs=3).fs == 3


def test_without_a_rate(tmp_path):
    with pytest.raises(CalabFormatError, match="frame rate is not in it; give fs in Hz, or save"):
        read(write_npz(tmp_path / "x.npz", F=TRACES))


def test_a_rate_that_is_text_is_said(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES, fs="30 Hz")
    with pytest.raises(CalabFormatError, match="; fs is there, but as text and not as a number; g"):
        read(path)
    assert read(path, fs=30).fs == 30


def test_times_that_are_no_numbers_are_said_where_a_rate_is_missing(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES, time=np.arange(50).astype("M8[ms]"))
    with pytest.raises(CalabFormatError, match="; time is there, but not as numbers; give fs"):
        read(path)


def test_several_arrays_are_listed(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES, Fneu=TRACES + 1, mask=TRACES > 1)
    message = r"x.npz: expected one array .*, got 2 \(there is F \(4, 50\), Fneu \(4, 50\)\); name"
    with pytest.raises(CalabFormatError, match=message):
        read(path, fs=1)
    recording = read(path, fs=1, key="Fneu", trace="dff")
    np.testing.assert_array_equal(recording.traces, TRACES + 1)
    assert (recording.trace, recording.provenance["keys"]) == ("dff", ["Fneu"])
    assert recording.why == "the array Fneu, as asked"


def test_arrays_beyond_twenty_are_counted_only(tmp_path):
    arrays = {f"F{at}": TRACES for at in range(20)}
    with pytest.raises(CalabFormatError, match=r"F19 \(4, 50\)\);"):
        read(write_npz(tmp_path / "x.npz", **arrays))
    with pytest.raises(CalabFormatError, match=r"F19 \(4, 50\), \.\.\.\)"):
        read(write_npz(tmp_path / "x.npz", **arrays, more=TRACES))


@pytest.mark.parametrize("arrays", [{"trace": TRACES[0]}, {"fs": np.ones((1, 1))}])
def test_no_array_of_two_axes(tmp_path, arrays):
    with pytest.raises(CalabFormatError, match=r"cells x frames: not found \(there is (trace|fs) "):
        read(write_npz(tmp_path / "x.npz", **arrays), fs=1)


def test_an_archive_of_nothing(tmp_path):
    with pytest.raises(CalabFormatError, match="cells x frames: not found; name a file"):
        read(archive(tmp_path / "x.npz"), fs=1)


def test_one_axis_is_a_cell_if_named(tmp_path):
    recording = read(write_npz(tmp_path / "x.npz", trace=TRACES[0], fs=1), key="trace")
    np.testing.assert_array_equal(recording.traces, TRACES[:1])


def test_missing_key(path):
    with pytest.raises(MissingKeyError, match=r"traces.npz, C: not found \(there is cell_ids, fs"):
        read(path, key="C")


def test_key_to_what_is_no_traces(path):
    with pytest.raises(CalabFormatError, match=r"traces.npz, unit: expected real numbers"):
        read(path, key="unit")


def test_rows_that_are_frames(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES.T, fs=1)
    np.testing.assert_array_equal(read(path, transpose=True).traces, TRACES)
    with pytest.warns(UserWarning, match="50 cells x 4 frames, more cells than frames"):
        assert read(path).n_cells == 50


@pytest.mark.parametrize("name", ["cell_ids", "timestamps", "time"])
def test_orientation_that_the_file_contradicts_is_refused(tmp_path, name):
    count = np.arange(4 if name == "cell_ids" else 50)
    path = write_npz(tmp_path / "x.npz", F=TRACES.T, **{name: count})
    with pytest.raises(CalabFormatError, match=rf"F: read as 50 cells.*{name} has .*transpose"):
        read(path, fs=1)
    np.testing.assert_array_equal(read(path, fs=1, transpose=True).traces, TRACES)


def test_doubt_and_other_notes(tmp_path):
    path = write_npz(tmp_path / "x.npz", F=TRACES.T, fs=1, time=np.zeros(4))
    with pytest.warns(UserWarning, match="cells|left out"):
        notes = read(path).notes
    assert "more cells than frames" in notes[0]
    assert "left out" in notes[1]


def test_what_is_no_sign_of_orientation(tmp_path):
    square = write_npz(tmp_path / "x.npz", F=TRACES[:, :4], fs=1, cell_ids=list("abcd"))
    assert read(square).cell_ids.tolist() == ["a", "b", "c", "d"]
    single = write_npz(tmp_path / "y.npz", F=TRACES[:1], fs=1, time=[1234.5])
    assert read(single).timestamps is None


def test_ids(tmp_path):
    named = read(write_npz(tmp_path / "x.npz", F=TRACES, fs=1, cell_ids=list("abcd")))
    assert named.cell_ids.tolist() == ["a", "b", "c", "d"]
    other = read(write_npz(tmp_path / "y.npz", F=TRACES, fs=1, cell_ids=np.arange(9)))
    assert other.cell_ids.tolist() == [0, 1, 2, 3]
    whole = read(write_npz(tmp_path / "w.npz", F=TRACES, fs=1, cell_ids=np.arange(4.0) * 3))
    assert whole.cell_ids.tolist() == [0, 3, 6, 9]
    wrong = write_npz(tmp_path / "z.npz", F=TRACES, fs=1, cell_ids=np.arange(4) + 0.5)
    with pytest.raises(CalabFormatError, match=r"z.npz, cell_ids: expected whole numbers or text"):
        read(wrong)


def test_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("a pickle was run",)

    path = tmp_path / "x.npz"
    np.savez(path, F=np.array([[Trap()]]), fs=1)
    with pytest.raises(CalabFormatError, match=r"x.npz, F: .*[Oo]bject"):
        read(path, key="F")
    with pytest.raises(CalabFormatError, match="cells x frames: not found"):
        read(path)


def test_content_that_cannot_be_there_is_not_allocated(tmp_path):
    path = archive(tmp_path / "x.npz", F=header("(1000000, 1000000)") + bytes(100))
    with pytest.raises(CalabFormatError, match=r"x.npz, F: .*takes more than there is"):
        read(path, fs=1)


def test_bombs_are_not_inflated(tmp_path):
    """A header that claims as much as its zeros would inflate to, or to be that long itself."""
    long = archive(tmp_path / "x.npz", F=header(length=1 << 30) + bytes(1 << 22))
    with pytest.raises(CalabFormatError, match="header is too long"):
        read(long, fs=1)


def test_what_the_archive_claims_is_not_believed(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("F.npy", header("(1000, 100000)") + bytes(100))
        size = file.infolist()[0].compress_size
    content = buffer.getvalue()
    directory = content.index(b"PK\x01\x02")
    claimed = size.to_bytes(4, "little")
    at = content.index(claimed, directory)
    path = tmp_path / "x.npz"
    path.write_bytes(content[:at] + (1 << 30).to_bytes(4, "little") + content[at + 4 :])
    with pytest.raises(CalabFormatError, match=r"takes more than there is"):
        read(path, fs=1)


@pytest.mark.parametrize("kept", [0, 10, 300, -10])
def test_truncated_archive(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CalabFormatError, match=r"traces.npz: cannot be read"):
        read(path)


def test_content_whose_sum_is_wrong(path):
    content = bytearray(path.read_bytes())
    content[content.index(b"NUMPY") + 300] ^= 1
    path.write_bytes(content)
    with pytest.raises(CalabFormatError, match=r"traces.npz.*CRC"):
        read(path)


def test_other_names_and_folders_are_not_taken(path):
    other = path.rename(path.with_suffix(".zip"))
    with pytest.raises(CalabFormatError, match="not a format that is known"):
        read(other)
    np.testing.assert_array_equal(read(other, "npz").traces, TRACES)
    path.mkdir()
    with pytest.raises(CalabFormatError, match="no recording is in this folder"):
        read(path)
