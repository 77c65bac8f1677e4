import subprocess
import sys

import numpy as np
import pynapple as nap
import pytest
from calab_core import CaDeconDetails
from calab_io import Recording
from calab_io.writers.to_pynapple import PynappleData, to_pynapple
from layouts.results import cadecon, deconvolution

IDS = (7, 3, 12)


def recording_of(shape, ids, timestamps=None, trace="raw", fs=20.0, **known):
    return Recording(
        traces=np.zeros(shape),
        fs=fs,
        cell_ids=np.asarray(ids),
        timestamps=None if timestamps is None else np.asarray(timestamps, float),
        source="nowhere",
        format="npy",
        trace=trace,
        why="made up",
        provenance=known,
    )


def known(result, **changes):
    """Return a result with other details."""
    details = CaDeconDetails(**(vars(result.details) | changes))
    return type(result)(*result, details=details)


def test_spikes_are_of_cells_whose_scale_is_known():
    data = to_pynapple(cadecon(IDS))
    assert isinstance(data, PynappleData)
    spikes, activity, rate = data
    assert isinstance(spikes, nap.TsGroup)
    assert isinstance(activity, nap.TsdFrame)
    assert isinstance(rate, nap.TsdFrame)
    assert list(spikes.index) == [7]
    np.testing.assert_allclose(spikes[7].t, [0.0512])
    assert spikes["unit"].tolist() == ["spikes"]
    assert spikes["cell_id"].tolist() == [7]
    assert spikes["alphas"].tolist() == [1.5]
    assert spikes["tau_decay"].tolist() == [0.4]
    assert spikes["scale_known"].tolist() == [True]


def test_frames_of_activity_and_rate():
    result = cadecon(IDS)
    _, activity, rate = to_pynapple(result)
    np.testing.assert_array_equal(activity.d, result.activity.T)
    np.testing.assert_array_equal(rate.d, result.details.rate.T)
    for frame in (activity, rate):
        assert frame.d.dtype == np.float32
        np.testing.assert_allclose(frame.t, np.arange(6) / 20)
        assert frame.columns.tolist() == list(IDS)
        assert frame["noise"].tolist()[:2] == [0.1, 0.2]
    np.testing.assert_array_equal(activity.loc[3].d, result.activity[1])
    assert activity["unit"].tolist() == ["spikes", "arbitrary", "arbitrary"]
    assert rate["unit"].tolist() == ["spikes/s", "arbitrary/s", "arbitrary/s"]
    assert "cell_ids" not in activity.metadata


def test_everything_begins_where_the_recording_does():
    started = recording_of((3, 6), IDS, starting_time_s=5.0)
    spikes, activity, rate = to_pynapple(cadecon(IDS), recording=started)
    np.testing.assert_allclose(spikes[7].t, [5.0512])
    for frame in (activity, rate):
        np.testing.assert_allclose(frame.t, 5 + np.arange(6) / 20)
        np.testing.assert_allclose(frame.time_support.values, [[5, 5.3]])


def test_names_that_are_text_stand_beside_the_rows():
    result = known(cadecon(), units=np.array(["arbitrary", "spikes", "arbitrary"]))
    spikes, activity, _ = to_pynapple(result)
    assert list(spikes.index) == [1]
    assert spikes["cell_id"].tolist() == ["b"]
    assert activity.columns.tolist() == ["a", "b", "ç"]


def test_ids_in_any_order_keep_their_spikes():
    result = known(cadecon(IDS), units=np.full(3, "spikes"))
    spikes = to_pynapple(result).spikes
    # pynapple sorts by the index.
    assert list(spikes.index) == [3, 7, 12]
    for cell, times in zip(IDS, [[0.0512], [0.21, 0.21], []], strict=True):
        np.testing.assert_allclose(spikes[cell].t, times)
    assert spikes["cell_id"].tolist() == [3, 7, 12]
    assert spikes["alphas"].tolist()[:2] == [0.7, 1.5]


def test_time_support_is_the_recording():
    data = to_pynapple(cadecon(IDS))
    for one in data:
        np.testing.assert_allclose(one.time_support.values, [[0, 0.3]])
    np.testing.assert_allclose(data.spikes.rates, [1 / 0.3])


def test_spikes_after_the_last_frame_are_kept():
    late = (np.array([0.01, 0.34]), np.empty(0), np.empty(0))
    spikes = to_pynapple(known(cadecon(IDS), spike_times=late)).spikes
    np.testing.assert_allclose(spikes[7].t, [0.01, 0.34])
    np.testing.assert_allclose(spikes.time_support.values, [[0, 0.34]])


