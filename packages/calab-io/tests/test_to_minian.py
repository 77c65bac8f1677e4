import json
import warnings

import numpy as np
import pytest
import xarray as xr
from calab_io import CalabFormatError, read
from calab_io.writers import minian_store
from calab_io.writers.minian_labels import label_of
from calab_io.writers.to_minian import to_minian
from layouts.minian import save_minian, variables, write_minian
from layouts.results import cadecon, deconvolution

IDS = (7, 3, 12)


@pytest.fixture
def source(tmp_path):
    return write_minian(tmp_path / "minian")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "calab"
    path.mkdir()
    return path


def activity_of(recording):
    activity = np.random.default_rng(0).random(recording.traces.shape)
    activity[2] = 0
    return activity


def opened(store):
    """Open as Minian does; a warning is an error."""
    with xr.open_zarr(store) as found:
        return found.load()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_layout_is_that_of_minian(source, folder, zarr_format):
    recording = read(source)
    activity = activity_of(recording)
    store = to_minian(activity, folder, recording=recording, zarr_format=zarr_format)
    assert store == folder / "S.zarr"
    found = opened(store)
    theirs = opened(source / "S.zarr")
    assert found.S.dims == theirs.S.dims == ("unit_id", "frame")
    np.testing.assert_array_equal(found.S.values, activity)
    assert found.S.dtype == np.float64
    for name in ("unit_id", "frame"):
        np.testing.assert_array_equal(found[name], theirs[name])
    assert set(found.S.coords) == set(theirs.S.coords)
    assert (str(found.animal.values), str(found.session.values)) == ("mouse01", "session_1")
    assert label_of(store, "session") == "session_1"
    assert (store / ("S/.zarray" if zarr_format == 2 else "S/zarr.json")).is_file()


def test_files_are_those_that_minian_writes(source, folder):
    store = to_minian(np.ones((4, 120)), folder, recording=read(source))

    def described(at, name):
        document = json.loads((at / name / ".zarray").read_text())
        # xarray takes NaN for missing, of which activity has none.
        return {key: document[key] for key in document if key != "fill_value"}

    for name in ("S", "unit_id", "frame", "animal", "session"):
        assert described(store, name) == described(source / "S.zarr", name)
    assert (store / ".zmetadata").is_file()


@pytest.mark.parametrize(("zarr_format", "chunk"), [(2, "S/1.0"), (3, "S/c/1/0")])
def test_zeros_are_written_too(folder, zarr_format, chunk):
    # zarr before 3 fills in whatever is in the memory where a chunk is missing.
    store = to_minian(np.zeros((2, 9)), folder, fs=20, zarr_format=zarr_format)
    assert (store / chunk).is_file()


def test_calab_reads_what_it_wrote(source, folder):
    recording = read(source)
    activity = activity_of(recording)
    to_minian(activity, folder, recording=recording)
    again = read(folder, trace="deconvolved", fs=20)
    np.testing.assert_array_equal(np.asarray(again.traces), activity)
    np.testing.assert_array_equal(again.cell_ids, recording.cell_ids)


def test_merges_with_the_variables_of_minian(source):
    recording = read(source)
    activity = activity_of(recording)
    store = to_minian(activity, source, recording=recording, name="S_calab.zarr")
    merged = xr.merge(
        [opened(source / "S.zarr"), opened(store)], join="exact", compat="no_conflicts"
    )
    np.testing.assert_array_equal(merged.S_calab, activity)
    assert not np.array_equal(merged.S, activity)


@pytest.mark.parametrize("frames", [np.arange(10, 130), np.r_[0:60, 70:130], np.arange(0, 240, 2)])
def test_frames_are_those_of_the_movie(tmp_path, folder, frames):
    for name in ("C", "YrA"):
        save_minian(variables()[name].assign_coords(frame=frames), tmp_path / "cut")
    recording = read(tmp_path / "cut", fs=20)
    store = to_minian(activity_of(recording), folder, recording=recording)
    np.testing.assert_array_equal(opened(store).frame, frames)


