"""Traces that a ceiling cuts."""

import numpy as np
import pytest
from calab_solver.clipping import is_clipped, longest_run


def test_runs():
    assert longest_run(np.array([1, 0, 1, 1, 1], bool)) == 3
    assert longest_run(np.zeros(0, bool)) == 0


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        ([0, 1, 3, 3, 3, 1], True),
        ([0, 1, 3, 3, np.nan, 3, 1], False),
        ([0, 3, 3, 1, 3, 3], False),
        ([2, 2, 2, 2], False),
        ([np.nan, np.nan], False),
        ([], False),
    ],
)
def test_a_ceiling_is_three_frames_at_the_maximum_of_what_varies(trace, expected):
    assert is_clipped(np.array(trace, dtype=float)) is expected
