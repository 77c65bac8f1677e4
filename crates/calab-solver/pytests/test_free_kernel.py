"""The free-form kernel: optimal by an independent solver, exact on clean data, clear on bad."""

import cvxpy as cp
import numpy as np
import pytest
from calab_solver import estimate_kernel


class Problem:
    """Traces with spikes on a grid of `u` bins per frame, and the matrices of their definition."""

    def __init__(self, lengths, kernel_length, u=1, noise=0.3, rate=0.1, gaps=False, seed=0):
        rng = np.random.default_rng(seed)
        self.length, self.u, self.lengths = kernel_length, u, np.array(lengths)
        lag = np.arange(kernel_length) / u
        self.truth = np.exp(-lag / 8) - np.exp(-lag / 0.3)
        self.alphas = rng.uniform(0.5, 3, len(lengths))
        self.baselines = rng.normal(size=len(lengths))
        self.traces, self.spikes, self.rows, self.targets = [], [], [], []
        for n, alpha, baseline in zip(lengths, self.alphas, self.baselines, strict=True):
            spikes = rng.poisson(rate / u, n * u).astype(float)
            lags = np.subtract.outer(u * np.arange(n), np.arange(n * u))
            rows = np.zeros((n, kernel_length))
            for i in range(n):
                inside = (lags[i] >= 0) & (lags[i] < kernel_length)
                rows[i, lags[i][inside]] = spikes[inside]
            target = rows @ self.truth + noise * rng.normal(size=n)
            if gaps:
                target[rng.random(n) < 0.1] = np.nan
            self.traces.append(alpha * target + baseline)
            self.spikes.append(spikes)
            seen = ~np.isnan(target)
            self.rows.append(rows[seen])
            self.targets.append(target[seen])

    def estimate(self, **options):
        flat = (np.concatenate(part) for part in (self.traces, self.spikes))
        settings = {"upsample_factor": self.u} | options
        affine = (self.alphas, self.baselines)
        return estimate_kernel(*flat, self.lengths, *affine, self.length, **settings)

    def objective(self, kernel, lam):
        rows, target = np.concatenate(self.rows), np.concatenate(self.targets)
        variation = np.abs(np.diff(kernel)).sum()
        return 0.5 * np.sum((rows @ kernel - target) ** 2) + lam * variation

    def reference(self, lam):
        rows, target = np.concatenate(self.rows), np.concatenate(self.targets)
        h = cp.Variable(self.length, nonneg=True)
        misfit = 0.5 * cp.sum_squares(rows @ h - target)
        problem = cp.Problem(cp.Minimize(misfit + lam * cp.norm1(cp.diff(h))))
        tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-11)
        problem.solve(solver=cp.CLARABEL, **tight)
        assert problem.status in ("optimal", "optimal_inaccurate")
        return np.maximum(h.value, 0.0)


@pytest.mark.parametrize("lam", [0.0, 1e-3, 0.3, 30.0, 1e4])
@pytest.mark.parametrize(("u", "gaps"), [(1, False), (1, True), (4, True)])
def test_is_optimal_by_an_independent_solver(lam, u, gaps):
    problem = Problem([300, 0, 1, 200], 24 * u, u, gaps=gaps)
    kernel, expected = problem.estimate(smooth_lambda=lam), problem.reference(lam)
    assert (kernel.dtype, kernel.shape) == (np.float32, (24 * u,))
    assert kernel.min() >= 0
    # float32, which also unties what the variation ties, and the tolerances of the two solvers.
    np.testing.assert_allclose(kernel, expected, atol=2e-6 * expected.max())
    assert problem.objective(kernel, lam) <= problem.objective(expected, lam) * (1 + 1e-7)


@pytest.mark.parametrize(
    ("lam", "seed"), [(0.0, 1), (0.0, 2), (0.05, 3), (1e-6, 4), (1.0, 5), (100.0, 6)]
)
def test_is_optimal_where_the_spikes_do_not_determine_the_kernel(lam, seed):
    # Fewer frames than samples of the kernel.
    problem = Problem([25, 12], 60, 2, rate=0.3, seed=seed)
    kernel, expected = problem.estimate(smooth_lambda=lam), problem.reference(lam)
    power = sum(np.sum(target**2) for target in problem.targets)
    # The kernels may differ, the objectives only by the tolerance.
    gap = problem.objective(kernel, lam) - problem.objective(expected, lam)
    assert abs(gap) <= 1e-8 * power


def test_satisfies_the_optimality_conditions_of_the_weight_as_written():
    problem, lam = Problem([2000], 30), 5.0
    kernel = problem.estimate(smooth_lambda=lam).astype(float)
    gradient = problem.rows[0].T @ (problem.rows[0] @ kernel - problem.targets[0])
    assert kernel.min() > 0
    # gradient + D'p = 0 for a p of at most lam, equal to it where the kernel changes.
    p = np.cumsum(gradient)
    assert abs(p[-1]) < 1e-3
    assert np.abs(p).max() <= lam * (1 + 1e-3)
    steps = np.diff(kernel)
    moving = np.abs(steps) > 1e-4
    assert 3 < moving.sum() < 29
    np.testing.assert_allclose(p[:-1][moving], lam * np.sign(steps[moving]), rtol=1e-3)


@pytest.mark.parametrize("u", [1, 3, 10])
def test_clean_traces_give_the_kernel_back_however_fine(u):
    problem = Problem([6000, 4000], 12 * u, u, noise=0.0)
    np.testing.assert_allclose(problem.estimate(), problem.truth, atol=1e-5)


