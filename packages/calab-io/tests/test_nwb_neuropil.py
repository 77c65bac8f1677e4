import h5py
import numpy as np
import pytest
from calab_io import read
from layouts.nwb import write_nwb
from layouts.nwb_parts import FIT, FLUORESCENCE, change, stored


@pytest.fixture
def suite2p(tmp_path):
    return write_nwb(tmp_path / "suite2p.nwb", "suite2p")


@pytest.fixture
def neuroconv(tmp_path):
    return write_nwb(tmp_path / "neuroconv.nwb", "neuroconv")


def test_neuropil_is_not_subtracted_unless_suite2p_wrote_it(neuroconv):
    with pytest.warns(UserWarning, match=r"Neuropil is not subtracted, as the file does not say"):
        plain = read(neuroconv)
    change(neuroconv, "session_description", "Suite2p")
    with pytest.warns(UserWarning, match=r"0\.7 of .*Fluorescence/Neuropil is subtracted"):
        recording = read(neuroconv)
    neuropil = stored(neuroconv, f"{FLUORESCENCE}/Neuropil")[[1, 2, 4]]
    np.testing.assert_allclose(
        np.asarray(recording.traces), np.asarray(plain.traces) - 0.7 * neuropil, rtol=1e-5
    )


def test_neuropil_by_the_names_of_suite2p_alone(neuroconv):
    with h5py.File(neuroconv, "r+") as file:
        file.move(f"{FLUORESCENCE}/Neuropil", "processing/ophys/Neuropil/RoiResponseSeries")
    with pytest.warns(UserWarning, match="Neuropil/RoiResponseSeries is not subtracted"):
        assert len(read(neuroconv).provenance["keys"]) == 1


def test_neuropil_of_which_there_are_two(suite2p):
    with h5py.File(suite2p, "r+") as file:
        file.move("processing/ophys/Neuropil", "processing/ophys/Neuropil1")
        file.copy("processing/ophys/Neuropil1", "processing/ophys/Neuropil2")
    with pytest.warns(UserWarning, match="Neuropil1/plane0, .*Neuropil2/plane0 is not subtracted"):
        assert len(read(suite2p).provenance["keys"]) == 1


def test_neuropil_of_another_module(suite2p):
    with h5py.File(suite2p, "r+") as file:
        file.move("processing/ophys/Neuropil", "processing/ophys1/Neuropil")
    recording = read(suite2p)
    assert (len(recording.provenance["keys"]), recording.notes) == (1, ())


def test_neuropil_of_a_file_of_caiman_may_be_the_fit(neuroconv):
    change(neuroconv, "general/notes", "segmented by CaImAn")
    with pytest.warns(UserWarning, match=r"Neuropil: .* may be C, the denoised fit"):
        recording = read(neuroconv)
    # The denoised fit stands beside it by its own name.
    assert (recording.trace, recording.why.split(":")[0]) == ("raw", FIT)
    assert len(recording.notes) == 1
