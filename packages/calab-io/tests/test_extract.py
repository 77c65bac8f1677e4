import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from layouts.extract import write_extract
from layouts.matlab import write_mat

VERSIONS = pytest.mark.parametrize("version", ["5", "7.3"])
AGES = pytest.mark.parametrize("old", [False, True])
TRACES = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32).T


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.mat"


@VERSIONS
def test_new_output(path, version):
    recording = read(write_extract(path, version=version), fs=20)
    np.testing.assert_array_equal(recording.traces, TRACES)
    assert recording.traces.dtype == np.float32
    assert (recording.trace, recording.format) == ("raw", "extract")
    assert recording.why == (
        "output.temporal_weights, which is frames x cells: EXTRACT's robust estimate, not a fit"
    )
    assert recording.cell_ids.tolist() == [0, 1, 2, 3]
    assert recording.notes == ()
    assert recording.provenance == {
        "software": "EXTRACT",
        "version": "1.1.0",
        "key": "output.temporal_weights",
        "avg_cell_radius": 6.0,
    }


@VERSIONS
@pytest.mark.parametrize("turned", [False, True])
def test_the_filters_turn_old_output(path, version, turned):
    write_extract(path, old=True, version=version, traces=TRACES.T if turned else TRACES)
    recording = read(path, fs=20)
    np.testing.assert_array_equal(recording.traces, TRACES)
    assert ("which is frames x cells" in recording.why) == turned
    assert recording.provenance["key"] == "extractAnalysisOutput.traces"
    assert recording.provenance["version"] is None


@AGES
def test_rows_are_read_when_asked_for(path, old):
    traces = read(write_extract(path, old=old), fs=20).traces
    np.testing.assert_array_equal(traces[1], TRACES[1])
    np.testing.assert_array_equal(traces[[2, 0]], TRACES[[2, 0]])
    np.testing.assert_array_equal(traces[1:, 5:9], TRACES[1:, 5:9])


def test_no_rate(path):
    # Nor is it the time that the computation took.
    write_extract(path, old=True)
    with pytest.raises(CalabFormatError, match=r"not in it; give fs in Hz, which EXTRACT does not"):
        read(path)


@VERSIONS
@pytest.mark.parametrize("place", ["config", "info"])
def test_rate_that_the_user_put_there(path, version, place):
    assert read(write_extract(path, version=version, **{place: {"fs": 15.0}})).fs == 15


@AGES
def test_traces_of_other_cells(path, old):
    write_extract(path, old=old, **{"filters" if old else "spatial_weights": np.ones((5, 6, 7))})
    with pytest.raises(CalabFormatError, match=r"expected 7 cells as in .*; format='matlab' with"):
        read(path, fs=20)


def test_new_traces_that_are_turned(path):
    write_extract(path, temporal_weights=TRACES)
    np.testing.assert_array_equal(read(path, fs=20).traces, TRACES)


@VERSIONS
@pytest.mark.parametrize("footprints", [None, np.empty((0, 0))])
def test_new_traces_without_footprints(path, version, footprints):
    write_extract(path, version=version, spatial_weights=footprints)
    message = r"read as 4 cells x 30 frames, as the format has it; there is no output.spatial_weig"
    with pytest.warns(UserWarning, match=message):
        recording = read(path, fs=20)
    np.testing.assert_array_equal(recording.traces, TRACES)


def test_footprints_that_an_object_hides(path):
    write_extract(path, spatial_weights=np.zeros((1, 6), np.uint32))
    with h5py.File(path, "r+") as file:
        file["output/spatial_weights"].attrs["MATLAB_class"] = np.bytes_("ndSparse")
    with pytest.warns(UserWarning, match="there is no output.spatial_weights to check"):
        assert read(path, fs=20).traces.shape == (4, 30)


def test_as_many_frames_as_cells(path):
    square = TRACES[:, :4]
    np.testing.assert_array_equal(
        read(write_extract(path, temporal_weights=square), fs=20).traces, square.T
    )
    write_extract(path, old=True, traces=square)
    message = r"traces: nothing tells whether its rows are cells, got shape \(4, 4\); format='matla"
    with pytest.raises(CalabFormatError, match=message):
        read(path, fs=20)


def test_old_traces_without_footprints(path):
    write_extract(path, old=True, filters=np.empty((0, 0)))
    with pytest.raises(CalabFormatError, match="nothing tells whether its rows are cells"):
        read(path, fs=20)


@VERSIONS
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"trace_output_option": "nonneg"}, "EXTRACT cut off what is below 0"),
        ({"smooth_T": 1.0}, r"EXTRACT smoothed it \(smooth_T\)"),
    ],
)
def test_changes_to_the_noise_are_said(path, version, config, message):
    write_extract(path, version=version, config=config)
    with pytest.warns(UserWarning, match=rf"x.mat, output.temporal_weights: {message}"):
        read(path, fs=20)


@pytest.mark.parametrize("trace", ["dff", "denoised", "deconvolved"])
def test_another_trace(path, trace):
    message = rf"output.{trace}: not found \(there is output.temporal_weights\); .*trace='raw'"
    with pytest.raises(MissingKeyError, match=message):
        read(write_extract(path), trace=trace, fs=20)
    assert read(path, trace="raw", fs=20).trace == "raw"


@VERSIONS
def test_another_file(path, version):
    write_mat(path, {"output": {"traces": TRACES}}, version=version)
    assert read(path, fs=20).format == "matlab"
    message = r"output.temporal_weights: not found \(there is output\); save the output of EXTRACT"
    with pytest.raises(MissingKeyError, match=message):
        read(path, format="extract", fs=20)


def test_it_is_found_in_a_folder(path):
    write_extract(path)
    (path.parent / "notes.txt").write_text("x")
    (path.parent / "sub.mat").mkdir()
    assert read(path.parent, fs=20).source == path
