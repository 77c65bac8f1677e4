"""The amplitude of one spike, and what is claimed of it."""

import numpy as np
import pytest
from calab_solver import simulate_cells
from calab_solver.amplitudes import UNEVIDENT_SD, Kernels, measure_amplitudes

FS, RISE, DECAY, U = 30.0, 0.05, 0.4, 10


def kernels(n_cells):
    return Kernels(FS, np.full(n_cells, RISE), np.full(n_cells, DECAY), U)


@pytest.mark.parametrize(("snr", "least", "most"), [(8.0, 4, 8), (3.0, 0, 2), (1.5, 0, 0)])
@pytest.mark.parametrize("bursts", [{}, {"p_silent_to_active": 0.005, "p_active_to_silent": 0.3}])
def test_a_known_amplitude_is_right(bursts, snr, least, most):
    single = {"p_spike_when_silent": 0.003, "p_spike_when_active": 0.5}
    drawn = simulate_cells(8, 4000, FS, tau_rise=RISE, tau_decay=DECAY, seed=3, **single, **bursts)
    noise = np.random.default_rng(3).standard_normal((8, 4000)) / snr
    traces = drawn.clean_calcium.astype(float) + noise
    amplitudes = measure_amplitudes(traces, kernels(8), np.full(8, 1 / snr))
    known = amplitudes.known
    assert least <= known.sum() <= most
    np.testing.assert_allclose(np.exp(amplitudes.log_alpha[known]), 1.0, rtol=0.15)
    # What is not evident is not claimed to be exact.
    assert np.all(amplitudes.log_sd[~known] >= UNEVIDENT_SD)


def test_ctrl_c_stops_the_measurement(answer_to_ctrl_c):
    given = {"tau_rise": RISE, "tau_decay": DECAY, "p_spike_when_silent": 1 / 300}
    drawn = simulate_cells(1, 30_000, FS, seed=3, **given)
    noise = np.random.default_rng(3).standard_normal(30_000) / 8
    # Some seconds of work on two cores.
    traces = np.tile(drawn.clean_calcium[0] + noise, (800, 1))
    work = (traces, kernels(800), np.full(800, 1 / 8))
    # Promised: a twentieth of a second; the rest is for a machine that is busy.
    assert answer_to_ctrl_c(lambda: measure_amplitudes(*work)) < 1.0
