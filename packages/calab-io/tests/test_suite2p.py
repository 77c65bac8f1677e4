import json
import pickle
import shutil

import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from calab_io.formats import suite2p
from layouts.suite2p import write_plane, write_suite2p

CELLS = [0, 2, 3]


@pytest.fixture
def path(tmp_path):
    return write_suite2p(tmp_path / "suite2p")


@pytest.fixture
def plane(path):
    return path / "plane0"


def corrected(folder, coefficient=0.6):
    neuropil = np.float32(coefficient) * np.load(folder / "Fneu.npy")
    return np.load(folder / "F.npy") - neuropil


def shorten(folder, n_frames):
    for name in ("F", "Fneu", "spks"):
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[:, :n_frames])


@pytest.mark.parametrize("old", [True, False])
def test_raw_traces_of_cells(tmp_path, old):
    path = write_suite2p(tmp_path / "suite2p", old=old)
    recording = read(path)
    traces = np.asarray(recording.traces)
    np.testing.assert_array_equal(traces, corrected(path / "plane0")[CELLS])
    assert traces.dtype == recording.traces.dtype == np.float32
    assert recording.cell_ids.tolist() == CELLS
    assert (recording.fs, recording.trace, recording.format) == (10.0, "raw", "suite2p")
    assert "F - 0.6 * Fneu" in recording.why
    assert recording.notes == ()
    np.testing.assert_allclose(recording.cells["cell_probability"], [0.1, 0.5, 0.7])
    np.testing.assert_allclose(recording.cells["red_probability"], [0.5, 0.55, 0.575])
    assert recording.cells["accepted"].all()
    assert recording.provenance == {
        "software": "suite2p",
        "version": "0.14.4" if old else "1.1.0",
        "planes": [
            {
                "folder": "plane0",
                "files": ["F.npy", "Fneu.npy"],
                "rois": 5,
                "neuropil_coefficient": 0.6,
                "tau_s": 1.0,
                "bad_frames": 4,
            }
        ],
    }
    assert json.loads(json.dumps(recording.provenance)) == recording.provenance


@pytest.mark.parametrize("name", [".", "suite2p", "suite2p/plane0", "suite2p/plane0/F.npy"])
def test_where_it_may_be_pointed_at(tmp_path, path, name):
    recording = read(tmp_path / name)
    assert recording.format == "suite2p"
    np.testing.assert_array_equal(recording.traces[:], corrected(path / "plane0")[CELLS])


def test_renamed_folder(tmp_path):
    assert read(write_plane(tmp_path / "mouse 7")).cell_ids.tolist() == CELLS


def test_all_rois(plane):
    recording = read(plane, cells="all")
    np.testing.assert_array_equal(np.asarray(recording.traces), corrected(plane))
    assert recording.cells["accepted"].tolist() == [True, False, True, True, False]
    assert recording.cells["cell_probability"].size == 5


def test_spikes(plane):
    recording = read(plane, trace="deconvolved")
    np.testing.assert_array_equal(recording.traces[:], np.load(plane / "spks.npy")[CELLS])
    assert (recording.trace, recording.why) == ("deconvolved", "spks, as asked")
    assert recording.provenance["planes"][0]["files"] == ["spks.npy"]


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        ("deconvolved", r"plane0, spks.npy: not found \(there is F.npy, .*spike deconvolution"),
        ("dff", "plane0, dff: not found .*; suite2p saves none: .* calab.dff"),
        ("denoised", "plane0, denoised: not found .*; suite2p saves none: take trace='raw'"),
    ],
)
def test_trace_that_is_not_there(plane, trace, message):
    (plane / "spks.npy").unlink()
    with pytest.raises(MissingKeyError, match=message):
        read(plane, trace=trace)


def test_rows_are_read_when_asked_for(plane):
    recording, everything = read(plane), corrected(plane)[CELLS]
    np.testing.assert_array_equal(recording.traces[1], everything[1])
    np.testing.assert_array_equal(recording.traces[[2, 0]], everything[[2, 0]])
    np.testing.assert_array_equal(recording.traces[1:, 5:9], everything[1:, 5:9])
    sent = pickle.loads(pickle.dumps(recording.traces))
    np.testing.assert_array_equal(sent[:], everything)


@pytest.mark.parametrize("name", ["F.npy", "Fneu.npy"])
def test_file_that_is_cut_after_it_was_read(plane, name):
    recording = read(plane)
    (plane / name).write_bytes((plane / name).read_bytes()[:-1])
    with pytest.raises(CalabFormatError, match=f"{name}: .*not complete"):
        recording.traces[0]


def test_file_that_is_another_by_now(plane):
    recording = read(plane)
    shorten(plane, 50)
    with pytest.raises(CalabFormatError, match=r"F.npy: expected shape \(5, 60\)"):
        recording.traces[0]


