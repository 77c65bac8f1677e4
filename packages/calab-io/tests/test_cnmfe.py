import h5py
import numpy as np
import pytest
import scipy.sparse
from calab_io import CalabFormatError, MissingKeyError, read
from layouts.cnmfe import ciatah, neuron, write_cnmfe
from layouts.matlab import write_mat

VERSIONS = pytest.mark.parametrize("version", ["5", "7.3"])
LAYOUTS = pytest.mark.parametrize("layout", ["neuron", "ciatah"])
FIELDS = {"neuron": neuron(4, 30), "ciatah": ciatah(4, 30)}
RAW = {"neuron": "C_raw", "ciatah": "extractedSignalsEst"}
FIT = {"neuron": "C", "ciatah": "extractedSignals"}
SPIKES = {"neuron": "S", "ciatah": "extractedPeaks"}
STRUCT = {"neuron": "neuron", "ciatah": "cnmfeAnalysisOutput"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.mat"


@VERSIONS
@LAYOUTS
def test_raw_traces(path, version, layout):
    recording = read(write_cnmfe(path, layout=layout, version=version))
    np.testing.assert_array_equal(recording.traces, FIELDS[layout][RAW[layout]])
    assert recording.trace == "raw"
    assert recording.format == "cnmfe"
    assert recording.fs == {"neuron": 10, "ciatah": 20}[layout]
    assert recording.cell_ids.tolist() == {"neuron": [2, 4, 6, 8], "ciatah": [0, 1, 2, 3]}[layout]
    assert recording.why == f"{STRUCT[layout]}.{RAW[layout]}: the demixed trace with its noise"
    assert recording.notes == ()
    assert recording.provenance == {
        "software": "CNMF-E",
        "key": f"{STRUCT[layout]}.{RAW[layout]}",
        "components": 4,
    }


@VERSIONS
@LAYOUTS
@pytest.mark.parametrize(
    ("trace", "fields"), [("raw", RAW), ("denoised", FIT), ("deconvolved", SPIKES)]
)
def test_another_trace(path, version, layout, trace, fields):
    recording = read(write_cnmfe(path, layout=layout, version=version), trace=trace)
    np.testing.assert_array_equal(recording.traces, FIELDS[layout][fields[layout]])
    assert recording.trace == trace
    assert recording.why == f"{STRUCT[layout]}.{fields[layout]}, as asked"


def test_rows_are_read_when_asked_for(path):
    traces = read(write_cnmfe(path)).traces
    whole = FIELDS["neuron"]["C_raw"]
    np.testing.assert_array_equal(traces[1], whole[1])
    np.testing.assert_array_equal(traces[[2, 0]], whole[[2, 0]])
    np.testing.assert_array_equal(traces[1:, 5:9], whole[1:, 5:9])


@VERSIONS
@LAYOUTS
@pytest.mark.parametrize("raw", [None, np.empty((0, 0))])
def test_without_raw_traces_the_fit_is_read_with_a_warning(path, version, layout, raw):
    write_cnmfe(path, layout=layout, version=version, **{RAW[layout]: raw})
    with pytest.warns(UserWarning, match=f"no .*{RAW[layout]}: read .*denoised fit, whose noise"):
        recording = read(path)
    assert recording.trace == "denoised"
    np.testing.assert_array_equal(recording.traces, FIELDS[layout][FIT[layout]])
    with pytest.raises(MissingKeyError, match=f"{RAW[layout]}: .*trace= one of denoised, decon"):
        read(path, trace="raw")


def test_no_trace_at_all(path):
    write_cnmfe(path, C=np.empty((0, 0)), C_raw=None, S=None)
    with pytest.raises(MissingKeyError, match=r"neuron.S: not found; name another file"):
        read(path, trace="deconvolved")
    with pytest.raises(MissingKeyError, match=r"neuron.dff: not found"):
        read(write_cnmfe(path), trace="dff")


@VERSIONS
def test_fields_at_the_top(path, version):
    fields = FIELDS["neuron"]
    write_mat(path, {"C": fields["C"], "C_raw": fields["C_raw"], "fr": 8.0}, version=version)
    with pytest.warns(UserWarning, match=r"C_raw: read as 4 cells x 30 frames, .* no A to check"):
        recording = read(path)
    np.testing.assert_array_equal(recording.traces, fields["C_raw"])
    assert (recording.format, recording.fs) == ("cnmfe", 8)


@VERSIONS
@pytest.mark.parametrize("name", ["P", "options", "inputOptions"])
def test_rate_in_settings(path, version, name):
    write_cnmfe(path, version=version, Fs=np.nan, **{name: {"Fs": 12.0}})
    assert read(path).fs == 12


def test_rate_among_the_variables(path):
    write_mat(path, {"neuron": {**FIELDS["neuron"], "Fs": np.nan}, "Fs": 13.0})
    assert read(path).fs == 13


def test_no_rate(path):
    write_cnmfe(path, layout="ciatah", inputOptions=None)
    with pytest.raises(CalabFormatError, match="the frame rate is not in it; give fs in Hz"):
        read(path)
    assert read(path, fs=5).fs == 5


@pytest.mark.parametrize("ids", [None, np.empty((0, 0))])
def test_without_ids_rows_are_counted(path, ids):
    recording = read(write_cnmfe(path, ids=ids))
    assert recording.cell_ids.tolist() == [0, 1, 2, 3]
    assert recording.notes == ()


@pytest.mark.parametrize("ids", [[1.0, 2, 3], [1.0, 2, 3, 3], [1.0, 2, 3, 4, 4], [1, 2, 3, 4.5]])
def test_ids_that_name_no_cells(path, ids):
    write_cnmfe(path, ids=np.array([ids]))
    with pytest.warns(UserWarning, match=r"neuron.ids: expected a number for each of 4 cells"):
        assert read(path).cell_ids.tolist() == [0, 1, 2, 3]


@VERSIONS
@LAYOUTS
def test_footprints_tell_which_axis_has_the_cells(path, version, layout):
    turned = FIELDS[layout][RAW[layout]].T
    write_cnmfe(path, layout=layout, version=version, **{RAW[layout]: turned})
    np.testing.assert_array_equal(read(path).traces, turned.T)


@VERSIONS
def test_one_cell(path, version):
    write_cnmfe(path, layout="ciatah", version=version, n_cells=1)
    assert read(path).traces.shape == (1, 30)
    # MATLAB leaves out an axis of one.
    write_cnmfe(path, layout="ciatah", n_cells=1, extractedImages=np.ones((5, 30)))
    assert read(path).traces.shape == (1, 30)


@pytest.mark.parametrize(
    "footprints", [np.ones((25, 7)), scipy.sparse.csc_matrix(np.ones((25, 7)))]
)
@VERSIONS
def test_traces_of_other_cells(path, version, footprints):
    write_cnmfe(path, version=version, A=footprints)
    message = r"neuron.C_raw: expected 7 cells as in neuron.A, got shape \(4, 30\); format='matlab'"
    with pytest.raises(CalabFormatError, match=message):
        read(path)
    assert read(path, format="matlab", key="neuron.C_raw").traces.shape == (4, 30)


@VERSIONS
def test_sparse_traces(path, version):
    write_cnmfe(path, version=version, S=scipy.sparse.csc_matrix(FIELDS["neuron"]["S"]))
    with pytest.raises(CalabFormatError, match=r"got sparse; save it as full\(neuron.S\)"):
        read(path, trace="deconvolved")


def test_an_object_of_the_class(path):
    write_mat(path, {"neuron": np.zeros((1, 6), np.uint32)})
    with h5py.File(path, "r+") as file:
        file["neuron"].attrs["MATLAB_class"] = np.bytes_("Sources2D")
    message = (
        "x.mat, neuron: expected a struct, got an object of class Sources2D, which only MATLAB "
        r"reads; in MATLAB: neuron = struct\(neuron\); save\('x.mat', 'neuron', '-v7.3'\)"
    )
    with pytest.raises(CalabFormatError, match=message):
        read(path)


@VERSIONS
def test_another_file(path, version):
    write_mat(path, {"x": {"C": 1.0}, "y": 2.0}, version=version)
    message = r"neuron.C_raw: not found \(there is x, y\); save neuron as a struct"
    with pytest.raises(MissingKeyError, match=message):
        read(path, format="cnmfe")


def test_it_is_found_in_a_folder(path):
    write_cnmfe(path)
    (path.parent / "notes.txt").write_text("x")
    (path.parent / "sub.mat").mkdir()
    assert read(path.parent).source == path
