"""The noise level: calibration, invariances, gaps, shapes."""

import numpy as np
import pytest
from calab_solver import build_kernel, noise_level


def test_finds_the_standard_deviation_of_each_cell():
    sigma = np.array([0.1, 1.0, 25.0])
    traces = np.random.default_rng(5).normal(size=(3, 27_000)) * sigma[:, None] + 1e3
    # 210 windows of about 33 independent squares: 1 % of scatter; three of those.
    np.testing.assert_allclose(noise_level(traces, 30.0), sigma, rtol=0.03)


def test_calcium_does_not_count():
    rng = np.random.default_rng(6)
    spikes = rng.poisson(0.02, 27_000)
    calcium = np.convolve(spikes, build_kernel(0.1, 0.6, 30.0))[:27_000]
    # A kernel of 0.1 s leaves a little power above fs/4.
    assert noise_level(calcium + 0.2 * rng.normal(size=27_000), 30.0) == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize("every", [5, 12, 50, 200])
def test_gaps_leave_it_calibrated(every):
    trace = np.random.default_rng(7).normal(size=50_000)
    trace[::every] = np.nan
    # The fewest squares are left for windows of 8 frames; still within 3 %.
    assert noise_level(trace, 30.0) == pytest.approx(1.0, rel=0.03)


def test_scales_with_the_data_and_not_with_copies():
    trace = np.random.default_rng(8).normal(size=1800).astype(np.float32)
    noise = noise_level(trace, 30.0)
    assert noise_level(2.0**-20 * trace, 30.0) == 2.0**-20 * noise
    assert noise_level(np.tile(trace, 5), 30.0, segments=range(0, 9000, 1800)) == noise


def test_one_trace_gives_a_number_and_a_stack_an_array():
    assert isinstance(noise_level(np.ones(100), 30.0), float)
    assert noise_level(np.ones((1, 100)), 30.0).shape == (1,)
    assert noise_level(np.ones((4, 1)), 30.0).tolist() == [0.0] * 4


def test_accepts_read_only_columns_without_changing_them():
    traces = np.asfortranarray(np.random.default_rng(9).normal(size=(2, 300)))
    traces.flags.writeable = False
    np.testing.assert_array_equal(noise_level(traces, 30.0), noise_level(traces.copy("C"), 30.0))


def test_refuses_a_rate_that_is_none():
    with pytest.raises(ValueError, match="fs: expected a finite number above 0, got 0"):
        noise_level(np.ones((0, 5)), 0.0)


def test_a_row_without_samples_has_no_known_noise():
    traces = np.stack([np.full(100, np.nan), np.tile([1.0, 2.0], 50)])
    noise = noise_level(traces, 30.0)
    assert np.isnan(noise).tolist() == [True, False]
    assert np.isnan(noise_level([], 30.0))
