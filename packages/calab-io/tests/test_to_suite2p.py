import json
from dataclasses import replace

import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from calab_io.writers.to_suite2p import to_suite2p
from layouts.results import cadecon, deconvolution
from layouts.suite2p import write_suite2p

CELLS = [0, 2, 3]


@pytest.fixture
def path(tmp_path):
    return write_suite2p(tmp_path / "suite2p")


@pytest.fixture
def plane(path):
    return path / "plane0"


def described(file):
    return json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))


def contents(folder):
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def test_rows_are_those_of_all_rois(plane):
    before = contents(plane)
    recording = read(plane)
    activity = np.random.default_rng(0).random(recording.traces.shape)
    file = to_suite2p(activity, plane, recording=recording)
    assert file == plane / "spks_calab.npy"
    written = np.load(file, allow_pickle=False)
    theirs = np.load(plane / "spks.npy")
    assert (written.shape, written.dtype) == (theirs.shape, theirs.dtype) == ((5, 60), np.float32)
    np.testing.assert_array_equal(written[CELLS], activity.astype(np.float32))
    assert not written[[1, 4]].any()
    after = contents(plane)
    assert set(after) - set(before) == {"spks_calab.npy", "spks_calab.json"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("named", [None, "suite2p"])
@pytest.mark.parametrize("read_from", ["suite2p", "suite2p/plane0", "suite2p/plane0/F.npy"])
def test_the_folder_above_a_single_plane(path, plane, named, read_from):
    recording = read(path.parent / read_from)
    activity = np.ones(recording.traces.shape)
    folder = None if named is None else path.parent / named
    assert to_suite2p(activity, folder, recording=recording) == plane / "spks_calab.npy"
    assert to_suite2p(np.ones(60), path, fs=10, name="one.npy").parent == plane


@pytest.mark.parametrize(("plane", "folder"), [(1, "plane1"), (None, "combined")])
def test_the_folder_that_was_read_of_several(tmp_path, plane, folder):
    path = write_suite2p(tmp_path / "suite2p", planes=2, combined=True)
    recording = read(path, plane=plane)
    file = to_suite2p(np.ones(recording.traces.shape), recording=recording)
    assert file == path / folder / "spks_calab.npy"


def test_one_of_several_planes_is_to_be_named(tmp_path):
    path = write_suite2p(tmp_path / "suite2p", planes=2)
    recording = read(path)
    activity = np.ones(recording.traces.shape)
    for folder in (None, path):
        with pytest.raises(ValueError, match=r"with plane0, plane1; call it for each.*plane0'"):
            to_suite2p(activity, folder, recording=recording)
    with pytest.raises(ValueError, match="folder: expected the folder of a plane where"):
        to_suite2p(activity, fs=10)


def test_description(plane):
    result = cadecon([4, 0, 2], n_frames=60)
    file = to_suite2p(result, plane, name="counts.npy")
    assert np.load(file)[4].tolist() == result.activity[0].tolist()
    said = described(file)
    assert said["calab_suite2p_version"] == 1
    assert said["shape"] == [5, 60]
    assert said["sampling_rate_hz"] == 20
    assert said["rows"] == [4, 0, 2]
    assert said["units"] == ["spikes", "arbitrary", "arbitrary"]
    assert said["trace_unit"] == "unit of the traces"
    assert said["per_row"] == {
        "alphas": {"unit": "unit of the traces", "values": [1.5, 0.7, None]},
        "noise": {"unit": "unit of the traces", "values": [0.1, 0.2, None]},
        "alpha_sd": {"unit": "unit of the traces", "values": [0.01, 0.02, None]},
        "tau_rise": {"unit": "s", "values": [0.02, 0.02, None]},
        "tau_decay": {"unit": "s", "values": [0.4, 0.4, None]},
    }
    np.testing.assert_allclose(said["kernel"]["response"], [0, 1, 0.6, 0.3], rtol=1e-6)
    assert said["kernel"]["sampling_rate_hz"] == 20
    assert said["excluded"] == {"2": "constant: every recorded frame is 0"}
    assert set(said["versions"]) == {"calab-io", "calab-core", "calab-solver"}
    assert said["source"] == {}


def test_description_of_a_deconvolution(tmp_path):
    plane = write_suite2p(tmp_path / "suite2p", n_frames=5) / "plane0"
    recording = read(plane, cells=[1, 3])
    said = described(to_suite2p(deconvolution(), plane, recording=recording))
    assert said["per_row"]["lam"] == {"unit": "unit of the traces", "values": [0.5, None]}
    assert said["kernel"] is None
    assert said["excluded"] == {}
    assert said["source"]["format"] == "suite2p"
    assert said["rows"] == [1, 3]


def test_one_trace(plane):
    said = described(to_suite2p(np.ones(60), plane, fs=10, cell_ids=[3]))
    assert said["rows"] == [3]
    assert said["per_row"] == {}
    assert np.load(plane / "spks_calab.npy").sum(axis=1).tolist() == [0, 0, 0, 60, 0]


def test_several_planes_are_written_one_by_one(tmp_path):
    path = write_suite2p(tmp_path / "suite2p", planes=2)
    # A frame that the other plane does not have.
    traces = np.load(path / "plane1/F.npy")
    for name in ("F", "Fneu", "spks"):
        np.save(path / f"plane1/{name}.npy", np.pad(traces, ((0, 0), (0, 1))))
    with pytest.warns(UserWarning, match="all end after 60"):
        recording = read(path)
    assert recording.cell_ids.tolist()[2:4] == ["plane0_3", "plane1_0"]
    activity = 1 + np.random.default_rng(0).random(recording.traces.shape, dtype=np.float32)
    result = cadecon(recording.cell_ids[2:5], n_frames=60)
    for number, rows in enumerate([slice(0, 3), slice(3, 6)]):
        folder = path / f"plane{number}"
        written = np.load(to_suite2p(activity, folder, recording=recording))
        np.testing.assert_array_equal(written[CELLS, :60], activity[rows])
        assert written.shape == (5, 60 + number)
        assert not written[:, 60:].any()
    said = described(to_suite2p(result, path / "plane1", name="part.npy"))
    assert said["rows"] == [0, 2]
    assert said["units"] == ["arbitrary", "arbitrary"]
    assert said["per_row"]["alphas"]["values"] == [0.7, None]
    assert said["excluded"] == {"2": "constant: every recorded frame is 0"}


@pytest.mark.parametrize("names", [["plane1_0"], ["plane0_x"], ["plane0_"], ["plane0_²"], ["a"]])
def test_no_cell_of_this_folder(plane, names):
    with pytest.raises(
        ValueError, match=r"cell_ids: expected rows of F.npy, or ids such as plane0_"
    ):
        to_suite2p(np.ones((1, 60)), plane, fs=10, cell_ids=names)


def test_folder_of_another_plane(tmp_path):
    path = write_suite2p(tmp_path / "suite2p", planes=2)
    recording = read(path, plane=0)
    activity = np.ones(recording.traces.shape)
    with pytest.raises(ValueError, match="expected plane0, which the recording is of, got plane1"):
        to_suite2p(activity, path / "plane1", recording=recording)
    to_suite2p(activity, path / "plane1", fs=10, cell_ids=CELLS)
    to_suite2p(activity, path / "plane1", recording=replace(recording, format="npy"), name="a.npy")


def test_the_folder_is_known_from_within(plane, monkeypatch):
    recording = read(plane)
    monkeypatch.chdir(plane)
    to_suite2p(np.ones(recording.traces.shape), ".", recording=recording)
    assert (plane / "spks_calab.npy").is_file()


@pytest.mark.parametrize("name", ["spks.npy", "SPKS.npy", "Spks.npy"])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("present", [False, True])
def test_never_over_suite2ps_own(plane, name, overwrite, present):
    if not present:
        (plane / "spks.npy").unlink()
    before = contents(plane)
    with pytest.raises(ValueError, match=r"expected another than spks.npy, which is suite2p's own"):
        to_suite2p(np.ones((5, 60)), plane, fs=10, name=name, overwrite=overwrite)
    assert contents(plane) == before


def test_traces_are_never_replaced(plane):
    before = contents(plane)
    for _ in range(2):
        with pytest.raises(FileExistsError, match=r"F.npy: is not known to be of CaLab"):
            to_suite2p(np.ones((5, 60)), plane, fs=10, name="F.npy", overwrite=True)
        assert contents(plane) == before
        before["F.json"] = b'{"version": 1}'
        (plane / "F.json").write_bytes(before["F.json"])


@pytest.mark.parametrize("text", ["[]", "{", ""])
def test_json_of_others_is_not_replaced(plane, text):
    (plane / "spks_calab.json").write_text(text)
    with pytest.raises(FileExistsError, match=r"spks_calab.json: is there already"):
        to_suite2p(np.ones((5, 60)), plane, fs=10)
    with pytest.raises(FileExistsError, match=r"spks_calab.json: is not known .* another name"):
        to_suite2p(np.ones((5, 60)), plane, fs=10, overwrite=True)
    assert (plane / "spks_calab.json").read_text() == text


def test_a_folder_of_that_name_stays(plane):
    (plane / "spks_calab.json").mkdir()
    with pytest.raises(FileExistsError, match="is not known to be of CaLab"):
        to_suite2p(np.ones((5, 60)), plane, fs=10, overwrite=True)


def test_ones_own_is_replaced_when_wanted(plane):
    to_suite2p(np.ones((5, 60)), plane, fs=10)
    with pytest.raises(FileExistsError, match=r"spks_calab.npy: is there already; overwrite=True"):
        to_suite2p(np.zeros((5, 60)), plane, fs=10)
    assert np.load(plane / "spks_calab.npy").all()
    to_suite2p(np.zeros((5, 60)), plane, fs=10, overwrite=True)
    assert not np.load(plane / "spks_calab.npy").any()


def test_nothing_is_left_behind(plane, monkeypatch):
    before = contents(plane)

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        to_suite2p(np.ones((5, 60)), plane, fs=10)
    assert contents(plane) == before


@pytest.mark.parametrize(
    ("shape", "options", "error", "message"),
    [
        ((5, 60), {"fs": None}, ValueError, "fs: the result does not say"),
        ((6, 60), {}, ValueError, "expected rows of F.npy, which has 5, got 5; give the recording"),
        ((2, 60), {"cell_ids": [3, -1]}, ValueError, "which has 5, got -1"),
        ((5, 61), {}, ValueError, "expected 60 frames as F.npy has, got 61"),
        ((5, 57), {}, ValueError, "expected 60 frames as F.npy has, got 57"),
        ((5, 60), {"name": "a.txt"}, ValueError, "a file name that ends with .npy, got 'a.txt'"),
        ((5, 60), {"name": "../a.npy"}, ValueError, "a file name that ends with .npy"),
        ((5, 60), {"name": 1}, TypeError, "name: expected the name of a file, got 1"),
        ((5, 60), {"overwrite": 1}, TypeError, "overwrite: expected True or False"),
    ],
)
def test_wrong_arguments(plane, shape, options, error, message):
    before = contents(plane)
    with pytest.raises(error, match=message):
        to_suite2p(np.ones(shape), plane, **({"fs": 10} | options))
    assert contents(plane) == before


def test_two_frames_less_are_those_of_shorter_planes(plane):
    written = np.load(to_suite2p(np.ones((5, 58)), plane, fs=10))
    assert written.sum() == 5 * 58


def test_no_traces_there(path, plane):
    (plane / "F.npy").unlink()
    with pytest.raises(MissingKeyError, match=r"suite2p, F.npy: .*plane0.*name the folder of a pl"):
        to_suite2p(np.ones((5, 60)), path, fs=10)
    with pytest.raises(MissingKeyError, match=r"none, F.npy: not found; name the folder"):
        to_suite2p(np.ones((5, 60)), path / "none", fs=10)


def test_damaged_traces(plane):
    (plane / "F.npy").write_bytes(b"x")
    with pytest.raises(CalabFormatError, match=r"F.npy"):
        to_suite2p(np.ones((5, 60)), plane, fs=10)
