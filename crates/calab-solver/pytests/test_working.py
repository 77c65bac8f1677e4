"""What stands below a trace: constant where a moving quantile would follow the activity."""

import numpy as np
import pytest
from calab_solver import noise_level, simulate_cells, solve_trace, working
from calab_solver.amplitudes import Kernels
from calab_solver.working import constant_is_better, separate

FS, RISE, DECAY, SNR = 30.0, 0.4, 1.8, 8.0
N_CELLS, N_FRAMES = 3, 12_000


@pytest.fixture(scope="module")
def dense():
    """Cells of a slow indicator that are hardly ever silent: a spike a second, and the spikes."""
    given = {"tau_rise": RISE, "tau_decay": DECAY, "p_spike_when_silent": 1 / (10 * FS)}
    cells = simulate_cells(N_CELLS, N_FRAMES, FS, seed=4, **given)
    noise = np.random.default_rng(4).standard_normal((N_CELLS, N_FRAMES)) / SNR
    return cells.clean_calcium.astype(float) + noise, cells.spikes.sum(axis=1)


def better(traces, moving, still):
    columns = np.full((2, len(traces)), [[RISE], [DECAY]])
    kernels = Kernels(FS, *columns, 10, None, None)
    return constant_is_better(traces, kernels, noise_level(traces, FS), moving, still)


@pytest.mark.parametrize("factor", [1, 10])
def test_dense_activity_above_a_constant_is_counted(dense, factor):
    traces, spikes = dense
    for trace, true in zip(traces, spikes, strict=True):
        found = solve_trace(trace, RISE, DECAY, FS, upsample_factor=factor)
        assert np.ptp(found.details.removed_baseline) == pytest.approx(0, abs=0.1)
        # The quantile of a window makes it 1.5 times as many.
        assert found.s_counts.sum() == pytest.approx(true, rel=0.1)
        assert found.details.scale_known


def test_threads_change_nothing(dense):
    # Both baselines are found side by side or one after the other, as are pairs of constants.
    traces, _ = dense
    found = [solve_trace(traces[0], RISE, DECAY, FS, n_threads=n) for n in (1, 2, 5)]
    for more in found[1:]:
        for name in ("reconvolution", "removed_baseline", "rate", "spike_times"):
            alone = getattr(found[0].details, name)
            assert getattr(more.details, name).tobytes() == alone.tobytes()


def test_restlessness_may_come_with_the_foot_alone(dense):
    # The quantile rests, so that the constant is not asked for before the foot is known.
    traces, _ = dense
    kernels = Kernels(FS, np.array([RISE]), np.array([DECAY]), 1, None, None)
    noise = np.atleast_1d(noise_level(traces[:1], FS))
    given = (traces[:1], kernels, noise, False, False)
    foretold, _ = separate(*given)
    assert np.ptp(foretold) < 0.1, "the constant is not what is asked for"
    with pytest.MonkeyPatch.context() as patch:
        asked = iter([False, True])
        patch.setattr(working, "_is_restless", lambda *_: next(asked))
        found, _ = separate(*given)
    assert found.tobytes() == foretold.tobytes()


def test_a_baseline_that_moves_stays_one(dense):
    traces, _ = dense
    drift = 4.0 * np.sin(np.arange(N_FRAMES) / 2000)
    below = np.broadcast_to(drift, traces.shape)
    assert better(traces, np.zeros(traces.shape) + 0.3 * drift, np.zeros(traces.shape)).all()
    assert not better(traces + drift, below, np.zeros(traces.shape)).any()
    found = solve_trace(traces[0] + drift, RISE, DECAY, FS, upsample_factor=2)
    assert np.corrcoef(found.details.removed_baseline, drift)[0, 1] > 0.95
