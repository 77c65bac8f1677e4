"""The search for a kernel, on objectives whose least point is known."""

import math

import numpy as np
import pytest
from calab_core.cadecon.kernel import (
    DECAYS,
    LEAST_RATIO,
    RISES,
    SEED_DECAYS,
    SEED_RISES,
    Kernel,
    Step,
    change,
    grid_search,
    refine,
    sample,
)
from calab_solver import build_kernel


def quadratic(rise, decay, curvature=((3.0, 1.0), (1.0, 2.0))):
    """An objective with its least point at a kernel; axes are not its own."""
    centre, matrix = np.log([rise, decay]), np.array(curvature)

    def score(logs):
        return np.einsum("ki,ij,kj->k", logs - centre, matrix, logs - centre) + 5.0

    return score


def never(logs):
    raise AssertionError(f"an objective with one lowest point was judged otherwise: {logs}")


def searched(score, step, iterations):
    for _ in range(iterations):
        step = refine(step, score)
    return step


@pytest.mark.parametrize(("rise", "decay"), [(0.05, 0.4), (0.004, 0.15), (0.3, 2.2)])
def test_the_least_point_of_a_quadratic_is_found(rise, decay):
    score = quadratic(rise, decay)
    step = searched(score, grid_search(score, never), 8)
    assert step.kernel.tau_rise == pytest.approx(rise, rel=1e-3)
    assert step.kernel.tau_decay == pytest.approx(decay, rel=1e-3)
    assert step.objective == pytest.approx(5.0, abs=1e-5)


def test_a_quadratic_within_a_step_takes_one_iteration():
    score = quadratic(0.05, 0.4)
    near = Kernel(0.05 * math.exp(0.2), 0.4 * math.exp(-0.15))
    step = refine(Step(near), score)
    assert step.kernel.tau_rise == pytest.approx(0.05, rel=1e-5)
    assert step.kernel.tau_decay == pytest.approx(0.4, rel=1e-5)


def test_a_far_start_is_walked_from():
    step = searched(quadratic(0.02, 3.0), Step(Kernel(0.04, 1.5)), 40)
    assert step.kernel.tau_rise == pytest.approx(0.02, rel=1e-3)
    assert step.kernel.tau_decay == pytest.approx(3.0, rel=1e-3)


def test_the_objective_never_rises():
    rng = np.random.default_rng(0)
    smooth = quadratic(0.03, 0.9)

    def rough(logs):
        return smooth(logs) + 0.3 * np.sin(40 * logs).sum(axis=1)

    step = Step(Kernel(*sorted(rng.uniform(0.05, 2.0, 2))))
    for _ in range(15):
        after = refine(step, rough)
        assert after.objective <= float(rough(step.kernel.logs[None])[0]) + 1e-4
        step = after


@pytest.mark.parametrize("target", [(1e-6, 0.4), (0.05, 1e4), (1e-6, 1e-6), (5.0, 5.0), (3.0, 0.1)])
def test_the_search_stays_within_its_bounds(target):
    scored = []

    def score(logs):
        scored.append(np.exp(logs))
        return quadratic(*target)(logs)

    kernel = searched(score, Step(Kernel(0.1, 0.6)), 40).kernel
    rises, decays = np.concatenate(scored).T
    for rise, decay in [*zip(rises, decays, strict=True), (kernel.tau_rise, kernel.tau_decay)]:
        assert RISES[0] * 0.999 <= rise <= RISES[1] * 1.001
        assert DECAYS[0] * 0.999 <= decay <= DECAYS[1] * 1.001
        assert decay >= 0.999 * LEAST_RATIO * rise


def test_the_grid_holds_only_kernels_and_gives_the_best():
    scored = []

    def score(logs):
        scored.append(np.exp(logs))
        return quadratic(0.02, 0.33)(logs)

    step = grid_search(score, never)
    assert step.kernel == Kernel(0.02, 0.33)
    (kernels,) = scored
    assert len(kernels) <= SEED_RISES.size * SEED_DECAYS.size
    assert np.all(kernels[:, 1] > kernels[:, 0])


def test_of_several_lowest_points_the_forgiving_score_chooses():
    wells = [(0.01, 0.1), (0.08, 0.5)]
    short, right = (quadratic(*well) for well in wells)
    judged = []

    def score(logs):
        return np.minimum(short(logs), right(logs) + 0.5)

    def forgiving(logs):
        judged.append(np.exp(logs))
        return right(logs)

    step = grid_search(score, forgiving)
    assert step.kernel == Kernel(0.08, 0.5)
    assert step.objective == pytest.approx(5.5)
    np.testing.assert_allclose(judged[0], wells)


def test_equal_objectives_have_one_lowest_point():
    assert grid_search(lambda logs: np.zeros(len(logs)), never).objective == 0


def test_time_constants_have_six_digits():
    kernel = Kernel.from_logs(np.log([0.0123456789, 0.987654321]))
    assert kernel == Kernel(0.0123457, 0.987654)
    np.testing.assert_allclose(kernel.logs, np.log([0.0123457, 0.987654]))


def test_the_change_is_a_metric_on_kernels_of_peak_one():
    one, other, third = Kernel(0.05, 0.4), Kernel(0.05, 0.5), Kernel(0.1, 0.6)
    assert change(one, one) == 0.0
    assert change(one, other) == change(other, one) > 0.0
    assert change(one, third) > change(one, other)
    # Within the window of five decays of the longer one, by its definition.
    times = np.linspace(0, 2.5, 100_001)
    exact = np.sqrt(np.mean((sample(one, times) - sample(other, times)) ** 2))
    assert change(one, other) == pytest.approx(exact, rel=5e-3)


def test_the_change_does_not_depend_on_the_unit_of_time():
    assert change(Kernel(0.05, 0.4), Kernel(0.06, 0.5)) == pytest.approx(
        change(Kernel(0.5, 4.0), Kernel(0.6, 5.0))
    )


def test_a_sampled_kernel_is_0_before_0_and_1_at_its_peak():
    kernel = Kernel(0.05, 0.4)
    times = np.linspace(-1, 3, 400_001)
    values = sample(kernel, times)
    assert np.all(values[times <= 0] == 0)
    assert values.max() == pytest.approx(1.0, abs=1e-9)
    frames = sample(kernel, np.arange(40) / 30.0)
    np.testing.assert_allclose(
        frames / frames.max(), build_kernel(0.05, 0.4, 30.0)[:40], rtol=1e-5, atol=1e-6
    )