def test_spikes_before_the_first_frame_are_kept():
    early = (np.array([-0.02]), np.empty(0), np.empty(0))
    spikes = to_pynapple(known(cadecon(IDS), spike_times=early)).spikes
    np.testing.assert_allclose(spikes[7].t, [-0.02])
    np.testing.assert_allclose(spikes.time_support.values, [[-0.02, 0.3]])


def test_times_are_those_of_the_recording():
    # Frames 3 to 5 come after a gap of 1 s.
    stamps = 100 + np.array([0, 0.05, 0.1, 1.1, 1.15, 1.2])
    times = (np.array([0.0512, 0.12, 0.19]), np.empty(0), np.empty(0))
    result = known(cadecon(IDS), spike_times=times)
    data = to_pynapple(result, recording=recording_of((3, 6), IDS, stamps))
    np.testing.assert_allclose(data.activity.t, stamps)
    np.testing.assert_allclose(data.spikes[7].t, [100.0512, 100.12, 101.14])
    np.testing.assert_allclose(data.rate.time_support.values, [[100, 101.25]])


def test_spikes_stay_within_frames_that_are_short():
    # Frame 1 was taken 10 ms after frame 0, which else would last 50 ms.
    stamps = [0, 0.01, 0.06, 0.11, 0.16, 0.21]
    times = (np.array([0.008, 0.049, 0.05]), np.empty(0), np.empty(0))
    data = to_pynapple(
        known(cadecon(IDS), spike_times=times), recording=recording_of((3, 6), IDS, stamps)
    )
    np.testing.assert_allclose(data.spikes[7].t, [0.008, 0.01, 0.01])


def test_spikes_in_any_order():
    times = (np.array([0.34, 0.01, 0.2]), np.empty(0), np.empty(0))
    spikes = to_pynapple(known(cadecon(IDS), spike_times=times)).spikes
    np.testing.assert_allclose(spikes[7].t, [0.01, 0.2, 0.34])


def test_no_cell_of_known_scale():
    spikes = to_pynapple(known(cadecon(IDS), units=np.full(3, "arbitrary"))).spikes
    assert len(spikes) == 0


def test_result_without_details_has_counts_only():
    spikes, activity, rate = to_pynapple(cadecon(IDS, details=False), cell_ids=IDS)
    assert spikes is None
    assert rate is None
    assert activity["unit"].tolist() == ["arbitrary"] * 3
    assert activity["alphas"].tolist()[:2] == [1.5, 0.7]


@pytest.mark.parametrize("single", [False, True])
def test_deconvolution(single):
    result = deconvolution(single=single)
    spikes, activity, rate = to_pynapple(result, fs=10)
    assert spikes is None
    assert rate is None
    np.testing.assert_array_equal(activity.d, np.atleast_2d(result.activity).T)
    assert activity["unit"].tolist() == ["unit of the traces"] * (1 if single else 2)
    assert activity["lam"].tolist()[0] == 0.5
    np.testing.assert_allclose(activity.time_support.values, [[0, 0.5]])


def test_array_in_units_of_dff():
    recording = recording_of((2, 5), [4, 1], trace="dff")
    activity = to_pynapple(deconvolution(), recording=recording).activity
    assert activity["unit"].tolist() == ["dF/F", "dF/F"]
    plain = to_pynapple(np.ones((2, 1)), fs=10).activity
    assert plain["unit"].tolist() == ["arbitrary", "arbitrary"]
    np.testing.assert_allclose(plain.time_support.values, [[0, 0.1]])


@pytest.mark.parametrize(
    ("result", "options", "message"),
    [
        (np.ones((2, 5)), {}, "fs: the result does not say"),
        (np.ones((2, 0)), {"fs": 10}, "expected at least one frame, got none"),
        (
            np.ones((1, 3)),
            {"recording": recording_of((1, 3), [0], [0, 2, 1])},
            "timestamps: expected time stamps that increase",
        ),
    ],
)
def test_wrong_arguments(result, options, message):
    with pytest.raises(ValueError, match=message):
        to_pynapple(result, **options)


def test_pynapple_is_loaded_only_when_needed():
    program = (
        "import sys, calab_io as module\n"
        "assert 'pynapple' not in sys.modules and 'pynwb' not in sys.modules\n"
        "sys.modules['pynapple'] = None\n"
        "try:\n    module.to_pynapple([[1.0]], fs=1)\n"
        "except ImportError as err:\n    print(err)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "install calab with its extra 'pynapple'" in run.stdout, run.stderr
