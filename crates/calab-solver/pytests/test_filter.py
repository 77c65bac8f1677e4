"""The band-pass filter: gain, ends, gaps, segments, shapes."""

import numpy as np
import pytest
from calab_solver import bandpass_filter

TAUS = (0.1, 0.6, 30.0)


def test_agrees_with_the_circular_filter_far_from_the_ends():
    trace = np.random.default_rng(10).normal(size=30_000)
    f = np.fft.rfftfreq(trace.size, 1 / 30.0)
    f_hp, f_lp = 1 / (2 * np.pi * 16 * 0.6), 4 / (2 * np.pi * 0.1)
    taper = [np.pi * np.clip((f - 0.5 * edge) / edge, 0, 1) for edge in (f_hp, f_lp)]
    gain = 0.25 * (1 - np.cos(taper[0])) * (1 + np.cos(taper[1]))
    circular = np.fft.irfft(np.fft.rfft(trace) * gain, trace.size)
    inside = slice(10_000, 20_000)
    # What reaches that far over the ends is the tail of the high-pass response.
    np.testing.assert_allclose(bandpass_filter(trace, *TAUS)[inside], circular[inside], atol=1e-4)


def test_does_not_wrap_around():
    trace = np.zeros(27_000)
    trace[-10:] = 100.0
    assert np.abs(bandpass_filter(trace, *TAUS)[:1000]).max() < 1e-3


def test_taper_is_not_moved_to_half_the_sampling_rate():
    # The low-pass edge is 31.8 Hz and its taper begins at 15.9 Hz: everything passes.
    alternating = np.resize([1.0, -1.0], 1001)
    np.testing.assert_allclose(
        bandpass_filter(alternating, 0.02, 0.4, 30.0), alternating, atol=1e-9
    )


def test_each_segment_is_filtered_by_itself():
    trace = np.random.default_rng(11).normal(size=700)
    joined = bandpass_filter(np.concatenate([trace, trace + 50.0]), *TAUS, segments=[0, 700])
    alone = bandpass_filter(trace, *TAUS)
    np.testing.assert_array_equal(joined[:700], alone)
    # The offset is removed up to rounding of values of 50.
    np.testing.assert_allclose(joined[700:], alone, atol=1e-11)


def test_gaps_come_back_where_they_were():
    trace = np.random.default_rng(12).normal(size=(2, 400))
    trace[0, 100:120] = np.nan
    trace[1] = np.nan
    np.testing.assert_array_equal(np.isnan(bandpass_filter(trace, *TAUS)), np.isnan(trace))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 50), (7,), (2, 7)])
def test_short_traces_are_copied(shape):
    trace = np.ones(shape)
    filtered = bandpass_filter(trace, *TAUS)
    np.testing.assert_array_equal(filtered, trace)
    assert filtered.dtype == np.float64
    assert not np.shares_memory(filtered, trace)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_any_dtype_and_memory_order_gives_the_same(dtype):
    trace = (1000 * np.random.default_rng(13).normal(size=(3, 200))).astype(dtype)
    expected = bandpass_filter(trace.astype(float), *TAUS)
    for view in (np.asfortranarray(trace), np.repeat(trace, 2, axis=1)[:, ::2]):
        view.flags.writeable = False
        np.testing.assert_array_equal(bandpass_filter(view, *TAUS), expected)


def test_either_edge_may_be_left_out():
    trace = 5.0 + np.random.default_rng(14).normal(size=900)
    np.testing.assert_allclose(
        bandpass_filter(trace, *TAUS, high_pass=False, low_pass=False), trace, atol=1e-12
    )
    low = bandpass_filter(trace, *TAUS, high_pass=False)
    # The mirrored trace keeps its mean, the trace itself nearly.
    assert low.mean() == pytest.approx(trace.mean(), abs=0.05)
    assert low.std() < 0.9 * trace.std()
    high = bandpass_filter(trace, *TAUS, low_pass=False)
    # The mirrored trace keeps its mean of 0, the trace itself nearly.
    assert abs(high.mean()) < 0.05
    # One after the other they are the band, but for the borders, where each has its own mirror.
    both = bandpass_filter(high, *TAUS, high_pass=False)
    np.testing.assert_allclose(both, bandpass_filter(trace, *TAUS), atol=0.01)


def test_refuses_with_a_reason():
    with pytest.raises(
        ValueError, match="trace: expected finite values or NaN, got inf at frame 2"
    ):
        bandpass_filter([0.0, 1.0, np.inf], *TAUS)
    with pytest.raises(ValueError, match="tau_rise: expected less than tau_decay"):
        bandpass_filter(np.ones(100), 0.6, 0.1, 30.0)
