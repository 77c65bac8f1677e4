import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from calab_io.formats.nwb import tree
from layouts.nwb import write_nwb
from layouts.nwb_parts import FIT, FLUORESCENCE, RESIDUALS, change, stored


@pytest.fixture
def caiman(tmp_path):
    return write_nwb(tmp_path / "caiman.nwb", "CaImAn")


@pytest.mark.parametrize("name", ["data", "rois", "timestamps"])
def test_links_to_other_files_are_refused(caiman, tmp_path, name):
    write_nwb(tmp_path / "other.nwb", "CaImAn")
    change(caiman, f"{FIT}/{name}", h5py.ExternalLink("other.nwb", f"/{FIT}/{name}"))
    message = rf"Series/{name}: is a link to another file, which is not read; save it"
    with pytest.raises(CalabFormatError, match=message):
        read(caiman, trace="denoised")


def test_a_link_through_another_file_is_refused(caiman, tmp_path):
    write_nwb(tmp_path / "other.nwb", "CaImAn")
    change(caiman, "elsewhere", h5py.ExternalLink("other.nwb", "/"))
    change(caiman, f"{FIT}/timestamps", h5py.SoftLink(f"/elsewhere/{FIT}/timestamps"))
    with pytest.raises(CalabFormatError, match=r"timestamps: is a link to another file"):
        read(caiman)


def test_series_in_other_files_are_listed(caiman, tmp_path):
    write_nwb(tmp_path / "other.nwb", "CaImAn")
    change(caiman, RESIDUALS, None)
    change(caiman, FLUORESCENCE, h5py.ExternalLink("other.nwb", f"/{FLUORESCENCE}"))
    message = r"RoiResponseSeries: not found \(.*Fluorescence \(in another file, which is not read"
    with pytest.raises(MissingKeyError, match=message):
        read(caiman)


def test_links_within_the_file(caiman):
    expected = read(caiman)
    change(caiman, "acquisition/C", stored(caiman, FIT).T)
    change(caiman, f"{FIT}/data", h5py.SoftLink("../nowhere"))
    with pytest.raises(MissingKeyError, match=r"RoiResponseSeries/data: not found"):
        read(caiman)
    change(caiman, f"{FIT}/alias", h5py.SoftLink("/acquisition/./C"))
    change(caiman, f"{FIT}/data", h5py.SoftLink("alias"))
    recording = read(caiman)
    np.testing.assert_array_equal(np.asarray(recording.traces), np.asarray(expected.traces))
    assert recording.provenance["keys"][0] == "acquisition/C"


def test_links_in_circles(caiman):
    change(caiman, f"{FIT}/data", h5py.SoftLink("alias"))
    change(caiman, f"{FIT}/alias", h5py.SoftLink("data"))
    with pytest.raises(CalabFormatError, match=r"data: is a link in circles"):
        read(caiman)


def test_data_in_other_files_are_refused(caiman, tmp_path):
    (tmp_path / "raw.bin").write_bytes(bytes(40 * 6 * 8))
    change(caiman, f"{FIT}/data", None)
    with h5py.File(caiman, "r+") as file:
        file.create_dataset(
            f"{FIT}/data", (40, 6), "f8", external=[(tmp_path / "raw.bin", 0, 40 * 6 * 8)]
        )
    with pytest.raises(CalabFormatError, match=r"data: its data are in another file"):
        read(caiman)
    change(caiman, f"{FIT}/data", None)
    with h5py.File(caiman, "r+") as file:
        layout = h5py.VirtualLayout((40, 6), "f8")
        layout[:] = h5py.VirtualSource("other.h5", "data", (40, 6))
        file.create_virtual_dataset(f"{FIT}/data", layout)
    with pytest.raises(CalabFormatError, match=r"data: its data are in another file"):
        read(caiman)


def test_groups_in_circles(caiman):
    expected = np.asarray(read(caiman).traces)
    with h5py.File(caiman, "r+") as file:
        file[f"{FLUORESCENCE}/again"] = file["processing"]
        file[f"{FIT}/self"] = file[FIT]
    np.testing.assert_array_equal(np.asarray(read(caiman).traces), expected)


