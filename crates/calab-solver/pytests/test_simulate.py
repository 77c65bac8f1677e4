import threading

import numpy as np
import pytest
from calab_solver import build_kernel, simulate_cells
from hypothesis import given, settings
from hypothesis import strategies as st

BURSTY = {
    "tau_rise": 0.1,
    "tau_decay": 0.6,
    "p_silent_to_active": 0.02,
    "p_active_to_silent": 0.3,
    "p_spike_when_active": 0.5,
    "p_spike_when_silent": 0.002,
}
EVERYTHING = BURSTY | {
    "tau_rise_cv": 0.3,
    "tau_decay_cv": 0.3,
    "p_silent_to_active_cv": 0.3,
    "alpha_cv": 0.3,
    "k_d": 5.0,
    "k_d_cv": 0.2,
    "hill_coefficient": 1.5,
    "walk_step": 0.002,
    "walk_reversion": 0.001,
    "sine_amplitude": 0.1,
    "drift_cv": 0.3,
    "bleach_amplitude": 0.2,
    "bleach_amplitude_cv": 0.3,
    "snr_spread": 2.0,
    "shot_fraction": 0.3,
}


def test_shapes_and_types():
    cells = simulate_cells(3, 50, 30.0, **EVERYTHING)
    for name in ("traces", "spikes", "clean_calcium"):
        array = getattr(cells, name)
        assert (array.shape, array.dtype) == ((3, 50), np.float32), name
        assert array.flags.c_contiguous
        assert np.isfinite(array).all()
    for values in cells[3:]:
        assert (values.shape, values.dtype) == ((3,), np.float64)


def test_the_spikes_convolved_with_the_kernel_are_the_clean_calcium():
    steps, fs = 10, 30.0
    cells = simulate_cells(4, 3000, fs, steps_per_frame=1, alpha_mean=2.5, **BURSTY)
    kernel = build_kernel(0.1, 0.6, fs).astype(float)
    for spikes, clean in zip(cells.spikes, cells.clean_calcium, strict=True):
        expected = 2.5 * np.convolve(spikes, kernel)[: spikes.size]
        # float32, and the sampled kernel drops a tail of at most 2e-6 of a peak for each of the
        # spikes of a burst.
        np.testing.assert_allclose(clean, expected, rtol=2e-6, atol=1e-4)
    # The mean over a frame of steps differs from one step a frame, but not in its area.
    fine = simulate_cells(4, 3000, fs, steps_per_frame=steps, **BURSTY)
    area = build_kernel(0.1, 0.6, fs * steps).sum() / steps
    ratio = fine.clean_calcium.sum(dtype=float) / fine.spikes.sum(dtype=float) / area
    # Spikes less than a few decays before the end have not given all of their area.
    assert ratio == pytest.approx(1.0, abs=0.01)


def test_firing_rates_are_those_of_the_two_states():
    cells = simulate_cells(200, 3000, 30.0, steps_per_frame=10, **BURSTY)
    to_active = 1 - (1 - 0.02) ** 0.1
    to_silent = 1 - (1 - 0.3) ** 0.1
    active = to_active / (to_active + to_silent)
    expected = active * 0.5 + (1 - active) * 0.002
    per_cell = cells.spikes.sum(axis=1, dtype=float) / 30_000
    standard_error = per_cell.std(ddof=1) / np.sqrt(per_cell.size)
    assert abs(per_cell.mean() - expected) < 4 * standard_error
    assert standard_error < 0.02 * expected


def test_a_constant_rate_gives_poisson_counts():
    cells = simulate_cells(
        100, 2000, 20.0, tau_rise=0.1, tau_decay=0.6, p_spike_when_silent=0.01, steps_per_frame=50
    )
    counts = cells.spikes.astype(float)
    n, p = 50, 0.01
    # Five standard errors, of the mean and (about) of the variance of 200,000 binomial counts.
    assert counts.mean() == pytest.approx(n * p, abs=5 * np.sqrt(n * p / counts.size))
    assert counts.var() == pytest.approx(n * p * (1 - p), rel=5 * np.sqrt(4 / counts.size))
    lagged = np.mean((counts[:, 1:] - n * p) * (counts[:, :-1] - n * p))
    assert abs(lagged) < 5 * n * p / np.sqrt(counts.size)


def test_noise_is_the_reference_over_the_signal_to_noise_ratio():
    cells = simulate_cells(5, 20_000, 30.0, snr=7.0, alpha_cv=0.5, **BURSTY)
    noise = cells.traces - cells.clean_calcium
    expected = np.maximum(cells.clean_calcium.max(axis=1), cells.alpha) / cells.snr
    # Five standard errors of a standard deviation.
    np.testing.assert_allclose(noise.std(axis=1), expected, rtol=5 / np.sqrt(2 * 20_000))
    assert (cells.snr == 7.0).all()