def test_double_precision_whole_numbers_and_order(plane):
    raw, neuropil = np.load(plane / "F.npy"), np.load(plane / "Fneu.npy").astype("i4")
    np.save(plane / "F.npy", np.asfortranarray(raw))
    np.save(plane / "Fneu.npy", neuropil)
    traces = read(plane).traces
    assert traces.dtype == traces[0].dtype == np.float64
    np.testing.assert_allclose(traces[:], (raw - 0.6 * neuropil)[CELLS], rtol=1e-6)


def test_infinite_samples_are_read_without_a_warning(plane):
    raw = np.load(plane / "F.npy")
    raw[0, :3] = [np.inf, np.nan, -np.inf]
    np.save(plane / "F.npy", raw)
    np.save(plane / "Fneu.npy", np.where(np.isfinite(raw), 1, np.inf).astype("f4"))
    assert np.isnan(read(plane).traces[0, :2]).all()


def test_no_neuropil(plane):
    (plane / "Fneu.npy").unlink()
    with pytest.warns(UserWarning, match=r"plane0: no Fneu.npy: F is read with its neuropil"):
        recording = read(plane)
    np.testing.assert_array_equal(recording.traces[:], np.load(plane / "F.npy")[CELLS])
    assert recording.why == "F alone, since there is no Fneu.npy"
    assert recording.provenance["planes"][0]["neuropil_coefficient"] is None


def test_nobody_judged_the_rois(plane):
    (plane / "iscell.npy").unlink()
    with pytest.warns(UserWarning, match="plane0: no iscell.npy: all ROIs are read"):
        recording = read(plane)
    assert recording.cell_ids.tolist() == [0, 1, 2, 3, 4]
    assert set(recording.cells) == {"red_probability"}
    assert read(plane, cells="all").notes == ()


@pytest.mark.parametrize("kind", [bool, np.int64, np.float32])
def test_flags_of_old_versions(plane, kind):
    np.save(plane / "iscell.npy", np.array([0, 1, 0, 0, 1], dtype=kind))
    recording = read(plane)
    assert recording.cell_ids.tolist() == [1, 4]
    assert "cell_probability" not in recording.cells


def test_red_cells_of_another_run_are_left_out(plane):
    np.save(plane / "redcell.npy", np.ones((4, 2)))
    assert "red_probability" not in read(plane).cells


def test_nothing_is_a_cell(plane):
    np.save(plane / "iscell.npy", np.zeros((5, 2)))
    with pytest.raises(CalabFormatError, match="no accepted cells; cells='all'"):
        read(plane)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Fneu", np.ones((5, 59)), r"Fneu.npy: expected shape \(5, 60\) as F.npy has"),
        ("F", np.ones(60), r"F.npy: expected real numbers, ROIs x frames, got float64 of shape"),
        ("F", np.ones((5, 0)), r"F.npy: expected real numbers, ROIs x frames, got .* \(5, 0\)"),
        ("F", np.ones((5, 60), complex), "F.npy: expected real numbers"),
        ("F", np.ones((0, 60)), r"Fneu.npy: expected shape \(0, 60\)|iscell.npy: expected a row"),
        ("iscell", np.ones((4, 2)), "iscell.npy: expected a row per ROI, of which F.npy has 5"),
        ("iscell", np.ones((5, 0)), "iscell.npy: expected a flag per ROI"),
        ("iscell", np.ones((5, 1, 1)), "iscell.npy: expected a flag per ROI"),
        ("iscell", np.array(["1"] * 5), "iscell.npy: expected a flag per ROI"),
        ("iscell", np.array([None] * 5), "iscell.npy: cannot be read"),
    ],
)
def test_what_does_not_belong_together_is_said(plane, name, value, message):
    np.save(plane / f"{name}.npy", value, allow_pickle=True)
    with pytest.raises(CalabFormatError, match=message):
        read(plane)


def test_spikes_of_another_run(plane):
    np.save(plane / "spks.npy", np.ones((5, 59)))
    with pytest.raises(CalabFormatError, match=r"spks.npy: expected shape \(5, 60\)"):
        read(plane, trace="deconvolved")


@pytest.mark.parametrize("name", ["F", "Fneu", "iscell", "redcell"])
def test_truncated_file(plane, name):
    file = plane / f"{name}.npy"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(CalabFormatError, match=f"{name}.npy: "):
        read(plane)


def test_claimed_rois_without_frames_take_no_memory(plane):
    with (plane / "F.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 0)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(CalabFormatError, match=r"F.npy: expected real numbers"):
        read(plane)


@pytest.mark.parametrize("name", ["Fneu.npy", "iscell.npy", "stat.npy"])
def test_recognised_by_what_is_beside(tmp_path, plane, name):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(plane / "F.npy", alone)
    assert not suite2p.recognises(alone)
    assert not suite2p.recognises(alone / "F.npy")
    shutil.copy(plane / name, alone)
    assert suite2p.recognises(alone)
    assert suite2p.recognises(alone / "F.npy")
    assert not suite2p.recognises(alone / name)
    (alone / "F.npy").unlink()
    assert not suite2p.recognises(alone)


def test_another_file_of_the_folder(plane):
    with pytest.raises(CalabFormatError, match=r"expected a folder or F.npy; name the"):
        read(plane / "spks.npy", format="suite2p")
