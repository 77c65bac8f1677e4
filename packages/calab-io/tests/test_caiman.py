import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from layouts.caiman import NONE, write_caiman


@pytest.fixture
def path(tmp_path):
    return write_caiman(tmp_path / "results.hdf5")


def change(path, **datasets):
    with h5py.File(path, "r+") as file:
        for name, value in datasets.items():
            del file[f"estimates/{name}"]
            if value is not None:
                file[f"estimates/{name}"] = value


def test_raw_traces_of_accepted_components(path):
    recording = read(path)
    with h5py.File(path) as file:
        expected = (file["estimates/C"][:] + file["estimates/YrA"][:])[[1, 2, 4]]
    np.testing.assert_array_equal(np.asarray(recording.traces), expected)
    assert recording.cell_ids.tolist() == [1, 2, 4]
    assert (recording.fs, recording.trace, recording.format) == (20.0, "raw", "caiman")
    assert "C + YrA" in recording.why
    assert recording.notes == ()
    np.testing.assert_allclose(recording.cells["snr"], np.linspace(2, 8, 6)[[1, 2, 4]])
    assert "cnn_score" not in recording.cells
    assert recording.provenance["version"] == "1.12.1"


def test_strings_of_older_versions(tmp_path):
    recording = read(write_caiman(tmp_path / "old.hdf5", old=True))
    assert recording.provenance["version"] == "1.8.5"


@pytest.mark.parametrize(("trace", "key"), [("denoised", "C"), ("deconvolved", "S")])
def test_another_trace(path, trace, key):
    recording = read(path, trace=trace, cells="all")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(np.asarray(recording.traces), file[f"estimates/{key}"][:])
    assert recording.trace == trace
    assert recording.cell_ids.tolist() == list(range(6))


def test_rows_are_read_when_asked_for(path):
    recording, everything = read(path), np.asarray(read(path).traces)
    np.testing.assert_array_equal(recording.traces[1], everything[1])
    np.testing.assert_array_equal(recording.traces[[2, 0]], everything[[2, 0]])
    np.testing.assert_array_equal(recording.traces[1:, 5:9], everything[1:, 5:9])


def test_dff_that_was_not_computed(path):
    with pytest.raises(MissingKeyError, match=r"results.hdf5, estimates/F_dff: .*detrend_df_f"):
        read(path, trace="dff")


def test_dff(path):
    change(path, F_dff=np.ones((6, 200), np.float32))
    recording = read(path, trace="dff")
    assert recording.traces.dtype == np.float32
    assert recording.traces.shape == (3, 200)


def test_residual_by_its_other_name(path):
    change(path, YrA=NONE)
    assert read(path).provenance["keys"] == ["estimates/C", "estimates/R"]


def test_without_residual_the_fit_is_read_with_a_warning(path):
    change(path, YrA=None, R=NONE)
    with pytest.warns(UserWarning, match="denoised fit"):
        assert read(path).trace == "denoised"
    with pytest.raises(MissingKeyError, match=r"estimates/YrA.*trace='denoised'"):
        read(path, trace="raw")


def test_not_evaluated_components_are_all_read(path):
    change(path, idx_components=NONE)
    with pytest.warns(UserWarning, match="not evaluated"):
        assert read(path).cell_ids.tolist() == list(range(6))


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"YrA": np.ones((5, 200))}, r"estimates/YrA: expected \(6, 200\)"),
        ({"C": np.ones(200)}, "estimates/C: expected cells x frames"),
        ({"idx_components": np.array([1, 9])}, "estimates/idx_components: expected rows of 6"),
        ({"idx_components": np.array([], int)}, "no accepted cells; cells='all'"),
    ],
)
def test_what_does_not_belong_together_is_said(path, datasets, message):
    change(path, **datasets)
    with pytest.raises(CalabFormatError, match=message):
        read(path)


def test_transposed_traces_are_noticed(path):
    turned = np.ones((200, 6))
    change(path, C=turned, YrA=turned)
    with pytest.raises(CalabFormatError, match="expected 6 cells as in estimates/A"):
        read(path)


def test_truncated_file(path):
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CalabFormatError, match=r"results.hdf5: cannot be read"):
        read(path)


def test_what_is_in_another_file_is_not_read(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["YrA"] = np.ones((6, 200))
    change(path, YrA=h5py.ExternalLink(str(tmp_path / "other.h5"), "/YrA"), R=NONE)
    with pytest.raises(CalabFormatError, match="estimates/YrA: is a link to another file"):
        read(path)


def test_data_in_another_file_are_not_read(path, tmp_path):
    (tmp_path / "raw.bin").write_bytes(bytes(6 * 200 * 8))
    with h5py.File(path, "r+") as file:
        del file["estimates/C"]
        outside = [(str(tmp_path / "raw.bin"), 0, 6 * 200 * 8)]
        file.create_dataset("estimates/C", shape=(6, 200), dtype="f8", external=outside)
    with pytest.raises(CalabFormatError, match="estimates/C: its data are in another file"):
        read(path)


def test_a_version_that_is_no_text(path):
    with h5py.File(path, "r+") as file:
        del file["params/data"].attrs["caiman_version"]
        numbers = np.empty((), h5py.vlen_dtype(np.int32))
        numbers[()] = np.arange(3, dtype=np.int32)
        file["params/data"].attrs.create("caiman_version", numbers, dtype=numbers.dtype)
    assert read(path).provenance["version"] is None
