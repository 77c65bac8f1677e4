import numpy as np
import pytest
from calab_io import CalabFormatError, read
from layouts.minian import (
    save_minian,
    variables,
    write_minian,
    write_timestamps,
    write_timestamps_3,
)


@pytest.fixture
def folder(tmp_path):
    return write_minian(tmp_path / "mouse" / "session" / "minian", final_only=True)


@pytest.mark.parametrize(
    ("above", "name"), [(0, "timeStamps.csv"), (1, "timeStamps.csv"), (2, "timestamp.dat")]
)
def test_where_time_stamps_are_found(folder, above, name):
    table = (folder, *folder.parents)[above] / name
    if name == "timeStamps.csv":
        write_timestamps(table, 120)
    else:
        write_timestamps_3(table, {0: 120})
    recording = read(folder, trace="denoised")
    assert recording.fs == pytest.approx(20 if name == "timeStamps.csv" else 1000 / 33)
    assert recording.provenance["timestamps"] == str(table)
    assert recording.timestamps.shape == (120,)


def test_time_stamps_that_are_too_far_away(tmp_path):
    path = write_minian(tmp_path / "a" / "b" / "c" / "minian", final_only=True)
    write_timestamps(tmp_path / "a" / "timeStamps.csv", 120)
    with pytest.raises(CalabFormatError, match=r"rate is not in it; give fs .* timeStamps.csv"):
        read(path)


def test_the_frame_rate_is_required_where_it_is_not_found(folder):
    with pytest.raises(CalabFormatError, match=r"minian: the frame rate is not in it; give fs"):
        read(folder, trace="denoised")


def test_the_camera_that_has_the_frames(folder):
    write_timestamps_3(folder / "timestamp.dat", {0: 150, 1: 120})
    recording = read(folder, trace="denoised")
    assert recording.fs == pytest.approx(1000 / 34)
    np.testing.assert_allclose(recording.timestamps, np.arange(120) * 0.034 + 0.007)


def test_a_table_that_fits_is_preferred_to_a_nearer_one(folder):
    write_timestamps(folder / "timeStamps.csv", 90)
    write_timestamps_3(folder.parent / "timestamp.dat", {1: 120})
    recording = read(folder, trace="denoised")
    assert recording.provenance["timestamps"] == str(folder.parent / "timestamp.dat")
    assert recording.notes == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"n_frames": 90}, "expected a row for each of 120 frames, got 90"),
        ({"n_frames": 150}, "expected a row for each of 120 frames, got 150"),
        ({0: 120, 1: 120}, "expected one camera with 120 frames, got 2"),
        ({0: 119, 1: 121}, "expected a row for each of 120 frames, got 119 and 121"),
        ("a,b\n1,2\n", r"Time Stamp \(ms\): not found \(there is a, b\)"),
        ("x,Time Stamp (ms),y\n1,2\n", "expected 3 columns as in its first line, got 2"),
        ("Time Stamp (ms)\n", "expected a table of numbers, got no rows"),
        ("x,Time Stamp (ms)\n" + "0,50\n" * 120, "expected time stamps that increase"),
    ],
)
def test_time_stamps_that_do_not_fit_are_ignored(folder, content, said):
    table = folder / "timeStamps.csv"
    if isinstance(content, str):
        table.write_text(content)
    elif "n_frames" in content:
        write_timestamps(table, **content)
    else:
        table = write_timestamps_3(folder / "timestamp.dat", content)
    with pytest.raises(CalabFormatError, match=rf"give fs in Hz \(.*{said}.*\)$"):
        read(folder, trace="denoised")
    with pytest.warns(UserWarning, match=rf"^{table}.*{said}.*: it is ignored$") as caught:
        recording = read(folder, trace="denoised", fs=25)
    assert "give fs" not in str(caught[0].message)
    assert (recording.fs, recording.timestamps) == (25, None)
    assert recording.provenance["timestamps"] is None


def test_time_stamps_of_some_of_the_frames(folder):
    write_timestamps(folder / "timeStamps.csv", 300)
    save_minian(variables()["C"].assign_coords(frame=np.arange(10, 250, 2)), folder)
    recording = read(folder, trace="denoised")
    assert recording.fs == pytest.approx(10)
    np.testing.assert_allclose(recording.timestamps, np.arange(10, 250, 2) / 20 - 0.012)
    assert recording.provenance["frames"] == {"first": 10, "last": 248, "step": 2}


@pytest.mark.parametrize(
    "frames",
    [np.arange(300, 420), np.arange(-1, 239, 2), np.r_[50, 49, 100:218], np.arange(0, 12, 0.1)],
)
def test_frames_that_are_not_in_the_table(folder, frames):
    write_timestamps(folder / "timeStamps.csv", 300)
    save_minian(variables()["C"].assign_coords(frame=frames), folder)
    with pytest.warns(UserWarning, match="expected a row for each of 120 frames, got 300"):
        assert read(folder, trace="denoised", fs=20).timestamps is None


def test_gaps_are_said(folder):
    lines = write_timestamps(folder / "timeStamps.csv", 123).read_text().splitlines()
    (folder / "timeStamps.csv").write_text("\n".join(lines[:50] + lines[53:]))
    with pytest.warns(UserWarning, match="1 gaps in the time stamps, where about 3 frames"):
        assert read(folder, trace="denoised").fs == pytest.approx(20)


def test_a_first_time_stamp_out_of_order(folder):
    table = write_timestamps_3(folder / "timestamp.dat", {0: 120})
    table.write_text(table.read_text().replace("0\t1\t7\t1", "0\t1\t4294967290\t1"))
    with pytest.warns(UserWarning, match=r"sysClock: the first time stamp.*taken to be 7 ms"):
        recording = read(folder, trace="denoised")
    np.testing.assert_allclose(recording.timestamps, np.arange(120) * 0.033 + 0.007)


@pytest.mark.parametrize("times", ["50\n", "50\n20\n"])
def test_too_few_time_stamps(tmp_path, times):
    save_minian(variables(n_frames=times.count("\n"))["C"], tmp_path / "minian")
    (tmp_path / "timeStamps.csv").write_text(f"Time Stamp (ms)\n{times}")
    with pytest.raises(
        CalabFormatError, match=r"give fs in Hz \(.*expected (a time stamp per|time)"
    ):
        read(tmp_path / "minian", trace="denoised")


def test_two_frames(tmp_path):
    save_minian(variables(n_frames=2)["C"], tmp_path / "minian")
    write_timestamps(tmp_path / "timeStamps.csv", 2)
    assert read(tmp_path / "minian", trace="denoised").fs == pytest.approx(20)
