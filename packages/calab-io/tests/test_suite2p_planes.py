import shutil

import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from layouts.suite2p import write_settings, write_suite2p


@pytest.fixture
def path(tmp_path):
    return write_suite2p(tmp_path / "suite2p", planes=2)


@pytest.fixture
def combined(tmp_path):
    return write_suite2p(tmp_path / "combined results", planes=2, combined=True)


def corrected(folder):
    neuropil = np.float32(0.6) * np.load(folder / "Fneu.npy")
    return (np.load(folder / "F.npy") - neuropil)[[0, 2, 3]]


def shorten(folder, n_frames):
    for name in ("F", "Fneu", "spks"):
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[:, :n_frames])


def test_planes_are_joined(path):
    recording = read(path)
    expected = np.concatenate([corrected(path / "plane0"), corrected(path / "plane1")])
    np.testing.assert_array_equal(recording.traces[:], expected)
    ids = ["plane0_0", "plane0_2", "plane0_3", "plane1_0", "plane1_2", "plane1_3"]
    assert recording.cell_ids.tolist() == ids
    assert recording.cells["cell_probability"].size == 6
    assert recording.fs == 10.0
    assert [plane["folder"] for plane in recording.provenance["planes"]] == ["plane0", "plane1"]
    assert recording.why.count("F - 0.6 * Fneu") == 1


def test_rows_of_several_planes_in_any_order(path):
    recording = read(path)
    everything = recording.traces[:]
    np.testing.assert_array_equal(recording.traces[[4, 0, 5, 2]], everything[[4, 0, 5, 2]])
    np.testing.assert_array_equal(recording.traces[3, 2:5], everything[3, 2:5])
    chosen = read(path, cells=["plane1_3", "plane0_0"])
    np.testing.assert_array_equal(chosen.traces[:], everything[[5, 0]])


def test_planes_come_in_the_order_of_their_numbers(path):
    shutil.move(path / "plane0", path / "plane10")
    shutil.move(path / "plane1", path / "plane2")
    assert read(path).cell_ids[0] == "plane2_0"
    assert read(path, plane=10).cell_ids.tolist() == [0, 2, 3]


def test_one_plane(path):
    recording = read(path, plane=1)
    np.testing.assert_array_equal(recording.traces[:], corrected(path / "plane1"))
    assert recording.cell_ids.tolist() == [0, 2, 3]


def test_plane_that_is_not_there(path):
    message = r"suite2p, plane2: not found \(there is plane0, plane1\); give another plane"
    with pytest.raises(MissingKeyError, match=message):
        read(path, plane=2)


def test_plane_of_a_single_folder(path):
    assert read(path / "plane1", plane=1).n_cells == 3
    for place in (path / "plane1", path / "plane1" / "F.npy"):
        with pytest.raises(CalabFormatError, match="expected the folder plane0, got plane1"):
            read(place, plane=0)


def test_plane_of_the_combined_folder(combined):
    with pytest.raises(CalabFormatError, match="expected the folder plane0, got combined"):
        read(combined / "combined", plane=0)


def test_plane_without_rois_is_left_out(path):
    (path / "plane1" / "F.npy").unlink()
    (path / "plane2").write_text("a file of the user's")
    with pytest.warns(UserWarning, match=r"suite2p: no F.npy in plane1: left out"):
        recording = read(path)
    assert recording.cell_ids.tolist() == [0, 2, 3]
    assert read(path, plane=0).notes == ()
    assert read(path / "plane0").notes == ()


@pytest.mark.parametrize("n_frames", [58, 59])
def test_planes_that_differ_by_a_frame_or_two_end_together(path, n_frames):
    shorten(path / "plane1", n_frames)
    with pytest.warns(UserWarning, match=f"planes have up to 60 frames: all end after {n_frames}"):
        recording = read(path)
    assert recording.traces.shape == (6, n_frames)
    np.testing.assert_array_equal(recording.traces[:3], corrected(path / "plane0")[:, :n_frames])
    np.testing.assert_array_equal(recording.traces[3:], corrected(path / "plane1"))


