import json
import shutil

import h5py
import numpy as np
import pytest
import zarr
from calab_io import CalabFormatError, MissingKeyError
from calab_io.writers.saved import load, save
from layouts.results import assert_same, cadecon


@pytest.fixture(params=[".zarr", ".h5"])
def path(request, tmp_path):
    return tmp_path / f"result{request.param}"


def edit(path, name=None, **attributes):
    """Change attributes of a file or of one of its arrays; None removes one."""
    if path.suffix == ".zarr":
        document = path / (name or "") / "zarr.json"
        described = json.loads(document.read_text())
        described["attributes"].update(attributes)
        kept = {key: value for key, value in described["attributes"].items() if value is not None}
        document.write_text(json.dumps(described | {"attributes": kept}))
        return
    with h5py.File(path, "r+") as file:
        for key, value in attributes.items():
            del file[name or "/"].attrs[key]
            if value is not None:
                file[name or "/"].attrs[key] = value


def remove(path, name):
    if path.suffix == ".zarr":
        shutil.rmtree(path / name)
        return
    with h5py.File(path, "r+") as file:
        del file[name]


def change(path, name, values, axes):
    """Put another array in the place of one."""
    attributes = {"numpy_dtype": values.dtype.str}
    if path.suffix == ".zarr":
        group = zarr.open_group(path, mode="r+", use_consolidated=False)
        array = group.create_array(name, data=values, overwrite=True, dimension_names=axes)
        array.attrs.update(attributes)
        return
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values
        file[name].attrs.update(attributes | {"axes": " ".join(axes)})


def test_nothing_to_read(path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        load(path)


def test_files_of_others(tmp_path):
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(CalabFormatError, match=r"text\.h5: expected an HDF5 file"):
        load(tmp_path / "text.h5")
    with pytest.raises(CalabFormatError, match=r"expected a zarr group, with a zarr\.json"):
        load(tmp_path)
    h5py.File(tmp_path / "other.h5", "w").close()
    zarr.create_group(tmp_path / "other.zarr")
    for name in ("other.h5", "other.zarr"):
        with pytest.raises(CalabFormatError, match=r"expected a result that calab saved; calab_io"):
            load(tmp_path / name)


def test_file_under_another_name(tmp_path):
    save(cadecon(), tmp_path / "result.h5")
    assert_same(load((tmp_path / "result.h5").rename(tmp_path / "result.backup")), cadecon())


@pytest.mark.parametrize("version", [2, 0])
def test_version_that_is_not_known(path, version):
    save(cadecon(), path)
    edit(path, calab_result_version=version)
    expected = f"saved in version {version} of the format, of which this reads up to 1; install a"
    with pytest.raises(CalabFormatError, match=expected):
        load(path)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"kind": "movie"}, "kind: expected 'cadecon' or 'deconvolution' or 'activity', got 'm"),
        ({"fs": "20"}, "fs: expected a number, got '20'"),
        ({"fs": [20.0]}, "fs: expected a number, got "),
        ({"metadata": "{"}, "metadata: expected JSON: "),
        ({"metadata": "[]"}, "metadata: expected a dict in JSON, got list"),
        ({"metadata": 3}, "metadata: expected JSON: "),
        ({"segments": "{}"}, "segments: expected a list in JSON, got dict"),
        ({"drift": '{"first": "x"}'}, "cannot be read: invalid literal for int"),
    ],
)
def test_attributes_that_are_damaged(path, attributes, message):
    save(cadecon(), path)
    edit(path, **attributes)
    with pytest.raises(CalabFormatError, match=message):
        load(path)


@pytest.mark.parametrize("name", ["kind", "fs", "metadata", "excluded", "details", "kernel_fs"])
def test_attributes_that_are_missing(path, name):
    save(cadecon(), path)
    edit(path, **{name: None})
    with pytest.raises(MissingKeyError, match=f"{name}: not found .*; the file may be damaged"):
        load(path)


@pytest.mark.parametrize("name", ["activity", "cell", "pves", "rate", "spike_times_index"])
def test_arrays_that_are_missing(path, name):
    save(cadecon(), path)
    remove(path, name)
    with pytest.raises(MissingKeyError, match=rf"{name}: not found \(there is "):
        load(path)