@pytest.mark.parametrize("n_threads", [1, 2, 5, None], ids=str)
def test_a_cell_depends_on_seed_and_index_only(n_threads):
    many = simulate_cells(6, 400, 30.0, n_threads=n_threads, **EVERYTHING)
    few = simulate_cells(2, 400, 30.0, n_threads=1, **EVERYTHING)
    for name, values in few._asdict().items():
        assert getattr(many, name)[:2].tobytes() == values.tobytes(), name
    other = simulate_cells(2, 400, 30.0, seed=43, **EVERYTHING)
    assert other.traces.tobytes() != few.traces.tobytes()


def test_two_threads_may_simulate_at_once():
    results = {}

    def run(seed):
        results[seed] = simulate_cells(3, 2000, 30.0, seed=seed, **EVERYTHING).traces

    threads = [threading.Thread(target=run, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, traces in results.items():
        alone = simulate_cells(3, 2000, 30.0, seed=seed, **EVERYTHING).traces
        assert traces.tobytes() == alone.tobytes()


@settings(deadline=None)  # other processes may take the processor
@given(
    n_cells=st.integers(1, 3),
    n_frames=st.integers(1, 40),
    fs=st.floats(0.1, 1000),
    tau_decay=st.floats(1e-3, 1e3),
    ratio=st.floats(0.001, 0.999),
    steps=st.integers(1, 30),
    probabilities=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    cv=st.floats(0, 2),
    shot=st.floats(0, 1),
    seed=st.integers(0, 2**64 - 1),
)
def test_every_valid_input_gives_finite_traces_of_at_most_one_spike_per_step(
    n_cells, n_frames, fs, tau_decay, ratio, steps, probabilities, cv, shot, seed
):
    names = ("p_silent_to_active", "p_active_to_silent", "p_spike_when_active")
    spiking = dict(zip((*names, "p_spike_when_silent"), probabilities, strict=True))
    cells = simulate_cells(
        n_cells,
        n_frames,
        fs,
        tau_rise=ratio * tau_decay,
        tau_decay=tau_decay,
        tau_rise_cv=cv,
        tau_decay_cv=cv,
        alpha_cv=cv,
        steps_per_frame=steps,
        shot_fraction=shot,
        seed=seed,
        **spiking,
    )
    assert np.isfinite(cells.traces).all()
    assert (cells.clean_calcium >= 0).all()
    assert ((cells.spikes >= 0) & (cells.spikes <= steps)).all()
    assert (cells.tau_rise < cells.tau_decay).all()
    # No frame can exceed the calcium of a spike in every step so far.
    peaks = cells.alpha * steps * n_frames
    assert (cells.clean_calcium.max(axis=1) <= peaks * (1 + 1e-6)).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"fs": 0.0}, ValueError, "fs: expected a finite number above 0, got 0"),
        ({"n_cells": 0}, ValueError, "n_cells: expected at least 1, got 0"),
        ({"n_frames": -1}, ValueError, "n_frames: expected at least 1, got -1"),
        ({"n_threads": 0}, ValueError, "n_threads: expected at least 1, got 0"),
        ({"tau_rise": 0.6}, ValueError, "tau_rise: expected less than tau_decay"),
        ({"steps_per_frame": 0}, ValueError, "steps_per_frame: expected between 1 and"),
        ({"snr": float("nan")}, ValueError, "snr: expected a finite number above 0"),
        ({"k_d": 0.0}, ValueError, "k_d: expected a finite number above 0"),
        ({"p_spike_when_silent": 1.5}, ValueError, "p_spike_when_silent: expected a number betw"),
        ({"alpha_cv": -1.0}, ValueError, "alpha_cv: expected a number between 0 and 10"),
        ({"snr_spread": -1.0}, ValueError, "snr_spread: expected a finite number of at least 0"),
        ({"sine_cycles_max": 1.0}, ValueError, "sine_cycles_max: expected at least sine_cycles"),
        ({"seed": -1}, ValueError, "seed: "),
        ({"n_cells": 2.0}, TypeError, "n_cells: expected an integer, got float"),
        ({"snr": "high"}, TypeError, "snr: "),
        ({"steps_per_frame": 1.5}, TypeError, "steps_per_frame: "),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_bad_parameters_are_named(change, error, message):
    arguments = {"n_cells": 2, "n_frames": 10, "fs": 30.0} | BURSTY | change
    with pytest.raises(error, match=message):
        simulate_cells(**arguments)
