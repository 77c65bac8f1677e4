"""The kernel, its Lipschitz constant and the upsample factor."""

import numpy as np
import pytest
from calab_solver import build_kernel, compute_lipschitz, compute_upsample_factor


def test_kernel_has_the_documented_samples():
    kernel = build_kernel(0.02, 0.4, 30.0)
    assert (kernel.dtype, kernel.shape) == (np.float32, (166,))
    # The specification prints five digits.
    np.testing.assert_allclose(kernel[:4], [0, 0.90178, 1, 0.95221], atol=5e-6)


def test_kernel_refuses_more_samples_than_memory_should_hold():
    with pytest.raises(ValueError, match="tau_decay: expected a kernel of at most 1048576"):
        build_kernel(0.1, 1e6, 30.0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_lipschitz_of_any_real_dtype_and_memory_order(dtype):
    kernel = np.array([1, 9, 2, 9], dtype=dtype)[::2]
    kernel.flags.writeable = False
    assert compute_lipschitz(kernel) == 9.0


def test_lipschitz_agrees_with_the_transform_of_a_signed_kernel():
    kernel = np.random.default_rng(1).normal(size=37)
    expected = np.max(np.abs(np.fft.rfft(kernel, 128)) ** 2)
    # Two orders of summation.
    assert compute_lipschitz(kernel) == pytest.approx(expected, rel=1e-12)


def test_lipschitz_has_a_floor():
    assert compute_lipschitz(np.zeros(5)) == 1e-10


@pytest.mark.parametrize(
    ("kernel", "error", "message"),
    [
        ([], ValueError, "kernel: expected 1 to 1048576 samples, got 0"),
        ([1.0, np.nan], ValueError, "kernel: expected finite samples, got NaN at index 1"),
        ([[1.0]], ValueError, r"kernel: expected one axis, got shape \(1, 1\)"),
        (["a"], TypeError, "kernel: expected real numbers, got dtype"),
    ],
)
def test_lipschitz_refuses_what_is_no_kernel(kernel, error, message):
    with pytest.raises(error, match=message):
        compute_lipschitz(kernel)


def test_upsample_factor_rounds_halves_up():
    assert [compute_upsample_factor(fs, 300.0) for fs in (30.0, 120.0, 600.0, 1e9)] == [10, 3, 1, 1]


@pytest.mark.parametrize("rates", [(0.0, 300.0), (30.0, -1.0), (np.nan, 300.0), (30.0, np.inf)])
def test_upsample_factor_refuses_rates_that_are_none(rates):
    with pytest.raises(ValueError, match="expected a finite number above 0"):
        compute_upsample_factor(*rates)
