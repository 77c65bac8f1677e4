"""dF/F against recordings whose baseline is known."""

import numpy as np
import pytest
from calab_core import dff

FS = 30.0


def raw(recording, n_cells=3, n_frames=9000, foot=200.0, gain=40.0, rate=0.005):
    """Fluorescence of a constant foot; one spike is 20 %."""
    return foot + gain * recording(n_cells, n_frames, rate=rate)


@pytest.mark.installed
@pytest.mark.parametrize("options", [{}, {"baseline": "constant"}], ids=["sliding", "constant"])
def test_baseline_is_at_zero_and_a_spike_at_its_height(recording, options):
    traces = raw(recording)
    found = dff(traces, FS, **options)
    assert (found.shape, found.dtype) == (traces.shape, np.float64)
    # The foot is found within a quarter of the noise (4 % of it): events are rare, not absent.
    foot = traces / (1 + found)
    np.testing.assert_allclose(foot, 200.0, atol=2.0 + 40.0 * 0.2 / 4)
    np.testing.assert_allclose(found, (traces - 200.0) / 200.0, atol=0.05)


def test_pure_noise_is_centred(recording):
    found = dff(raw(recording, rate=0.0), FS, baseline="constant", quantile=0.1)
    # Noise of 4 %; the quantile of 9000 frames is off by a few hundredths of that.
    assert np.all(np.abs(found.mean(axis=1)) < 0.004)


def test_sliding_baseline_follows_bleaching_and_a_constant_one_does_not(recording):
    fade = np.exp(-np.arange(9000) / 6000)
    traces = raw(recording, rate=0.0) * fade
    assert np.all(np.abs(dff(traces, FS, window_s=10.0).mean(axis=1)) < 0.01)
    assert np.all(dff(traces, FS, baseline="constant")[:, :900].mean(axis=1) > 0.5)


def test_gaps_stay_gaps_and_single_traces_stay_single(recording):
    trace = raw(recording)[0]
    trace[100:400] = np.nan
    for options in ({}, {"baseline": "constant"}):
        found = dff(trace, FS, **options)
        assert found.shape == trace.shape
        np.testing.assert_array_equal(np.isnan(found), np.isnan(trace))
    empty = np.full((1, 40), np.nan)
    assert np.isnan(dff(empty, FS)).all()
    assert np.isnan(dff(empty, FS, baseline="constant")).all()


@pytest.mark.parametrize("baseline", ["sliding", "constant"])
def test_segments_have_baselines_of_their_own(recording, baseline):
    first, second = raw(recording, foot=200.0), raw(recording, foot=900.0)
    joined = dff(np.hstack([first, second]), FS, baseline=baseline, segments=[9000])
    assert abs(np.median(joined[:, 9000:])) < 0.02
    assert abs(np.median(joined[:, :9000])) < 0.05


def test_neuropil_is_taken_off_with_its_weight(recording):
    traces = raw(recording)
    around = 100.0 + 30.0 * np.sin(np.arange(9000) / 50.0) + np.zeros_like(traces)
    found = dff(traces + 0.6 * around, FS, neuropil=around, neuropil_weight=0.6)
    np.testing.assert_allclose(found, dff(traces, FS), rtol=1e-9, atol=1e-9)


def test_the_unit_of_the_fluorescence_does_not_matter(recording):
    traces = raw(recording)
    np.testing.assert_allclose(dff(4.0 * traces, FS), dff(traces, FS), rtol=1e-9, atol=1e-12)


def test_a_baseline_that_is_not_above_zero_names_the_cell(recording):
    traces = raw(recording)
    traces[1] -= 230.0
    for options in ({}, {"baseline": "constant"}):
        with pytest.raises(ValueError, match=r"^traces: expected a baseline above 0, .* of cell 1"):
            dff(traces, FS, **options)
    with pytest.raises(ValueError, match=r"as the lowest; dF/F needs raw fluorescence"):
        dff(np.zeros(50), FS)


REFUSED = {
    "fs": ({"fs": 0.0}, ValueError, "fs: expected a finite number above 0, got 0.0"),
    "window": ({"window_s": np.inf}, ValueError, "window_s: expected a finite number above 0"),
    "short window": ({"window_s": 1e-9}, ValueError, "window_s: expected 1 frame to 2"),
    "long window": ({"window_s": 1e9}, ValueError, "window_s: expected 1 frame to 2"),
    "baseline": ({"baseline": "median"}, ValueError, "baseline: expected 'sliding' or 'constant'"),
    "quantile": ({"quantile": 1.0}, ValueError, "quantile: expected a number between 0 and 1"),
    "quantile of the window": ({"quantile": 0.1}, ValueError, "expected 0.2 with baseline='slid"),
    "neuropil": ({"neuropil": np.ones((1, 9))}, ValueError, "neuropil: expected shape"),
    "weight": ({"neuropil_weight": -1}, ValueError, "neuropil_weight: expected a finite number"),
    "segments": ({"segments": [9]}, ValueError, "segments: expected start frames inside"),
    "segments, constant": (
        {"segments": [5, 5], "baseline": "constant"},
        ValueError,
        "segments: expected ascending",
    ),
    "on_nan": ({"on_nan": "drop"}, ValueError, "on_nan: expected 'mask' or 'raise'"),
    "text": ({"traces": "abc"}, TypeError, "traces: expected real numbers"),
}


@pytest.mark.parametrize(("changes", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_with_one_clear_message(changes, error, message):
    arguments = {"traces": np.ones((2, 9)), "fs": FS} | changes
    with pytest.raises(error, match=message):
        dff(arguments.pop("traces"), arguments.pop("fs"), **arguments)


def test_nan_is_refused_where_asked():
    traces = np.ones((2, 9))
    traces[1, 3] = np.nan
    with pytest.raises(ValueError, match=r"traces: expected finite values, got nan at cell 1"):
        dff(traces, FS, on_nan="raise")
    with pytest.raises(ValueError, match=r"neuropil: expected finite values, got nan"):
        dff(np.ones((2, 9)), FS, neuropil=traces, on_nan="raise")