def test_source_without_frames_and_labels(tmp_path, folder):
    plain = variables()["C"].drop_vars(["frame", "animal", "session"])
    save_minian(plain, tmp_path / "plain")
    recording = read(tmp_path / "plain", trace="denoised", fs=20)
    found = opened(to_minian(np.ones((4, 120)), folder, recording=recording))
    np.testing.assert_array_equal(found.frame, np.arange(120))
    assert set(found.coords) == {"unit_id", "frame"}


def test_labels_of_netcdf(tmp_path, folder):
    variables()["C"].to_dataset().to_netcdf(tmp_path / "minian.nc", engine="h5netcdf")
    recording = read(tmp_path / "minian.nc", trace="denoised", fs=20)
    found = opened(to_minian(np.ones((4, 120)), folder, recording=recording))
    assert str(found.animal.values) == "mouse01"


def test_labels_of_version_3(tmp_path):
    save_minian(variables()["C"], tmp_path, zarr_format=3)
    assert label_of(tmp_path / "C.zarr", "animal") == "mouse01"


def test_a_source_that_has_gone_says_nothing(source, folder):
    recording = read(source)
    source.rename(source.with_name("elsewhere"))
    found = opened(to_minian(np.ones((4, 120)), folder, recording=recording))
    assert set(found.coords) == {"unit_id", "frame"}


def test_source_of_another_kind(tmp_path, folder):
    np.save(tmp_path / "traces.npy", np.ones((2, 5)))
    recording = read(tmp_path / "traces.npy", fs=20)
    found = opened(to_minian(np.ones((2, 5)), folder, recording=recording))
    assert found.frame.values.tolist() == [0, 1, 2, 3, 4]


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    "values",
    [
        {"dtype": "|O", "filters": [{"id": "pickle"}]},
        {"filters": [{"id": "pickle"}]},
        {"dtype": "<i8"},
        {"dtype": "<U999999"},
        {"dtype": [["a", "<U7"]]},
        {"shape": [1], "chunks": [1]},
        {"compressor": {"id": "pickle"}},
    ],
)
def test_what_is_no_plain_text_is_not_read(source, values):
    change(source / "C.zarr/animal/.zarray", **values)
    assert label_of(source / "C.zarr", "animal") is None
    assert label_of(source / "C.zarr", "session") == "session_1"


@pytest.mark.parametrize(
    "values",
    [
        {"data_type": "int64"},
        {"data_type": {"name": "numpy.datetime64"}},
        {
            "data_type": {
                "name": "fixed_length_utf32",
                "configuration": {"length_bytes": 999999},
            }
        },
        {"codecs": [{"name": "pickle"}]},
        {"shape": [1]},
    ],
)
def test_what_is_no_plain_text_in_version_3_is_not_read(tmp_path, values):
    save_minian(variables()["C"], tmp_path, zarr_format=3)
    change(tmp_path / "C.zarr/animal/zarr.json", **values)
    assert label_of(tmp_path / "C.zarr", "animal") is None


def test_uncompressed_text(source):
    change(source / "C.zarr/animal/.zarray", compressor=None)
    (source / "C.zarr/animal/0").write_bytes("mouse02".encode("utf-32-le"))
    assert label_of(source / "C.zarr", "animal") == "mouse02"


def test_damaged_text_is_said(source, folder):
    recording = read(source)
    chunk = source / "minian_intermediate/YrA.zarr/animal/0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    with pytest.raises(CalabFormatError, match="animal"):
        to_minian(np.ones((4, 120)), folder, recording=recording)
    assert list(folder.iterdir()) == []


def test_a_result_says_its_units(folder):
    found = opened(to_minian(cadecon(IDS), folder))
    assert found.unit_id.values.tolist() == list(IDS)
    assert found.S.dtype == np.float32
    np.testing.assert_array_equal(found.S, cadecon(IDS).activity)
    said = found.S.attrs
    assert said["units"] == "spikes or arbitrary"
    assert said["units_by_unit_id"] == ["spikes", "arbitrary", "arbitrary"]
    assert said["sampling_rate_hz"] == 20
    assert said["calab_io_version"]


