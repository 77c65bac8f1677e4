import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from layouts.nwb import write_nwb
from layouts.nwb_parts import FIT, TABLE, change


@pytest.fixture
def caiman(tmp_path):
    return write_nwb(tmp_path / "caiman.nwb", "CaImAn")


def test_all_cells(caiman):
    recording = read(caiman, cells="all")
    assert recording.cell_ids.tolist() == list(range(10, 16))
    assert recording.cells["accepted"].tolist() == [False, True, True, False, True, False]


@pytest.mark.parametrize(
    ("columns", "ids"),
    [
        ({"keep": [1, 0, 0, 1, 0, 0, 0, 0]}, [10, 13]),
        ({"accepted": None, "rejected": [1, 0, 0, 1, 0, 0, 0, 0]}, [11, 12, 14, 15]),
        ({"accepted": [np.nan, 0, 1, 0, 0, 0, 0, 0]}, [12]),
        ({"accepted": None, "rejected": None}, [10, 11, 12, 13, 14, 15]),
        ({"accepted": None, "rejected": None, "Accepted": np.eye(8, dtype=bool)[5]}, [15]),
    ],
)
def test_columns_that_say_what_is_accepted(caiman, columns, ids):
    for name, values in columns.items():
        change(caiman, f"{TABLE}/{name}", values)
    recording = read(caiman)
    assert recording.cell_ids.tolist() == ids
    assert recording.notes == ()
    assert recording.n_cells == len(ids)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(8), "accepted: no cell was accepted or rejected: all are read"),
        (np.array([b"yes"] * 8), "accepted: cannot be read as which cells are accepted"),
        (np.zeros(7), "accepted: cannot be read"),
        (h5py.ExternalLink("other.nwb", "/accepted"), "accepted: cannot be read"),
    ],
)
def test_a_verdict_that_says_nothing(caiman, values, message):
    change(caiman, f"{TABLE}/accepted", values)
    with pytest.warns(UserWarning, match=message):
        assert read(caiman).n_cells == 6
    assert read(caiman, cells="all").notes == ()


def test_none_is_accepted(caiman):
    change(caiman, f"{TABLE}/accepted", np.zeros(8))
    change(caiman, f"{TABLE}/rejected", np.ones(8))
    with pytest.raises(CalabFormatError, match="no accepted cells; cells='all' reads the others"):
        read(caiman)


def put_rois(path, rows, **attributes):
    with h5py.File(path, "r+") as file:
        kept = {"table": file[TABLE].ref, **attributes}
        del file[f"{FIT}/rois"]
        file[f"{FIT}/rois"] = rows
        for name, value in kept.items():
            if value is not None:
                file[f"{FIT}/rois"].attrs[name] = value


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.arange(3, 9), r"rois: expected rows of 8 cells, got 3 to 8; they are rows of proc"),
        (np.arange(-1, 5), "rois: expected rows of 8 cells, got -1 to 4"),
        (np.arange(6.0), "rois: expected a list of whole numbers, got float64"),
        (np.arange(6)[None], r"rois: expected a list of whole numbers, got int64, shape \(1, 6\)"),
        (np.array([0, 1, 2, 3, 4, 4]), "expected an id of its own for each of 6 cells"),
        (b"all", "rois: expected numbers"),
    ],
)
def test_cells_that_are_not_in_the_table(caiman, rows, message):
    put_rois(caiman, rows)
    with pytest.raises(CalabFormatError, match=message):
        read(caiman, cells="all")


@pytest.mark.parametrize("table", [None, "PlaneSegmentation", h5py.Reference(), "a data set"])
def test_cells_without_a_table(caiman, table):
    if table == "a data set":
        with h5py.File(caiman) as file:
            table = file[f"{TABLE}/id"].ref
            put = {"table": table}
        put_rois(caiman, np.arange(6), **put)
    else:
        put_rois(caiman, np.arange(6), table=table)
    with pytest.raises(CalabFormatError, match="rois: expected a reference to a table of cells"):
        read(caiman)


def test_series_that_names_no_cells(caiman):
    change(caiman, f"{TABLE}/id", None)
    with pytest.raises(MissingKeyError, match=r"PlaneSegmentation/id: not found"):
        read(caiman)
    change(caiman, f"{FIT}/rois", None)
    with pytest.raises(MissingKeyError, match=r"RoiResponseSeries/rois: not found"):
        read(caiman)
