import json
import pickle
import shutil
import sys
from pathlib import Path

import h5py
import numcodecs
import numpy as np
import pytest
import zarr
from calab_io import CalabFormatError, MissingKeyError, read
from calab_io.formats import minian
from layouts.minian import (
    save_minian,
    variables,
    write_minian,
)
from zarr.codecs import BloscCodec

YRA = variables()["YrA"].values


@pytest.fixture(params=[2, 3])
def path(tmp_path, request):
    return write_minian(tmp_path / "minian", zarr_format=request.param)


@pytest.fixture
def folder(tmp_path):
    return write_minian(tmp_path / "mouse" / "session" / "minian", final_only=True)


class _Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def change(document, **values):
    """Change what a store says of an array."""
    known = json.loads(document.read_text()) | values
    document.write_text(
        json.dumps({name: value for name, value in known.items() if value is not Ellipsis})
    )


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            variables()["C"].rename(frame="time"),
            r"C: expected the axes unit_id and frame, got .*time",
        ),
        (variables()["C"].expand_dims(animal=["a"]), "C: expected the axes .* got animal, unit_id"),
        (variables()["C"].drop_vars("unit_id"), r"C.zarr, unit_id: not found .*save_minian"),
        (variables((1, 2, 1, 3))["C"], "unit_id: expected a whole number of its own for each cell"),
        (
            variables()["C"].assign_coords(unit_id=[0, 1, 2, 3.5]),
            "unit_id: expected a whole number",
        ),
        (variables()["C"].assign_coords(unit_id=[0, 1, 2, np.nan]), "unit_id: expected a whole"),
        (variables()["C"].assign_coords(unit_id=[0, 1, 2, 1e300]), "unit_id: expected a whole"),
        (variables()["C"].assign_coords(unit_id=[True, False] * 2), "unit_id: expected a whole"),
        (variables()["C"].assign_coords(unit_id=list("abcd")), "unit_id: expected numbers"),
        (variables()["C"].astype("complex64"), "C: expected numbers, got complex64"),
        (variables()["C"][:0], "no accepted cells"),
    ],
)
def test_what_is_no_array_of_cells_and_frames(folder, array, message):
    save_minian(array, folder)
    with pytest.raises(CalabFormatError, match=message):
        read(folder, trace="denoised", fs=20)


def test_whole_ids_that_were_saved_as_floats(folder):
    save_minian(variables()["C"].assign_coords(unit_id=[0.0, 2, 3, 7]), folder)
    ids = read(folder, trace="denoised", fs=20).cell_ids
    assert (ids.tolist(), ids.dtype) == ([0, 2, 3, 7], np.int64)


def test_packed_numbers_are_refused(folder):
    packing = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -1}
    save_minian(variables()["C"], folder, **packing)
    with pytest.raises(CalabFormatError, match=r"C: expected plain numbers, got scale_factor"):
        read(folder, trace="denoised", fs=20)


@pytest.mark.parametrize("kind", ["zarr", "nc"])
def test_axes_without_names(tmp_path, kind):
    path = tmp_path / f"C.{kind}"
    if kind == "zarr":
        zarr.create_group(path, zarr_format=2).create_array("C", data=YRA)
        with pytest.raises(CalabFormatError, match="no names"):
            read(path, fs=20)
        # Which version 2 may leave out.
        (path / "C" / ".zattrs").unlink()
    else:
        variables()["C"].to_dataset().to_netcdf(path, engine="h5netcdf")
        with h5py.File(path, "r+") as file:
            del file["C"].attrs["DIMENSION_LIST"]
    with pytest.raises(CalabFormatError, match=r"C: expected the axes .* no names for .*xarray"):
        read(path, fs=20)


@pytest.mark.parametrize("names", [None, ["unit_id", None], "unit_id"])
def test_axes_without_names_in_version_3(tmp_path, names):
    save_minian(variables()["C"], tmp_path / "minian", zarr_format=3)
    change(tmp_path / "minian/C.zarr/C/zarr.json", dimension_names=names)
    with pytest.raises(CalabFormatError, match=r"got no names|cannot be read"):
        read(tmp_path / "minian", trace="denoised", fs=20)


