"""What all functions ask of scalars, segments and types, with the argument's name."""

import re

import numpy as np
import pytest
from calab_solver import (
    bandpass_filter,
    build_kernel,
    compute_upsample_factor,
    deconvolve,
    noise_level,
    rolling_baseline,
    simulate_cells,
    tau_to_ar2,
)

TRACE = np.linspace(0.0, 1.0, 40)
KERNEL = {"tau_rise": 0.1, "tau_decay": 0.6, "fs": 20.0}
CALLS = [
    (build_kernel, KERNEL),
    (tau_to_ar2, KERNEL),
    (compute_upsample_factor, {"fs": 30.0, "target_fs": 300.0}),
    (lambda **given: bandpass_filter(TRACE, **given), KERNEL),
    (lambda **given: noise_level(TRACE, **given), {"fs": 20.0}),
    (lambda **given: rolling_baseline(TRACE, **given), {"fs": 20.0, "tau_decay": 0.6}),
]


@pytest.mark.parametrize(("call", "given"), CALLS)
@pytest.mark.parametrize("wrong", ["1", None, True, [0.1], np.ones(2)])
def test_scalars_are_numbers(call, given, wrong):
    for name in given:
        with pytest.raises(TypeError, match=f"^{name}: expected a number"):
            call(**{**given, name: wrong})


@pytest.mark.parametrize(
    ("segments", "error", "message"),
    [
        (5, TypeError, "expected a sequence of whole numbers, got 5"),
        ((start for start in [0, 9]), TypeError, "expected a sequence of whole numbers"),
        (np.array(3), TypeError, "expected a sequence of whole numbers"),
        ([[0], [1, 2]], ValueError, "expected one axis"),
        ([0, 2**70], ValueError, "expected start frames below 2**63"),
        ([0.0, 9.0], TypeError, "expected whole numbers, got dtype float64"),
        (["a"], TypeError, "expected whole numbers"),
    ],
)
def test_segments_are_start_frames(segments, error, message):
    with pytest.raises(error, match=f"^segments: {re.escape(message)}"):
        noise_level(TRACE, 20.0, segments=segments)


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32")])
def test_types_are_accepted_as_names_and_as_types(dtype):
    found = deconvolve(TRACE, 20.0, 0.1, 0.6, 0.1, dtype=dtype)
    assert found.activity.dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "error"),
    [(np.int32, ValueError), ("f4", ValueError), (None, TypeError), (float, TypeError)],
)
def test_other_types_are_refused(dtype, error):
    with pytest.raises(error, match="dtype: expected 'float64' or 'float32', got"):
        deconvolve(TRACE, 20.0, 0.1, 0.6, 0.1, dtype=dtype)


@pytest.mark.parametrize("tol", [0.0, 1.0, -1e-6, np.nan, np.inf])
def test_tolerance_lies_between_0_and_1(tol):
    with pytest.raises(ValueError, match="tol: expected a number between 0 and 1"):
        deconvolve(TRACE, 20.0, 0.1, 0.6, 0.1, tol=tol)


@pytest.mark.parametrize(
    ("n_threads", "error"), [(0, ValueError), (True, TypeError), (1.5, TypeError)]
)
def test_simulation_counts_its_threads(n_threads, error):
    with pytest.raises(error, match="n_threads: expected"):
        simulate_cells(1, 10, 20.0, tau_rise=0.1, tau_decay=0.6, n_threads=n_threads)


def test_place_names_the_cell_only_where_there_are_cells():
    bad = TRACE.copy()
    bad[3] = np.inf
    with pytest.raises(ValueError, match="got inf at frame 3"):
        noise_level(bad, 20.0)
    with pytest.raises(ValueError, match="got inf at cell 0, frame 3"):
        noise_level(bad[None], 20.0)


def test_filter_sees_no_sample_under_a_mask():
    hidden = np.ma.masked_array(np.where(TRACE > 0.5, 1e6, TRACE), TRACE > 0.5)
    expected = bandpass_filter(hidden.filled(np.nan), **KERNEL)
    np.testing.assert_array_equal(bandpass_filter(hidden, **KERNEL), expected)
