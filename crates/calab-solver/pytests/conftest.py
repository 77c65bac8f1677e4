"""What the tests of the deconvolution share: recordings, and an independent solver."""

import _thread
import contextlib
import threading
import time

import cvxpy as cp
import numpy as np
import pytest

FS, RISE, DECAY = 30.0, 0.1, 0.6


def make_recording(n_cells, n_frames, seed=0, rate=0.02, noise=0.2, fs=FS):
    """Poisson spikes of unit height through the kernel, with white noise."""
    rng = np.random.default_rng(seed)
    times = np.arange(1000) / fs
    kernel = np.exp(-times / DECAY) - np.exp(-times / RISE)
    kernel /= kernel.max()
    spikes = rng.poisson(rate, (n_cells, n_frames))
    clean = np.array([np.convolve(row, kernel)[:n_frames] for row in spikes])
    return clean.reshape(spikes.shape) + noise * rng.standard_normal(spikes.shape)


@pytest.fixture
def recording():
    return make_recording


class Reference:
    """The problem written down from its definition, dense, for a general convex solver."""

    def __init__(self, n_frames, lam, tau_rise=RISE, tau_decay=DECAY, fs=FS, boxed=False):
        i = np.arange(max(n_frames, int(60 * tau_decay * fs) + 2))
        # exp(-t/decay) - exp(-t/rise), without cancellation where the two nearly agree.
        difference = (tau_decay - tau_rise) / (tau_decay * tau_rise)
        kernel = -np.exp(-i / (fs * tau_decay)) * np.expm1(-i / fs * difference)
        kernel /= kernel.max()
        delay = np.subtract.outer(i[:n_frames], i[:n_frames])
        self.matrix = np.where(delay > 0, kernel[np.maximum(delay, 0)], 0.0)
        self.weight = 0.0 if boxed else lam * kernel.sum()
        self.boxed = boxed

    def objective(self, trace, activity, offset=0.0):
        residual = (trace - offset - self.matrix @ activity)[~np.isnan(trace)]
        return 0.5 * residual @ residual + self.weight * activity.sum()

    def solve(self, trace, least_offset=None):
        """Return the optimal value, activity and offset."""
        if trace.size == 1:
            return self.objective(trace, np.zeros(1)), np.zeros(1), 0.0
        seen = ~np.isnan(trace)
        # In units of the data, so that the solver's absolute tolerances mean something.
        scale = np.abs(trace[seen]).max(initial=0.0) or 1.0
        # The last source reaches no frame; without it the problem is better posed.
        s = cp.Variable(trace.size - 1, nonneg=True)
        offset = 0.0 if least_offset is None else cp.Variable()
        residual = trace[seen] / scale - offset - self.matrix[seen, :-1] @ s
        objective = 0.5 * cp.sum_squares(residual) + self.weight / scale * cp.sum(s)
        limits = [s <= 1.0 / scale] if self.boxed else []
        if least_offset is not None:
            limits.append(offset >= least_offset / scale)
        problem = cp.Problem(cp.Minimize(objective), limits)
        tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
        problem.solve(solver=cp.CLARABEL, **tight)
        assert problem.status in ("optimal", "optimal_inaccurate")
        found = 0.0 if least_offset is None else float(offset.value) * scale
        activity = np.append(np.maximum(s.value, 0.0) * scale, 0.0)
        return problem.value * scale**2, activity, found


@pytest.fixture
def reference():
    return Reference


@pytest.fixture
def answer_to_ctrl_c():
    """Seconds from Ctrl-C, which comes after some seconds of work, to its answer."""

    def answer(work, after=0.3):
        sent = 0.0

        def interrupt():
            nonlocal sent
            time.sleep(after)
            sent = time.perf_counter()
            _thread.interrupt_main()

        other = threading.Thread(target=interrupt)
        other.start()
        try:
            work()
        except KeyboardInterrupt:
            answered = time.perf_counter() - sent
            other.join()
            return answered
        # What comes after the work must not be interrupted in its place.
        with contextlib.suppress(KeyboardInterrupt):
            other.join()
        pytest.fail("the work was done before the interrupt came")

    return answer
