import h5py
import numpy as np
import pytest
from calab_io import CalabFormatError, MissingKeyError, read
from layouts.matlab import write_mat, write_matlab

VERSIONS = pytest.mark.parametrize("version", ["5", "7.3"])
TABLE = np.arange(24, dtype=np.float64).reshape(4, 6) / 3


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.mat"


@VERSIONS
def test_what_cascade_reads(path, version):
    recording = read(write_matlab(path, version=version))
    np.testing.assert_array_equal(recording.traces, np.arange(36).reshape(3, 12) / 7)
    assert recording.traces.dtype == np.float64
    assert (recording.fs, recording.trace, recording.format) == (7.5, "dff", "matlab")
    assert recording.why == "dF_traces, which is what CASCADE reads"
    assert recording.cell_ids.tolist() == [0, 1, 2]
    assert recording.provenance == {"key": "dF_traces", "mat_version": version}
    assert recording.notes == ()


@VERSIONS
def test_it_is_preferred_to_other_matrices(path, version):
    write_mat(path, {"a": TABLE[:2], "dF_traces": TABLE, "b": TABLE}, version=version)
    assert read(path, fs=5).provenance["key"] == "dF_traces"


@VERSIONS
def test_the_only_matrix(path, version):
    contents = {
        "s": {"traces": TABLE.astype("f4"), "Fs": 4.0, "mask": np.ones((3, 3), bool), "text": "x"},
        "time": np.arange(6.0)[None],
        "movie": np.zeros((2, 2, 3)),
    }
    recording = read(write_mat(path, contents, version=version))
    np.testing.assert_array_equal(recording.traces, TABLE.astype("f4"))
    assert recording.traces.dtype == np.float32
    assert (recording.fs, recording.trace) == (4.0, "raw")
    assert recording.why == "s.traces, the only matrix in the file"


@VERSIONS
def test_one_of_several_matrices_has_to_be_named(path, version):
    write_mat(path, {"a": TABLE, "b": {"c": TABLE.T}, "fr": 9.0}, version=version)
    message = r"expected one matrix, got 2: a \(4 x 6\), b.c \(6 x 4\); name one .* key='a'"
    with pytest.raises(CalabFormatError, match=message):
        read(path)
    recording = read(path, key="a", trace="denoised")
    np.testing.assert_array_equal(recording.traces, TABLE)
    assert (recording.why, recording.trace, recording.fs) == ("a, as asked", "denoised", 9)


def test_many_matrices_are_not_all_listed(path):
    write_mat(path, {f"a{at}": TABLE for at in range(12)}, version="5")
    with pytest.raises(CalabFormatError, match=r"got 12: a0 .*a9 \(4 x 6\), \.\.\.; name"):
        read(path)


@VERSIONS
def test_no_matrix(path, version):
    write_mat(path, {"text": "x", "time": np.arange(6.0)[None]}, version=version)
    message = r"dF_traces: not found \(there is text, time\); name the array .* key='dF_traces'"
    with pytest.raises(MissingKeyError, match=message):
        read(path, fs=5)
    # A vector that is named is one cell.
    np.testing.assert_array_equal(read(path, key="time", fs=5).traces, [np.arange(6)])


@VERSIONS
def test_nothing_at_the_key(path, version):
    write_mat(path, {"a": {"b": TABLE}}, version=version)
    with pytest.raises(MissingKeyError, match=r"a.c: not found \(there is a.b\)"):
        read(path, key="a.c")
    for key in ("", ".", "a.", "a..b"):
        with pytest.raises(MissingKeyError, match="not found"):
            read(path, key=key)
    with pytest.raises(CalabFormatError, match=r"x.mat, a: expected a matrix .* got struct; name"):
        read(path, key="a")


@VERSIONS
def test_rows_that_are_frames(path, version):
    write_mat(path, {"a": TABLE.T}, version=version)
    with pytest.warns(UserWarning, match=r"6 cells x 4 frames, .* its rows are frames, transpose"):
        recording = read(path, fs=5)
    np.testing.assert_array_equal(recording.traces, TABLE.T)
    np.testing.assert_array_equal(read(path, fs=5, transpose=True).traces, TABLE)


@VERSIONS
def test_transposing_the_wrong_way_is_noticed(path, version):
    write_mat(path, {"a": TABLE}, version=version)
    with pytest.warns(UserWarning, match="do not transpose"):
        assert read(path, fs=5, transpose=True).traces.shape == (6, 4)


@VERSIONS
@pytest.mark.parametrize("transpose", [False, True])
def test_rows_are_read_when_asked_for(path, version, transpose):
    write_mat(path, {"a": TABLE.T if transpose else TABLE}, version=version)
    traces = read(path, fs=5, transpose=transpose).traces
    np.testing.assert_array_equal(traces[1], TABLE[1])
    np.testing.assert_array_equal(traces[[2, 0]], TABLE[[2, 0]])
    np.testing.assert_array_equal(traces[1:, 2:4], TABLE[1:, 2:4])
    np.testing.assert_array_equal(
        read(path, fs=5, cells=[3, 1], transpose=transpose).traces[0], TABLE[3]
    )