def test_a_masked_sample_equals_a_gap_and_says_nothing():
    problem = Problem([400], 15, gaps=True)
    (trace,) = problem.traces
    kernel = problem.estimate()
    problem.traces = [np.where(np.isnan(trace), 1e6, trace)]
    hidden = np.ma.masked_array(problem.traces[0], np.isnan(trace))
    again = estimate_kernel(hidden, problem.spikes[0], [400], problem.alphas, problem.baselines, 15)
    np.testing.assert_array_equal(kernel, again)


def test_a_trace_without_amplitude_is_left_out():
    problem = Problem([300, 200], 15)
    problem.alphas[1] = 1e-21
    flat = [np.concatenate(part) for part in (problem.traces, problem.spikes)]
    both = estimate_kernel(*flat, [300, 200], problem.alphas, problem.baselines, 15)
    alone = [part[:300] for part in flat]
    first = estimate_kernel(*alone, [300], problem.alphas[:1], problem.baselines[:1], 15)
    np.testing.assert_array_equal(both, first)


def test_scales_with_the_traces_and_ignores_a_warm_start():
    problem = Problem([500], 15)
    kernel = problem.estimate()
    np.testing.assert_array_equal(problem.estimate(warm_kernel=np.ones(3)), kernel)
    problem.alphas *= 2.0**-30
    np.testing.assert_array_equal(problem.estimate(), kernel * np.float32(2.0**30))


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_without_spikes_or_frames_the_kernel_is_zero(lam):
    for n in (0, 1, 50):
        traces, spikes = np.linspace(0, 1, n), np.zeros(n)
        kernel = estimate_kernel(traces, spikes, [n], [1.0], [0.0], 7, smooth_lambda=lam)
        assert kernel.tolist() == [0.0] * 7
    assert estimate_kernel([], [], [], [], [], 7, smooth_lambda=lam).tolist() == [0.0] * 7


def test_lags_beyond_the_traces_are_zero_or_follow_the_last():
    arguments = ([1.0, 0.5], [1.0, 0.0], [2], [1.0], [0.0], 100_000)
    kernel = estimate_kernel(*arguments)
    np.testing.assert_allclose(kernel[:2], [1.0, 0.5], rtol=1e-5)
    assert not kernel[2:].any()
    smooth = estimate_kernel(*arguments, smooth_lambda=1e-3)
    # The smoothness takes its weight from the one step.
    np.testing.assert_allclose(smooth[:2], [0.999, 0.501], rtol=1e-5)
    np.testing.assert_array_equal(smooth[2:], smooth[1])


def test_says_when_the_iterations_do_not_suffice():
    with pytest.warns(RuntimeWarning, match="of the least objective after 1 steps"):
        Problem([300], 15).estimate(max_iters=1, smooth_lambda=3.0)


GOOD = {
    "traces_flat": np.ones(6),
    "spikes_flat": np.ones(6),
    "trace_lengths": [4, 2],
    "alphas": [1.0, 1.0],
    "baselines": [0.0, 0.0],
    "kernel_length": 3,
}


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"traces_flat": np.ones(5)}, ValueError, "traces_flat: expected length 6, got 5"),
        ({"spikes_flat": np.ones(5)}, ValueError, "spikes_flat: expected length 6, got 5"),
        ({"upsample_factor": 2}, ValueError, "spikes_flat: expected length 12, got 6"),
        ({"upsample_factor": 0}, ValueError, "upsample_factor: expected at least 1, got 0"),
        ({"alphas": [1.0]}, ValueError, "alphas: expected length 2, got 1"),
        ({"alphas": [1.0, np.nan]}, ValueError, "alphas: expected finite values, got NaN"),
        ({"baselines": [0.0, np.inf]}, ValueError, "baselines: expected finite values, got inf"),
        ({"trace_lengths": [7, -1]}, ValueError, "trace_lengths: expected at least 0, got -1"),
        ({"trace_lengths": [4.0, 2.0]}, TypeError, "trace_lengths: expected whole numbers"),
        ({"trace_lengths": 6}, ValueError, "trace_lengths: expected one axis"),
        ({"traces_flat": np.ones((1, 6))}, ValueError, "traces_flat: expected one axis"),
        ({"traces_flat": ["a"] * 6}, TypeError, "traces_flat: expected real numbers"),
        (
            {"traces_flat": [0, 0, 0, 0, 0, -np.inf]},
            ValueError,
            "traces_flat: expected finite values or NaN, got -inf",
        ),
        (
            {"spikes_flat": [0, -1.0, 0, 0, 0, 0]},
            ValueError,
            "spikes_flat: expected finite values of at least 0, got -1 at bin 1",
        ),
        ({"spikes_flat": [np.nan] * 6}, ValueError, "spikes_flat: expected finite values"),
        ({"kernel_length": 0}, ValueError, "kernel_length: expected at least 1, got 0"),
        ({"kernel_length": 2**20 + 1}, ValueError, "kernel_length: expected 1 to 1048576 samples"),
        ({"kernel_length": 3.0}, TypeError, "kernel_length: expected a whole number, got 3.0"),
        ({"tol": -1e-4}, ValueError, "tol: expected a finite number of at least 0, got -0.0001"),
        ({"smooth_lambda": -1.0}, ValueError, "smooth_lambda: expected a finite number of at"),
        ({"max_iters": 0}, ValueError, "max_iters: expected at least 1, got 0"),
        ({"warm_kernel": ["a"]}, TypeError, "warm_kernel: expected real numbers"),
    ],
)
def test_refuses_what_does_not_belong_together(wrong, error, message):
    with pytest.raises(error, match=f"^{message}"):
        estimate_kernel(**GOOD | wrong)


def test_refuses_a_kernel_whose_equations_would_not_fit():
    with pytest.raises(ValueError, match="kernel_length: expected 1 to 4096 samples that the"):
        estimate_kernel(np.ones(5000), np.ones(5000), [5000], [1.0], [0.0], 5000)
