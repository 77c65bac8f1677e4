"""The AR(2) coefficients: order, formulas, refusals."""

import math

import numpy as np
import pytest
from calab_solver import build_kernel, tau_to_ar2


def test_roots_and_weights_follow_the_formulas():
    g1, g2, d, r = tau_to_ar2(0.02, 0.4, 30.0)
    assert d == pytest.approx(math.exp(-1 / (30 * 0.4)), rel=1e-15)
    assert r == pytest.approx(math.exp(-1 / (30 * 0.02)), rel=1e-15)
    assert (g1, g2) == (d + r, -d * r)


def test_recursion_gives_the_kernel():
    g1, g2, _, _ = tau_to_ar2(0.1, 0.6, 30.0)
    response = [0.0, 1.0]
    while len(response) < 200:
        response.append(g1 * response[-1] + g2 * response[-2])
    kernel = build_kernel(0.1, 0.6, 30.0)[:200]
    # The kernel is rounded to float32.
    np.testing.assert_allclose(np.array(response) / max(response), kernel, atol=1e-7)


@pytest.mark.parametrize(
    ("taus", "message"),
    [
        ((0.0, 0.4, 30.0), "tau_rise: expected a finite number above 0, got 0"),
        ((0.4, 0.4, 30.0), "tau_rise: expected less than tau_decay"),
        ((0.02, math.inf, 30.0), "tau_decay: expected a finite number above 0, got inf"),
        ((0.02, 0.4, math.nan), "fs: expected a finite number above 0, got NaN"),
    ],
)
def test_refuses_time_constants_that_make_no_kernel(taus, message):
    with pytest.raises(ValueError, match=message):
        tau_to_ar2(*taus)