@pytest.mark.parametrize(
    ("name", "values", "axes", "message"),
    [
        ("pves", np.zeros(4), ["cell"], r"pves: expected \(3,\) as other arrays have, got \(4,\)"),
        ("rate", np.zeros((6, 3)), ["frame", "cell"], r"rate: expected the axes \('cell', 'frame"),
        ("noise", np.zeros(3), ["frame"], r"noise: expected the axes \('cell',\), got \('frame',"),
        ("spike_times_index", np.array([1, 0, 3]), ["cell"], "numbers that rise to 3, got"),
        ("spike_times_index", np.array([1, 2, 2]), ["cell"], "numbers that rise to 3, got"),
        ("spike_times_index", np.array([-1, 2, 3]), ["cell"], "numbers that rise to 3, got"),
        ("spike_times_index", np.array([1.0, 3.0, 3.0]), ["cell"], "numbers that rise to 3, got"),
        ("subset_kernels_index", np.array([3, 6]), ["subset"], "numbers that rise to 5, got"),
    ],
)
def test_arrays_that_do_not_belong_together(path, name, values, axes, message):
    save(cadecon(), path)
    change(path, name, values, axes)
    with pytest.raises(CalabFormatError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        ("rate", "<f8", "rate: expected float64, which it says that it is, got float32"),
        ("alphas", "<i8", "expected int64, which it says that it is, got float64"),
        ("alphas", "<U9", "expected <U9, which it says that it is, got float64"),
        ("alphas", "|b1", "expected bool, which it says that it is, got float64"),
        ("units", "<U6", "expected <U6, which it says that it is, got <U9"),
        ("units", "<f8", "expected float64, which it says that it is, got <U9"),
        ("alphas", "number", "cannot be read: "),
    ],
)
def test_types_that_are_not_true(path, name, dtype, message):
    save(cadecon(), path)
    edit(path, name, numpy_dtype=dtype)
    with pytest.raises(CalabFormatError, match=message):
        load(path)


def test_store_that_lost_a_chunk(tmp_path):
    path = tmp_path / "result.zarr"
    save(cadecon(), path)
    (path / "rate" / "c" / "0" / "0").unlink()
    with pytest.raises(CalabFormatError, match="rate: expected 1 chunks, got 0; the store is not"):
        load(path)


@pytest.mark.parametrize("name", ["rate/c/0/0", "units/c/0"])
def test_store_with_a_damaged_chunk(tmp_path, name):
    path = tmp_path / "result.zarr"
    save(cadecon(), path)
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(CalabFormatError, match="cannot be read"):
        load(path)


@pytest.mark.parametrize("name", ["zarr.json", "rate/zarr.json", "units/zarr.json"])
def test_store_with_a_damaged_description(tmp_path, name):
    path = tmp_path / "result.zarr"
    save(cadecon(), path)
    (path / name).write_text((path / name).read_text()[:50])
    with pytest.raises(CalabFormatError, match="cannot be read"):
        load(path)


def test_store_with_a_folder_that_is_no_array(tmp_path):
    path = tmp_path / "result.zarr"
    save(cadecon(), path)
    (path / "rate" / "zarr.json").unlink()
    with pytest.raises(MissingKeyError, match="rate: not found"):
        load(path)


def test_array_that_does_not_say_its_type(path):
    save(cadecon(), path)
    edit(path, "rate", numpy_dtype=None)
    with pytest.raises(CalabFormatError, match=r"cannot be read: .*numpy_dtype"):
        load(path)


def test_store_without_names_of_axes(tmp_path):
    path = tmp_path / "result.zarr"
    save(cadecon(), path)
    document = path / "rate" / "zarr.json"
    document.write_text(document.read_text().replace("dimension_names", "names"))
    with pytest.raises(CalabFormatError, match=r"rate: expected the axes .*, got \(\)"):
        load(path)


def test_store_with_other_text(tmp_path):
    path = tmp_path / "result.zarr"
    save(cadecon(), path)
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    units = np.array(["spikes"] * 3, dtype=object)
    plain = zarr.codecs.GzipCodec()
    array = group.create_array(
        "units", shape=3, dtype=str, overwrite=True, dimension_names=["cell"], compressors=plain
    )
    array[:] = units
    array.attrs["numpy_dtype"] = "<U9"
    with pytest.raises(CalabFormatError, match=r"units: expected text stored by .*'zstd'\], got"):
        load(path)


def test_file_that_is_cut_off(tmp_path):
    path = tmp_path / "result.h5"
    save(cadecon(), path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CalabFormatError, match=r"result\.h5: cannot be read"):
        load(path)


def test_file_with_a_damaged_chunk(tmp_path):
    path = tmp_path / "result.h5"
    save(cadecon(), path)
    with h5py.File(path) as file:
        place = file["rate"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(CalabFormatError, match=r"result\.h5: cannot be read"):
        load(path)


def test_file_whose_scales_are_damaged_is_read(tmp_path):
    """The library may search without end for what names the axes, so that is not touched."""
    path = tmp_path / "result.h5"
    save(cadecon(), path)
    content = path.read_bytes()
    assert b"GCOL" in content
    path.write_bytes(content.replace(b"GCOL", b"XXXX"))
    assert_same(load(path), cadecon())
