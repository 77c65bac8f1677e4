import numpy as np
import pytest
from calab_io import CalabFormatError, read
from layouts.suite2p import write_plane, write_settings


@pytest.fixture
def plane(tmp_path):
    return write_plane(tmp_path / "plane0")


def save(path, **settings):
    np.save(path, np.array(settings, dtype=object), allow_pickle=True)


def remove_settings(plane):
    for name in ("settings.npy", "ops.npy"):
        (plane / name).unlink()


def test_coefficient_is_that_of_the_newer_file(plane):
    save(plane / "ops.npy", fs=7.0, extraction={"neuropil_coefficient": 0.1})
    recording = read(plane)
    assert recording.fs == 10.0
    assert recording.provenance["planes"][0]["neuropil_coefficient"] == 0.6


@pytest.mark.parametrize("name", ["settings.npy", "ops.npy"])
def test_either_file_is_enough(plane, name):
    (plane / name).unlink()
    recording = read(plane)
    assert recording.fs == 10.0
    assert "F - 0.6 * Fneu" in recording.why


@pytest.mark.parametrize(
    "settings",
    [
        {"neucoeff": np.float32(0.5)},
        {"neucoeff": np.array([0.5])},
        {"neucoeff": np.array(0.5)},
        {"extraction": {"neuropil_coefficient": 0.5}, "neucoeff": 0.1},
        {"extraction": None, "neucoeff": 0.5},
        {"extraction": {"neuropil_coefficient": "unknown"}, "neucoeff": 0.5},
    ],
)
def test_ways_in_which_a_coefficient_is_kept(plane, settings):
    remove_settings(plane)
    save(plane / "ops.npy", fs=10, **settings)
    traces = read(plane).traces
    expected = np.load(plane / "F.npy") - 0.5 * np.load(plane / "Fneu.npy")
    np.testing.assert_array_equal(traces[:], expected[[0, 2, 3]])


@pytest.mark.parametrize(
    "value", [None, "0.5", True, np.nan, 1e9, -1e9, 10**400, np.ones(2), [0.5]]
)
def test_coefficient_that_is_none(plane, value):
    remove_settings(plane)
    save(plane / "ops.npy", fs=10.0, neucoeff=value)
    message = "plane0: no settings say the neuropil's coefficient: 0.7 is used"
    with pytest.warns(UserWarning, match=message):
        recording = read(plane)
    expected = np.load(plane / "F.npy") - np.float32(0.7) * np.load(plane / "Fneu.npy")
    np.testing.assert_array_equal(recording.traces[:], expected[[0, 2, 3]])


def test_no_settings(plane):
    remove_settings(plane)
    with pytest.raises(CalabFormatError, match=r"the frame rate is not in it; give fs in Hz$"):
        read(plane)
    with pytest.warns(UserWarning, match=r"0\.7 is used"):
        assert read(plane, fs=30.0).fs == 30.0


def test_damaged_settings_are_passed_over_with_a_note(plane):
    (plane / "settings.npy").write_bytes((plane / "settings.npy").read_bytes()[:-20])
    message = r"settings.npy: cannot be read: .*; its settings are not used"
    with pytest.warns(UserWarning, match=message):
        recording = read(plane)
    assert recording.fs == 10.0
    assert "0.6" in recording.why


def test_settings_that_are_all_damaged(plane):
    remove_settings(plane)
    (plane / "ops.npy").write_bytes(b"")
    with pytest.raises(CalabFormatError, match=r"give fs in Hz \(.*ops.npy: cannot be read"):
        read(plane)
    with (
        pytest.warns(UserWarning, match=r"ops.npy: cannot be read: .*; its settings are not used"),
        pytest.warns(UserWarning, match=r"0\.7 is used"),
    ):
        recording = read(plane, fs=10.0)
    assert len(recording.notes) == 2


def test_rate_of_the_user_wins(plane):
    with pytest.warns(UserWarning, match="says 10 Hz; 20 Hz is used"):
        assert read(plane, fs=20.0).fs == 20.0


def test_rate_that_is_none(plane):
    remove_settings(plane)
    write_settings(plane, old=True, fs=0.0)
    with pytest.raises(CalabFormatError, match=r"expected a frame rate above 0, got 0\.0"):
        read(plane)


@pytest.mark.parametrize("bad", [[1, 2], np.array([3, 5])])
def test_settings_without_the_rest(plane, bad):
    remove_settings(plane)
    save(plane / "settings.npy", fs=10.0, neucoeff=0.6, version=3, badframes=bad)
    provenance = read(plane).provenance
    assert provenance["version"] is None
    assert provenance["planes"][0]["tau_s"] is None
    assert provenance["planes"][0]["bad_frames"] is None
