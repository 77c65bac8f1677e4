import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from layouts.nwb import write_nwb
from layouts.nwb_parts import (
    FIT,
    FLUORESCENCE,
    NOT_SUBTRACTED,
    RESIDUALS,
    F,
    N,
    change,
    quiet,
    set_attribute,
    stored,
)


@pytest.fixture
def suite2p(tmp_path):
    return write_nwb(tmp_path / "suite2p.nwb", "suite2p")


@pytest.fixture
def caiman(tmp_path):
    return write_nwb(tmp_path / "caiman.nwb", "CaImAn")


@pytest.fixture
def neuroconv(tmp_path):
    return write_nwb(tmp_path / "neuroconv.nwb", "neuroconv")


def test_suite2p_has_its_neuropil_subtracted(suite2p):
    with pytest.warns(UserWarning, match=r"0\.7 of .*Neuropil/plane0 is subtracted.* default"):
        recording = read(suite2p)
    fluorescence, neuropil = stored(suite2p, F), stored(suite2p, N)
    expected = (fluorescence - np.float32(0.7) * neuropil)[[1, 2, 4]]
    np.testing.assert_allclose(np.asarray(recording.traces), expected, rtol=1e-6)
    assert recording.traces.dtype == np.float32
    assert recording.cell_ids.tolist() == [11, 12, 14]
    assert (recording.fs, recording.trace, recording.format) == (20.0, "raw", "nwb")
    assert recording.why.startswith(f"{F} - 0.7 * processing/ophys/Neuropil/plane0")
    assert recording.timestamps is None
    np.testing.assert_allclose(
        recording.cells["cell_probability"], np.linspace(0.9, 0.1, 6)[[1, 2, 4]]
    )
    assert recording.cells["accepted"].all()
    assert recording.provenance == {
        "software": "suite2p",
        "nwb_version": recording.provenance["nwb_version"],
        "identifier": "suite2p 1",
        "session_start_time": "2026-01-01T00:00:00+00:00",
        "keys": [f"{F}/data", "processing/ophys/Neuropil/plane0/data"],
        "components": 6,
        "indicator": "GCaMP8m",
        "starting_time_s": 1.5,
    }
    assert recording.provenance["nwb_version"].startswith("2.")


def test_suite2p_is_known_by_its_layout_alone(suite2p):
    change(suite2p, "session_description", "a session")
    change(suite2p, "identifier", "one")
    assert len(quiet(suite2p).provenance["keys"]) == 2


def test_a_version_that_is_no_text(suite2p):
    set_attribute(suite2p, "/", "nwb_version", 2)
    assert quiet(suite2p).provenance["nwb_version"] is None


def test_deconvolved_of_suite2p(suite2p):
    recording = read(suite2p, trace="deconvolved", cells="all")
    expected = stored(suite2p, "processing/ophys/Deconvolved/plane0")
    np.testing.assert_array_equal(np.asarray(recording.traces), expected)
    assert recording.why == "processing/ophys/Deconvolved/plane0, as asked"
    assert recording.cells["accepted"].tolist() == [False, True, True, False, True, False]


def test_caiman_has_its_residuals_added(caiman):
    recording = read(caiman)
    fit, residual = stored(caiman, FIT), stored(caiman, RESIDUALS)
    np.testing.assert_array_equal(np.asarray(recording.traces), (fit + residual)[[1, 2, 4]])
    assert recording.traces.dtype == np.float64
    assert recording.cell_ids.tolist() == [11, 12, 14]
    assert recording.trace == "raw"
    assert recording.why.startswith(f"{FIT} + {RESIDUALS}")
    assert recording.notes == ()
    np.testing.assert_allclose(recording.timestamps, 0.5 + np.arange(40) / 20)
    assert recording.fs == pytest.approx(20)
    np.testing.assert_allclose(recording.cells["snr"], np.linspace(1, 9, 8)[[1, 2, 4]])
    np.testing.assert_allclose(
        recording.cells["spatial_correlation"], np.linspace(1, 9, 8)[[1, 2, 4]] / 10
    )
    assert recording.provenance["software"] == "CaImAn"
    assert recording.provenance["starting_time_s"] is None


def test_the_fit_of_caiman(caiman):
    recording = read(caiman, trace="denoised")
    np.testing.assert_array_equal(np.asarray(recording.traces), stored(caiman, FIT)[[1, 2, 4]])


def test_residuals_may_be_turned(caiman):
    expected = np.asarray(read(caiman).traces)
    change(caiman, f"{RESIDUALS}/data", stored(caiman, RESIDUALS))
    np.testing.assert_array_equal(np.asarray(read(caiman).traces), expected)


def test_residuals_in_another_module(caiman):
    expected = np.asarray(read(caiman).traces)
    with h5py.File(caiman, "r+") as file:
        file.move(RESIDUALS, "processing/ophys1/residuals")
    recording = read(caiman)
    np.testing.assert_array_equal(np.asarray(recording.traces), expected)
    assert recording.provenance["keys"][1] == "processing/ophys1/residuals/data"


