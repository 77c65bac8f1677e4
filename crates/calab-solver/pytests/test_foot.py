"""What stands below active cells: constants, borders, gaps, and what is refused."""

import numpy as np
import pytest
from calab_solver import find_foot, simulate_cells

FS, RISE, DECAY, NOISE = 30.0, 0.05, 0.6, 0.125
GIVEN = (FS, NOISE, RISE, DECAY)


@pytest.fixture(scope="module")
def busy():
    """One spike a second: the traces hardly ever return to 0."""
    cells = simulate_cells(
        3, 3000, FS, tau_rise=RISE, tau_decay=DECAY, p_spike_when_silent=1 / 300, seed=4
    )
    noise = NOISE * np.random.default_rng(0).standard_normal((3, 3000))
    return cells.clean_calcium.astype(float) + noise


@pytest.mark.installed
@pytest.mark.parametrize("offset", [0.0, 0.7, -0.5, 40.0])
def test_the_constant_below_busy_cells_is_found(busy, offset):
    foot = find_foot(busy + offset, *GIVEN, upsample_factor=2, window=None)
    assert foot.shape == busy.shape
    assert not np.ptp(foot, axis=1).any()
    np.testing.assert_allclose(foot[:, 0], offset, atol=NOISE)


def test_the_median_follows_what_is_slow():
    # Cells that are often silent: what is slow in busy ones may as well be activity.
    cells = simulate_cells(
        3, 3000, FS, tau_rise=RISE, tau_decay=DECAY, p_spike_when_silent=1 / 6000, seed=4
    ).clean_calcium.astype(float)
    cells += NOISE * np.random.default_rng(0).standard_normal((3, 3000))
    # Small enough that holding it up by events would cost more than it explains: what is larger is
    # for the quantile that is taken off before.
    slow = 0.1 * np.sin(2 * np.pi * np.arange(3000) / 3000)
    foot = find_foot(cells + slow, *GIVEN, upsample_factor=2, window=15.0)
    # A constant would leave 0.064 on average.
    assert np.abs(foot - slow)[:, 300:-300].mean() < 0.055
    without = find_foot(cells, *GIVEN, upsample_factor=2, window=15.0)
    assert np.abs(without).max() < 1.5 * NOISE


def test_every_segment_has_its_own(busy):
    joined = np.concatenate([busy + 0.5, busy - 0.3], axis=1)
    foot = find_foot(joined, *GIVEN, segments=[3000], window=None)
    for half, offset in ((foot[:, :3000], 0.5), (foot[:, 3000:], -0.3)):
        assert not np.ptp(half, axis=1).any()
        np.testing.assert_allclose(half[:, 0], offset, atol=NOISE)
    np.testing.assert_array_equal(foot[:, :3000], find_foot(busy + 0.5, *GIVEN, window=None))


def test_frames_that_were_not_recorded_take_the_foot_beside_them(busy):
    traces = busy + 0.5
    traces[:, 500:900] = np.nan
    traces[0] = np.nan
    foot = find_foot(traces, *GIVEN, upsample_factor=2)
    assert not foot[0].any()
    np.testing.assert_allclose(foot[1:], 0.5, atol=1.5 * NOISE)


def test_threads_and_units_change_nothing(busy):
    alone = find_foot(busy, *GIVEN, n_threads=1)
    assert find_foot(busy, *GIVEN, n_threads=3).tobytes() == alone.tobytes()
    scaled = find_foot(1024 * busy, FS, 1024 * NOISE, RISE, DECAY)
    np.testing.assert_allclose(scaled, 1024 * alone, rtol=1e-9)


def test_traces_without_noise():
    np.testing.assert_array_equal(find_foot(np.full((1, 50), 3.0), FS, 0.1, RISE, DECAY), 3.0)
    np.testing.assert_array_equal(find_foot(np.zeros((2, 50)), FS, 0.0, RISE, DECAY), 0.0)


@pytest.mark.parametrize("shape", [(0, 50), (3, 0), (2, 1)])
def test_empty_batches_have_empty_answers(shape):
    assert find_foot(np.zeros(shape), *GIVEN).shape == shape


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"window": 0.0}, ValueError, "window: expected a finite number above 0, got 0"),
        ({"window": np.nan}, ValueError, "window: expected a finite number above 0, got nan"),
        ({"window": "long"}, TypeError, "window: expected a number"),
        ({"segments": [50]}, ValueError, "segments: expected"),
        ({"detection": 0.0}, ValueError, "detection: expected a finite number above 0"),
        ({"rounds": 0}, ValueError, "rounds: expected at least 1"),
        ({"noise": -1.0}, ValueError, "noise: expected a finite number, at least 0"),
        ({"traces": np.full((2, 50), np.inf)}, ValueError, "traces: expected finite values or NaN"),
    ],
)
def test_bad_input_is_named(changes, error, message):
    given = {"traces": np.ones((2, 50)), "fs": FS, "noise": 0.1}
    given |= {"tau_rise": RISE, "tau_decay": DECAY} | changes
    with pytest.raises(error, match=f"^{message}"):
        find_foot(**given)


def test_ctrl_c_stops_the_search(busy, answer_to_ctrl_c):
    traces = np.tile(busy, (200, 4))
    # Promised: a twentieth of a second; the rest is for a machine that is busy.
    assert answer_to_ctrl_c(lambda: find_foot(traces, *GIVEN, upsample_factor=10)) < 1.0