def test_fewer_names_than_axes(folder):
    save_minian(variables()["C"].expand_dims(animal=["a"]), folder)
    change(folder / "C.zarr/C/.zattrs", _ARRAY_DIMENSIONS=["unit_id", "frame"])
    with pytest.raises(CalabFormatError, match=r"got unit_id, frame for shape \(1, 4, 120\)"):
        read(folder, trace="denoised", fs=20)


def test_netcdf_without_cells(tmp_path):
    variables()["C"].drop_vars("unit_id").to_netcdf(tmp_path / "C.nc", engine="h5netcdf")
    with pytest.raises(MissingKeyError, match=r"C.nc, unit_id: not found"):
        read(tmp_path / "C.nc", trace="denoised", fs=20)


def test_netcdf_3_is_refused(tmp_path):
    variables()["C"].drop_vars(["animal", "session"]).to_netcdf(
        tmp_path / "C.nc", engine="scipy", format="NETCDF3_64BIT"
    )
    for format in ("auto", "minian"):
        with pytest.raises(CalabFormatError, match=r"C.nc: expected NetCDF 4.*h5netcdf"):
            read(tmp_path / "C.nc", format, fs=20)


def test_a_file_of_something_else(tmp_path):
    (tmp_path / "x.txt").write_text("nothing")
    with pytest.raises(CalabFormatError, match=r"x.txt: expected an HDF5 file"):
        read(tmp_path / "x.txt", "minian")


def test_a_store_that_cannot_be_read_is_one_of_minians(path):
    document = next(path.glob("C.zarr/C/.zattrs"), path / "C.zarr" / "C" / "zarr.json")
    document.write_text("{")
    with pytest.raises(CalabFormatError, match=r"C.zarr.C: cannot be read: .*JSON"):
        minian.recognises(path)