def test_deconvolution_and_whole_numbers(folder):
    found = opened(to_minian(deconvolution(), folder, fs=20, cell_ids=[4, 2]))
    assert found.S.attrs["units"] == "unit of the traces"
    assert found.unit_id.values.tolist() == [4, 2]
    counts = np.eye(2, 5, dtype=np.int16)
    found = opened(to_minian(counts, folder, fs=20, name="counts.zarr"))
    assert found.counts.dtype == np.float64
    np.testing.assert_array_equal(found.counts, counts)


def test_nothing_to_write(folder):
    assert opened(to_minian(np.ones((2, 0)), folder, fs=20)).S.shape == (2, 0)


def test_minians_own_is_never_replaced(source):
    recording = read(source)
    before = opened(source / "S.zarr")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match=r"not CaLab's; give another name.*S_calab.zarr"):
            to_minian(np.ones((4, 120)), source, recording=recording, overwrite=overwrite)
    assert opened(source / "S.zarr").identical(before)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ones_own_is_replaced_when_wanted(folder, zarr_format):
    to_minian(np.ones((2, 5)), folder, fs=20, zarr_format=zarr_format)
    with pytest.raises(FileExistsError, match="overwrite=True replaces it"):
        to_minian(np.zeros((3, 4)), folder, fs=20)
    to_minian(np.zeros((3, 4)), folder, fs=20, overwrite=True)
    np.testing.assert_array_equal(opened(folder / "S.zarr").S, np.zeros((3, 4)))
    assert [entry.name for entry in folder.iterdir()] == ["S.zarr"]


def test_a_file_of_that_name_stays(folder):
    (folder / "S.zarr").write_text("notes")
    with pytest.raises(FileExistsError, match="not CaLab's"):
        to_minian(np.ones((2, 5)), folder, fs=20, overwrite=True)


def test_nothing_is_left_behind(folder, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(minian_store, "_put_2", fail)
    with pytest.raises(OSError, match="disk full"):
        to_minian(np.ones((2, 5)), folder, fs=20)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fs": None}, ValueError, "fs: the result does not say"),
        ({"cell_ids": ["a", "b"]}, ValueError, r"cell_ids: expected the whole numbers.*\['a', 'b'"),
        ({"name": "S"}, ValueError, "name: expected a name of letters"),
        ({"name": "../S.zarr"}, ValueError, "name: expected a name of letters"),
        ({"name": ".zarr"}, ValueError, "name: expected a name of letters"),
        ({"name": "frame.zarr"}, ValueError, "another than frame, which is that of a coordinate"),
        ({"name": None}, TypeError, "name: expected the name of a store, got None"),
        ({"zarr_format": 1}, ValueError, "zarr_format: expected at least 2, got 1"),
        ({"zarr_format": 4}, ValueError, "zarr_format: expected 2 or 3, got 4"),
        ({"overwrite": "no"}, TypeError, "overwrite: expected True or False"),
    ],
)
def test_wrong_arguments(folder, options, error, message):
    with pytest.raises(error, match=message):
        to_minian(np.ones((2, 5)), folder, **({"fs": 20} | options))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("inside", ["S.zarr", "S.zarr/S"])
def test_a_store_is_not_written_into(folder, inside, zarr_format):
    to_minian(np.ones((2, 5)), folder, fs=20, zarr_format=zarr_format)
    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match=r"is a zarr store itself; name .*name='S_calab.zarr'"):
        to_minian(np.ones((2, 5)), folder / inside, fs=20)
    assert sorted(folder.rglob("*")) == before


def test_missing_folder(folder):
    with pytest.raises(NotADirectoryError, match="expected an existing folder"):
        to_minian(np.ones((2, 5)), folder / "none", fs=20)


def test_other_warnings_are_not_hidden(folder, monkeypatch):
    put = minian_store._put_2

    def warn(*args):
        warnings.warn("something else", UserWarning, stacklevel=2)
        return put(*args)

    monkeypatch.setattr(minian_store, "_put_2", warn)
    with pytest.warns(UserWarning, match="something else"):
        to_minian(np.ones((2, 5)), folder, fs=20)