def test_deep_and_wide_trees(caiman, monkeypatch):
    deep = "processing/" + "/".join("a" * 14)
    with h5py.File(caiman, "r+") as file:
        file.copy(FIT, file.create_group(deep))
    assert read(caiman).n_cells == 3
    monkeypatch.setattr(tree, "MOST_DEPTH", 20)
    with pytest.raises(CalabFormatError, match="got 2"):
        read(caiman, key="RoiResponseSeries")
    monkeypatch.setattr(tree, "MOST_GROUPS", 5)
    with pytest.raises(CalabFormatError, match="expected a recording, got more than 5 groups"):
        read(caiman)


@pytest.mark.parametrize(
    "value", [np.array(["a", "b"], "S1"), h5py.Empty("f"), np.bytes_(b"suite2p" * 10_000), 3]
)
def test_attributes_that_are_no_text(caiman, value):
    change(caiman, RESIDUALS, None)
    change(caiman, "identifier", "one")
    with h5py.File(caiman, "r+", libver="latest") as file:
        # Only groups of this kind have room for large attributes.
        file.move("processing/ophys", "was")
        file.create_group("processing/x", track_order=True)
        file.move("was/Fluorescence", "processing/x/Fluorescence")
        file["processing/x"].attrs["neurodata_type"] = value
        file["processing/x"].attrs["description"] = value
        file.move("was", "ophys")
    recording = read(caiman)
    assert (recording.n_cells, recording.provenance["software"]) == (3, None)


def test_a_text_that_became_a_sequence(caiman):
    sequence = h5py.h5t.py_create(h5py.vlen_dtype(np.int32), logical=True)
    with h5py.File(caiman, "r+") as file:
        del file[FIT].attrs["description"], file["identifier"]
        one = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5a.create(file[FIT].id, b"description", sequence, one)
        file.create_dataset("identifier", (3,), sequence)
    recording = read(caiman)
    assert (recording.n_cells, recording.provenance["identifier"]) == (3, None)


def test_types_as_older_writers_wrote_them(caiman):
    with h5py.File(caiman, "r+") as file:
        file[FIT].attrs["neurodata_type"] = np.array([b"RoiResponseSeries"])
    assert read(caiman).n_cells == 3


@pytest.mark.parametrize(
    "value",
    [
        h5py.ExternalLink("other.nwb", "/identifier"),
        h5py.SoftLink("/nowhere"),
        h5py.Empty("S5"),
        np.array([b"x" * 1000] * 100),
        np.arange(3),
        None,
    ],
)
def test_texts_are_not_needed(caiman, value):
    change(caiman, "identifier", value)
    recording = read(caiman)
    assert (recording.provenance["identifier"], recording.n_cells) == (None, 3)


def test_texts_in_other_files_are_not_read(caiman, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    change(caiman, "identifier", None)
    with h5py.File(caiman, "r+") as file:
        file.create_dataset("identifier", (1,), "S6", external=[(tmp_path / "secret", 0, 6)])
    assert read(caiman).provenance["identifier"] is None


@pytest.mark.parametrize("suffix", [".h5", ".HDF5"])
def test_other_suffixes(caiman, suffix):
    assert read(caiman.rename(caiman.with_suffix(suffix))).format == "nwb"


def test_a_file_without_a_version(caiman):
    with h5py.File(caiman, "r+") as file:
        del file.attrs["nwb_version"]
    with pytest.raises(MissingKeyError, match=r"nwb_version: not found .*older files have to be"):
        read(caiman)
    with pytest.raises(CalabFormatError, match="expected one array of cells x frames, got 3"):
        read(caiman.rename(caiman.with_suffix(".h5")))


def test_a_folder_of_that_name(tmp_path):
    (tmp_path / "x.nwb").mkdir()
    with pytest.raises(CalabFormatError, match="no recording is in this folder"):
        read(tmp_path / "x.nwb")


def test_what_is_not_hdf5(tmp_path):
    (tmp_path / "x.nwb").write_bytes(b"text")
    with pytest.raises(CalabFormatError, match=r"x\.nwb: expected an HDF5 file"):
        read(tmp_path / "x.nwb")


def test_nothing_in_it(caiman):
    for key in ("processing", "acquisition"):
        change(caiman, key, None)
    with pytest.raises(MissingKeyError, match="RoiResponseSeries: not found; traces are looked"):
        read(caiman)


def test_truncated_file(caiman):
    caiman.write_bytes(caiman.read_bytes()[:3000])
    with pytest.raises(CalabFormatError, match=r"caiman\.nwb: cannot be read"):
        read(caiman)