def test_stores_are_recognised_without_zarr(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    assert minian.recognises(path)
    with pytest.raises(ImportError, match=r"reading zarr stores needs zarr.*extra 'minian'"):
        read(path)


@pytest.mark.parametrize("name", ["C.zarr/C", "C.zarr/unit_id", "C.zarr/frame"])
def test_a_damaged_description(path, name):
    document = next((path / name).glob(".zarray"), path / name / "zarr.json")
    change(document, shape=[10**15, 10**9] if name.endswith("/C") else [10**15])
    with pytest.raises(CalabFormatError, match=r"expected data that fit its files, got shape \(1"):
        read(path)
    change(document, shape=...)
    with pytest.raises(CalabFormatError, match=r"cannot be read: .*shape"):
        read(path)


@pytest.mark.parametrize(
    ("encoding", "codecs"),
    [
        ({"filters": [{"id": "delta", "dtype": "<f8"}]}, "delta, blosc"),
        ({"compressor": {"id": "zlib", "level": 1}, "filters": [{"id": "bz2"}]}, "bz2, zlib"),
    ],
)
def test_only_plain_compressions_are_decoded(folder, encoding, codecs):
    change(folder / "C.zarr/C/.zarray", **encoding)
    message = rf"C.zarr, C: expected at most one of the compressions .*, got {codecs}; save"
    with pytest.raises(CalabFormatError, match=message):
        read(folder, trace="denoised", fs=20)


@pytest.mark.parametrize("encoding", ["filters", "compressor"])
def test_pickled_chunks_are_never_decoded(folder, monkeypatch, encoding):
    # Newer versions of numcodecs refuse by themselves, but for this.
    monkeypatch.setattr("numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    codec = {"id": "pickle"}
    change(folder / "C.zarr/C/.zarray", **{encoding: [codec] if encoding == "filters" else codec})
    witness = folder / "executed"
    content = pickle.dumps(_Malicious(witness))
    for chunk in (folder / "C.zarr/C").glob("?.0"):
        chunk.write_bytes(
            content if encoding == "compressor" else numcodecs.Blosc().encode(content)
        )
    with pytest.raises(CalabFormatError, match=r"C.*pickle"):
        read(folder, trace="denoised", fs=20)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("zarr_format", "encoding"),
    [
        (2, {"compressors": None}),
        (2, {"compressors": numcodecs.Zlib(5)}),
        (2, {"compressors": numcodecs.Blosc("zstd", 3, shuffle=2)}),
        (3, {"compressors": None}),
        (3, {"compressors": BloscCodec(cname="lz4")}),
    ],
)
def test_compressions(tmp_path, zarr_format, encoding):
    path = save_minian(variables()["C"], tmp_path, zarr_format=zarr_format, **encoding)
    recording = read(path, trace="denoised", fs=20)
    np.testing.assert_array_equal(np.asarray(recording.traces), variables()["C"].values)


@pytest.mark.parametrize("at", [4, 12])
@pytest.mark.parametrize(("zarr_format", "chunk"), [(2, "2.0"), (3, "c/2/0")])
def test_a_damaged_head_of_blosc_is_noticed(tmp_path, zarr_format, chunk, at):
    encoding = {} if zarr_format == 2 else {"compressors": BloscCodec()}
    path = save_minian(variables()["C"], tmp_path, zarr_format=zarr_format, **encoding)
    traces = read(path, trace="denoised", fs=20).traces
    file = path / "C" / chunk
    content = bytearray(file.read_bytes())
    content[at] ^= 0x40
    file.write_bytes(content)
    message = rf"C.zarr, C: expected chunk {chunk} to be of 960 bytes, got"
    with pytest.raises(CalabFormatError, match=message):
        read(path, trace="denoised", fs=20)
    for rows in (2, slice(None), [3, 2]):
        with pytest.raises(CalabFormatError, match=message):
            traces[rows]
    # The other cells are still read.
    np.testing.assert_array_equal(traces[[3, 1]], variables()["C"].values[[3, 1]])
    file.write_bytes(b"")
    with pytest.raises(CalabFormatError, match=r"960 bytes, got 0 in 0"):
        traces[2]


def test_a_chunk_that_is_not_complete(path):
    traces = read(path).traces
    for chunk in (path / "minian_intermediate/YrA.zarr/YrA").rglob("*0"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:200])
    with pytest.raises(CalabFormatError, match=r"YrA.zarr.*YrA: (cannot be read|expected chunk)"):
        np.asarray(traces)


def test_a_chunk_with_damaged_content(folder):
    traces = read(folder, trace="denoised", fs=20).traces
    chunk = folder / "C.zarr" / "C" / "1.0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:16] + b"\xff" * (len(content) - 16))
    with pytest.raises(CalabFormatError, match=r"C.zarr.C: cannot be read: .* decompression"):
        traces[:2]


def test_a_chunk_that_was_not_written_is_nan(folder):
    (folder / "C.zarr/C/1.0").unlink()
    with pytest.warns(UserWarning, match="1 of 4 cells looked at are NaN"):
        traces = np.asarray(read(folder, trace="denoised", fs=20).traces)
    assert np.isnan(traces).sum(axis=1).tolist() == [0, 120, 0, 0]


def test_coordinates_of_another_length(folder):
    other = save_minian(variables((0, 2, 3))["C"], folder.parent / "other")
    shutil.rmtree(folder / "C.zarr/unit_id")
    shutil.copytree(other / "unit_id", folder / "C.zarr/unit_id")
    message = r"C.zarr, unit_id: expected 4 numbers as C has, got \(3,\)"
    with pytest.raises(CalabFormatError, match=message):
        read(folder, trace="denoised", fs=20)


def test_truncated_netcdf(tmp_path):
    path = tmp_path / "C.nc"
    variables()["C"].to_netcdf(path, engine="h5netcdf")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CalabFormatError, match=r"C.nc: cannot be read"):
        read(path, fs=20)


@pytest.mark.parametrize("attributes", [True, [1], "text"])
def test_attributes_that_are_none(tmp_path, attributes):
    path = write_minian(tmp_path / "minian", zarr_format=3)
    change(path / "minian_intermediate/YrA.zarr/YrA/zarr.json", attributes=attributes)
    with pytest.raises(CalabFormatError, match=r"YrA"):
        read(path)