def test_planes_that_do_not_belong_together(path):
    shorten(path / "plane1", 57)
    with pytest.raises(CalabFormatError, match=r"got 57 to 60; give plane"):
        read(path)
    assert read(path, plane=1).n_frames == 57


def test_planes_of_different_rates(path):
    write_settings(path / "plane1", old=False, fs=15.0)
    with pytest.raises(CalabFormatError, match="planes differ in it: give fs in Hz, or plane"):
        read(path)
    assert read(path, fs=10.0).fs == 10.0
    assert read(path, plane=1).fs == 15.0


def test_planes_of_different_coefficient_and_type(path):
    write_settings(path / "plane1", old=False, coefficient=0.5)
    np.save(path / "plane0" / "F.npy", np.load(path / "plane0" / "F.npy").astype("f8"))
    recording = read(path)
    assert "F - 0.6 * Fneu" in recording.why
    assert "F - 0.5 * Fneu" in recording.why
    assert recording.traces.dtype == recording.traces[3].dtype == np.float64
    raw, neuropil = (np.load(path / "plane1" / f"{name}.npy") for name in ("F", "Fneu"))
    np.testing.assert_allclose(recording.traces[3], raw[0] - 0.5 * neuropil[0], rtol=1e-6)


def test_what_only_one_plane_knows_is_left_out(path):
    (path / "plane1" / "redcell.npy").unlink()
    assert set(read(path).cells) == {"accepted", "cell_probability"}


def test_combined_is_read_where_there_is_one(combined):
    recording = read(combined)
    expected = np.concatenate([corrected(combined / f"plane{plane}") for plane in (0, 1)])
    np.testing.assert_array_equal(recording.traces[:], expected)
    assert recording.cell_ids.tolist() == [0, 2, 3, 5, 7, 8]
    assert recording.provenance["planes"][0]["folder"] == "combined"
    assert recording.notes == ()
    for place in (combined / "combined", combined / "combined" / "F.npy"):
        np.testing.assert_array_equal(read(place).traces[:], expected)
    assert read(combined, plane=1).provenance["planes"][0]["folder"] == "plane1"


def test_combined_alone(combined):
    for plane in ("plane0", "plane1"):
        shutil.rmtree(combined / plane)
    assert read(combined).cell_ids.tolist() == [0, 2, 3, 5, 7, 8]


def test_combined_lacks_no_plane_without_rois(combined):
    (combined / "plane1" / "F.npy").unlink()
    recording = read(combined)
    assert recording.n_cells == 6
    assert recording.notes == ()


def test_combined_without_traces_is_none(combined):
    (combined / "combined" / "F.npy").unlink()
    assert read(combined).cell_ids[0] == "plane0_0"


@pytest.mark.parametrize("damaged", [False, True])
def test_combined_takes_the_settings_of_its_planes(combined, damaged):
    for name in ("settings.npy", "ops.npy", "db.npy"):
        (combined / "combined" / name).unlink()
    if damaged:
        (combined / "combined" / "ops.npy").write_bytes(b"")
        with pytest.warns(UserWarning, match="its settings are not used"):
            recording = read(combined)
    else:
        recording = read(combined)
    assert (recording.fs, recording.provenance["version"]) == (10.0, "1.1.0")
    assert "F - 0.6 * Fneu" in recording.why


def test_combined_folder_itself_takes_the_settings_of_its_planes(combined):
    for name in ("settings.npy", "ops.npy", "db.npy"):
        (combined / "combined" / name).unlink()
    assert read(combined / "combined").fs == 10.0


def test_settings_of_planes_do_not_matter_where_combined_has_its_own(combined):
    (combined / "plane0" / "ops.npy").write_bytes(b"")
    assert read(combined).notes == ()


def test_zeros_by_which_combined_makes_planes_equal_are_not_read(combined):
    shorten(combined / "plane1", 59)
    for name in ("F", "Fneu"):
        file = combined / "combined" / f"{name}.npy"
        filled = np.load(file)
        filled[5:, 59] = 0
        np.save(file, filled)
    with pytest.warns(UserWarning, match="planes have up to 60 frames: all end after 59"):
        recording = read(combined)
    assert recording.n_frames == 59
    assert recording.traces[:].all()