@VERSIONS
@pytest.mark.parametrize(
    ("beside", "above", "fs"),
    [
        ({"Fs": 3.0}, {"fs": 4.0}, 3),
        ({}, {"fs": 4.0}, 4),
        ({}, {"frame_rate": np.int16(4)}, 4),
        ({}, {"ops": {"fs": 6.0}}, 6),
    ],
)
def test_rate_beside_the_traces_or_among_the_variables(path, version, beside, above, fs):
    write_mat(path, {"s": {"a": TABLE, **beside}, **above}, version=version)
    assert read(path).fs == fs


@VERSIONS
@pytest.mark.parametrize(
    ("rates", "said"), [({}, ""), ({"fs": np.nan}, ""), ({"fs": "4"}, "fs is there, but as text.*")]
)
def test_rate_that_is_not_there(path, version, rates, said):
    write_mat(path, {"a": TABLE, **rates}, version=version)
    with pytest.raises(CalabFormatError, match=rf"rate is not in it; {said}give fs in Hz, or save"):
        read(path)


@VERSIONS
def test_several_rates(path, version):
    write_mat(path, {"a": TABLE, "fs": 4.0, "Fs": 4.0}, version=version)
    assert read(path).fs == 4
    write_mat(path, {"a": TABLE, "fs": 4.0, "Fs": 5.0}, version=version)
    with pytest.raises(CalabFormatError, match=r"expected one sampling rate, got fs 4, Fs 5; give"):
        read(path)


@VERSIONS
@pytest.mark.parametrize("ids", [np.array([[7.0], [3], [5], [9]]), np.array([[7, 3, 5, 9]], "i2")])
def test_ids_and_times_beside_the_traces(path, version, ids):
    times = np.arange(6.0)[None] / 20
    struct = {"a": TABLE, "cell_ids": ids, "timestamps": times}
    recording = read(write_mat(path, {"s": struct, "cell_ids": np.ones((4, 1))}, version=version))
    assert recording.cell_ids.tolist() == [7, 3, 5, 9]
    assert recording.fs == pytest.approx(20)
    np.testing.assert_array_equal(recording.timestamps, times[0])


@VERSIONS
def test_ids_that_are_none(path, version):
    write_mat(path, {"a": TABLE, "fs": 4.0, "cell_ids": np.ones((1, 4)) / 2}, version=version)
    with pytest.raises(CalabFormatError, match="cell_ids: expected whole numbers or text, got flo"):
        read(path)


@VERSIONS
def test_fall_mat_of_suite2p(path, version):
    contents = {
        "F": TABLE.astype("f4"),
        "Fneu": TABLE.astype("f4"),
        "spks": TABLE.astype("f4") + 1,
        "iscell": np.ones((4, 2)),
        "ops": {"fs": 30.0, "meanImg": np.ones((3, 3))},
    }
    write_mat(path, contents, version=version)
    with pytest.raises(CalabFormatError, match=r"got 5: F .*name one of them, as in key='F'"):
        read(path)
    with pytest.warns(UserWarning, match="iscell|spks") as warned:
        recording = read(path, key="spks")
    assert "spks: named as what suite2p has already deconvolved" in str(warned[0].message)
    assert "iscell tells cells from other ROIs" in str(warned[1].message)
    assert (recording.fs, recording.trace) == (30, "deconvolved")
    np.testing.assert_array_equal(recording.traces, TABLE.astype("f4") + 1)


def test_what_matlab_did_not_write(path):
    write_matlab(path)
    with h5py.File(path, "r+") as file:
        file["mine"] = TABLE.T
    message = (
        "mine: not written by MATLAB; taken to have 4 rows and 6 columns, as MATLAB would show"
    )
    with pytest.warns(UserWarning, match=message):
        recording = read(path, key="mine")
    np.testing.assert_array_equal(recording.traces, TABLE)


@VERSIONS
def test_no_cells(path, version):
    write_mat(path, {"dF_traces": np.empty((0, 5)), "fs": 5.0}, version=version)
    with pytest.raises(CalabFormatError, match=r"x.mat: no cells; choose another"):
        read(path)


def test_a_file_that_was_moved_meanwhile(path):
    recording = read(write_matlab(path))
    path.unlink()
    with pytest.raises(FileNotFoundError, match="no such file"):
        recording.traces[0]


def test_a_file_that_was_damaged_meanwhile(path):
    recording = read(write_matlab(path))
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(CalabFormatError, match="cannot be read"):
        recording.traces[0]


def test_a_folder_that_is_named_as_a_file(tmp_path):
    folder = tmp_path / "x.mat"
    folder.mkdir()
    with pytest.raises(CalabFormatError, match="no recording is in this folder"):
        read(folder)
    with pytest.raises(CalabFormatError, match="no recording"):
        read(folder, format="matlab")


def test_options_of_other_formats(path):
    with pytest.raises(ValueError, match="plane: does not apply to matlab"):
        read(write_matlab(path), plane=0)
