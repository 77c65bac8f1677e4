from __future__ import annotations

import numpy as np
from calab._score import correlate_rows, measure_kernel, smooth


def test_smoothing_one_spike_gives_the_gaussian() -> None:
    spike = np.zeros((1, 101))
    spike[0, 50] = 1
    smoothed = smooth(spike, 3.0)[0]
    gaussian = np.exp(-0.5 * ((np.arange(101) - 50) / 3.0) ** 2) / (3.0 * np.sqrt(2 * np.pi))
    # The window ends at four standard deviations, where the Gaussian has 6e-5 of its area left.
    np.testing.assert_allclose(smoothed, gaussian, atol=1e-4 * gaussian.max())


def test_smoothing_does_not_wrap_around() -> None:
    spike = np.zeros((1, 50))
    spike[0, 0] = 1
    assert np.abs(smooth(spike, 2.0)[0, 25:]).max() < 1e-15


def test_correlation_is_that_of_numpy_and_undefined_for_constants() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(3, 40)), rng.normal(size=(3, 40))
    a[2] = 1.0
    found = correlate_rows(a, b)
    expected = [np.corrcoef(a[i], b[i])[0, 1] for i in range(2)]
    # Same sums in another order.
    np.testing.assert_allclose(found[:2], expected, rtol=1e-12)
    assert np.isnan(found[2])


def test_measured_kernel_is_exact_without_noise() -> None:
    rng = np.random.default_rng(2)
    spikes = rng.poisson(0.1, (4, 2000)).astype(float)
    kernel = np.array([0.0, 1.0, 0.6, 0.3, 0.1])
    calcium = np.array([np.convolve(row, kernel)[:2000] for row in spikes])
    # Centring leaves an error of the order of one over the number of frames.
    np.testing.assert_allclose(measure_kernel(calcium + 3, spikes, 5), kernel, atol=5e-3)


def test_silent_cells_have_no_measurable_kernel() -> None:
    assert np.isnan(measure_kernel(np.zeros((2, 50)), np.zeros((2, 50)), 5)).all()