def test_residuals_of_the_same_module_come_first(caiman):
    with h5py.File(caiman, "r+") as file:
        file.copy(RESIDUALS, file.create_group("processing/ophys1"))
    assert read(caiman).provenance["keys"][1] == f"{RESIDUALS}/data"


def test_residuals_may_be_responses(caiman):
    expected = np.asarray(read(caiman).traces)
    set_attribute(caiman, RESIDUALS, "neurodata_type", "RoiResponseSeries")
    np.testing.assert_array_equal(np.asarray(read(caiman).traces), expected)


def test_residuals_tell_caiman_without_its_name(caiman):
    change(caiman, "identifier", "one")
    assert read(caiman).provenance["software"] == "CaImAn"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("session_description", "run by CaImAn"),
        ("general/was_generated_by", np.array([[b"CaImAn", b"1.12"]])),
    ],
)
def test_a_text_tells_caiman(caiman, key, text):
    change(caiman, "identifier", "one")
    change(caiman, RESIDUALS, None)
    change(caiman, key, text)
    assert quiet(caiman).trace == "denoised"


def test_a_description_or_a_script_tells_caiman(caiman):
    change(caiman, "identifier", "one")
    change(caiman, RESIDUALS, None)
    assert quiet(caiman).trace == "raw"
    set_attribute(caiman, "processing/ophys", "description", "estimates of caiman")
    assert quiet(caiman).trace == "denoised"
    set_attribute(caiman, "processing/ophys", "description", b"estimates")
    set_attribute(caiman, FIT, "comments", b"from caiman")
    assert quiet(caiman).trace == "denoised"
    set_attribute(caiman, FIT, "comments", "")
    change(caiman, "general/source_script", "")
    set_attribute(caiman, "general/source_script", "file_name", "run_caiman.py")
    assert quiet(caiman).trace == "denoised"


def test_a_file_that_names_two_tools_is_of_neither(caiman):
    change(caiman, RESIDUALS, None)
    change(caiman, "identifier", "compares CaImAn and suite2p")
    recording = quiet(caiman)
    assert (recording.trace, recording.provenance["software"]) == ("raw", None)


@pytest.mark.parametrize("residuals", ["none", "of another shape", "two"])
def test_without_residuals_the_fit_is_read_with_a_warning(caiman, residuals):
    if residuals == "none":
        change(caiman, RESIDUALS, None)
    elif residuals == "of another shape":
        change(caiman, f"{RESIDUALS}/data", np.ones((39, 6)))
    else:
        with h5py.File(caiman, "r+") as file:
            file.copy(RESIDUALS, file.create_group("processing/ophys1"))
            file.move(RESIDUALS, "processing/ophys2/residuals")
    lacks = {
        "none": "no residuals",
        "of another shape": r"residuals of shape \(39, 6\) for a fit of \(40, 6\)",
        "two": "2 residuals",
    }[residuals]
    with pytest.warns(UserWarning, match=f"{lacks}; its noise is gone"):
        recording = read(caiman)
    assert recording.trace == "denoised"
    np.testing.assert_array_equal(np.asarray(recording.traces), stored(caiman, FIT)[[1, 2, 4]])
    with pytest.raises(MissingKeyError, match=f"{lacks}; trace='denoised' reads what there is"):
        read(caiman, trace="raw")


@pytest.mark.filterwarnings(NOT_SUBTRACTED)
@pytest.mark.parametrize(
    ("trace", "key", "factor", "offset"),
    [
        ("auto", FIT, 0.5, 3),
        ("raw", FIT, 0.5, 3),
        ("denoised", f"{FLUORESCENCE}/Denoised", 1, 0),
        ("deconvolved", f"{FLUORESCENCE}/Deconvolved", 1, 0),
        ("dff", "processing/ophys/DfOverF/DfOverF", 1, 0),
    ],
)
def test_neuroconv(neuroconv, trace, key, factor, offset):
    recording = read(neuroconv, trace=trace)
    expected = stored(neuroconv, key)[[1, 2, 4]] * np.float32(factor) + np.float32(offset)
    np.testing.assert_array_equal(np.asarray(recording.traces), expected)
    assert recording.traces.dtype == np.float32
    assert recording.cell_ids.tolist() == [11, 12, 14]
    assert recording.provenance["keys"] == [f"{key}/data"]
    assert recording.provenance["software"] is None


def test_names_of_other_writers(neuroconv):
    with h5py.File(neuroconv, "r+") as file:
        file.move(f"{FLUORESCENCE}/Neuropil", "processing/ophys/neuropil_corrected/traces")
        file.move("processing/ophys/DfOverF/DfOverF", "processing/ophys/DfOverF/traces")
        file.move(f"{FLUORESCENCE}/Denoised", "processing/ophys/corrected-neuropil/traces")
        file.move(f"{FLUORESCENCE}/Deconvolved", "acquisition/dF_F")
    with pytest.raises(CalabFormatError, match=r"expected one series, got 3: .*Fluorescence/"):
        read(neuroconv)
    with pytest.raises(CalabFormatError, match=r"got 2: acquisition/dF_F, .*/DfOverF/traces; name"):
        read(neuroconv, trace="dff")
