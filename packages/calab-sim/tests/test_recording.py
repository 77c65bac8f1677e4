import calab_sim as sim
import numpy as np
import pytest
from calab_solver import build_kernel
from pydantic import ValidationError

SMALL = {"num_cells": 3, "num_timepoints": 2000}
QUIET = {"noise": {"snr": 1e9}, "drift": {"step_std_fraction": 0.0}, "alpha_cv": 0.0}


def spikes_of(result):
    return np.stack([cell.spikes for cell in result.ground_truth])


def clean_of(result):
    return np.stack([cell.clean_calcium for cell in result.ground_truth])


@pytest.mark.installed
def test_a_result_holds_traces_truth_and_configuration():
    result = sim.simulate(**SMALL, seed=7)
    assert (result.traces.shape, result.traces.dtype) == ((3, 2000), np.float32)
    assert result.config == sim.SimulationConfig(**SMALL, seed=7)
    assert len(result.ground_truth) == 3
    for cell in result.ground_truth:
        assert isinstance(cell, sim.CellGroundTruth)
        for array in (cell.spikes, cell.clean_calcium):
            assert (array.shape, array.dtype) == ((2000,), np.float32)
        assert type(cell.alpha) is float
        assert (cell.snr, cell.tau_rise_s, cell.tau_decay_s) == (8.0, 0.1, 0.6)


def test_the_truth_views_one_array_instead_of_copying():
    first, second = sim.simulate(**{**SMALL, "num_cells": 2}).ground_truth
    assert first.spikes.base is second.spikes.base is not None


def test_quiet_traces_are_the_clean_calcium():
    result = sim.simulate(**SMALL, **QUIET)
    np.testing.assert_allclose(result.traces, clean_of(result), rtol=1e-6, atol=1e-6)


def test_clean_calcium_is_the_mean_over_steps_of_the_convolution():
    """One step per frame shows where the spikes are, so that NumPy can do the rest."""
    config = sim.presets.clean(**SMALL, spike_sim_hz=30)
    result = sim.simulate(config)
    kernel = build_kernel(0.1, 0.6, 30.0).astype(float)
    for cell in result.ground_truth:
        expected = np.convolve(cell.spikes, kernel)[:2000]
        # float32, and the sampled kernel drops a tail of at most 2e-6 of a peak per spike.
        np.testing.assert_allclose(cell.clean_calcium, expected, rtol=2e-6, atol=1e-4)


def test_one_spike_peaks_at_the_amplitude():
    quiet = {**QUIET, "spike_model": sim.PoissonConfig(rate_hz=0.01), "alpha_mean": 3.0}
    result = sim.simulate(num_cells=20, num_timepoints=2000, **quiet)
    lone = [c.clean_calcium.max() for c in result.ground_truth if c.spikes.sum() == 1]
    assert lone
    # The mean over a frame of ten steps lies below the peak between them, here by under 2 %,
    # except for a spike so late that the recording ends on its rise.
    assert 2.94 < np.median(lone) < 3.0


@pytest.mark.parametrize("fs_hz", [7.0, 30.0, 200.0])
def test_the_poisson_rate_holds_at_any_frame_rate(fs_hz):
    result = sim.simulate(
        fs_hz=fs_hz, num_cells=50, num_timepoints=5000, spike_model=sim.PoissonConfig(rate_hz=2.0)
    )
    expected = 2.0 * 50 * 5000 / fs_hz
    assert abs(spikes_of(result).sum(dtype=float) - expected) < 5 * np.sqrt(expected)


def test_a_cell_depends_on_seed_and_index_only():
    config = sim.presets.gcamp6s(**SMALL, kernel={"tau_rise_cv": 0.2})
    few = sim.simulate(config, n_threads=1)
    many = sim.simulate(config, num_cells=8, n_threads=3)
    assert many.traces[:3].tobytes() == few.traces.tobytes()
    assert sim.simulate(config, seed=1).traces.tobytes() != few.traces.tobytes()


def test_the_spikes_do_not_change_with_what_comes_after_them():
    changes = [
        {"noise": {"snr": 2, "shot_noise_enabled": True}},
        {"drift": sim.SinusoidalDrift()},
        {"saturation": {"enabled": True}},
        {"photobleaching": {"enabled": True}},
        {"alpha_cv": 0.0},
    ]
    before = sim.simulate(**SMALL)
    for change in changes:
        after = sim.simulate(**SMALL, **change)
        assert np.array_equal(spikes_of(before), spikes_of(after)), change
        assert not np.array_equal(before.traces, after.traces), change


def test_silent_cells_have_noise_and_drift():
    silent = sim.MarkovConfig(p_silent_to_active=0, p_spike_when_silent=0)
    config = sim.SimulationConfig(
        num_cells=4, num_timepoints=20_000, spike_model=silent, alpha_mean=2.0, alpha_cv=0
    )
    noisy = sim.simulate(config, drift={"step_std_fraction": 0.0})
    assert not clean_of(noisy).any()
    # Five standard errors around one spike's peak over the signal-to-noise ratio.
    np.testing.assert_allclose(noisy.traces.std(axis=1), 2.0 / 8.0, rtol=0.025)
    drifting = sim.simulate(config, noise={"snr": 1e9}, drift={"step_std_fraction": 0.01})
    steps = np.diff(drifting.traces.astype(float), axis=1)
    np.testing.assert_allclose(steps.std(axis=1), 0.01 * 2.0, rtol=0.03)


def test_sinusoidal_drift_has_its_amplitude_and_cycles():
    silent = sim.PoissonConfig(rate_hz=1e-9)
    drift = sim.SinusoidalDrift(amplitude_fraction=0.2, cycles_min=3, cycles_max=3)
    config = {**QUIET, "spike_model": silent, "drift": drift, "alpha_mean": 5.0}
    result = sim.simulate(num_cells=1, num_timepoints=3000, **config)
    expected = np.sin(2 * np.pi * 3 * np.arange(3000) / 3000)
    np.testing.assert_allclose(result.traces[0], expected, atol=1e-5)


def test_bleaching_fades_the_calcium_but_not_the_drift():
    bleaching = {"enabled": True, "amplitude_fraction": 0.4, "decay_time_constant_s": 10.0}
    still = sim.simulate(**SMALL, **QUIET, photobleaching=bleaching)
    fading = 1 - 0.4 * (1 - np.exp(-np.arange(2000) / 30 / 10))
    expected = clean_of(still) * fading
    np.testing.assert_allclose(still.traces, expected, rtol=1e-5, atol=1e-5)
    drift = {"noise": {"snr": 1e9}, "drift": {"step_std_fraction": 0.01}, "alpha_cv": 0.0}
    moving = sim.simulate(**SMALL, **drift, photobleaching=bleaching)
    plain = sim.simulate(**SMALL, **drift)
    np.testing.assert_allclose(
        moving.traces - expected, plain.traces - clean_of(plain), rtol=0, atol=1e-4
    )


def test_saturation_follows_the_hill_curve_below_the_amplitude():
    linear = sim.simulate(**SMALL, **QUIET)
    hill = {"enabled": True, "hill_coefficient": 1.7, "k_d": 4.0}
    curved = sim.simulate(**SMALL, **{**QUIET, "alpha_mean": 3.0}, saturation=hill)
    c = clean_of(linear).astype(float)
    expected = 3.0 * c**1.7 / (c**1.7 + 4.0**1.7)
    np.testing.assert_allclose(clean_of(curved), expected, rtol=1e-5, atol=1e-6)
    assert clean_of(curved).max() < 3.0


def test_photon_noise_grows_with_the_signal():
    noise = {"snr": 20.0, "shot_noise_enabled": True, "shot_noise_fraction": 1.0}
    config = {**QUIET, "noise": noise, "num_cells": 20, "num_timepoints": 5000}
    result = sim.simulate(**config)
    clean = clean_of(result).astype(float)
    reference = clean.max(axis=1, keepdims=True)
    residual = (result.traces - clean) / reference
    level = clean / reference
    for low, high in [(0.02, 0.1), (0.1, 0.3), (0.3, 0.6)]:
        chosen = (level > low) & (level <= high)
        assert chosen.sum() > 2000
        expected = level[chosen].mean() / 20**2
        assert residual[chosen].var() == pytest.approx(expected, rel=0.15)
    # Pure photon noise comes in whole quanta of variance / reference.
    photons = result.traces / (reference / 20**2)
    np.testing.assert_allclose(photons, np.round(photons), atol=1e-3)


@pytest.mark.parametrize("cv", [0.0, 0.4])
def test_variation_between_cells(cv):
    variation = {"tau_rise_cv": cv, "tau_decay_cv": cv}
    config = sim.SimulationConfig(num_cells=400, num_timepoints=1, kernel=variation, alpha_cv=cv)
    cells = sim.simulate(config, noise={"snr_spread": 10 * cv}).ground_truth
    decay = np.array([cell.tau_decay_s for cell in cells])
    rise = np.array([cell.tau_rise_s for cell in cells])
    alpha = np.array([cell.alpha for cell in cells])
    snr = np.array([cell.snr for cell in cells])
    assert (rise < decay).all()
    # Five standard errors of a spread from 400 cells (the amplitude's is heavier-tailed).
    np.testing.assert_allclose(np.log(decay).std(), cv, atol=5 * cv / np.sqrt(800) + 1e-12)
    assert alpha.std() / alpha.mean() == pytest.approx(cv, abs=0.3 * cv)
    assert (np.abs(snr - 8.0) <= 10 * cv).all()
    assert (np.ptp(snr) > 7) == (cv > 0)


@pytest.mark.parametrize("name", [n for n in vars(sim.presets) if not n.startswith("_")])
def test_every_preset_simulates(name):
    result = sim.simulate(getattr(sim.presets, name)(**SMALL))
    assert np.isfinite(result.traces).all()
    assert spikes_of(result).sum() > 0


def test_overrides_reach_the_configuration_used():
    config = sim.presets.gcamp6f(**SMALL)
    result = sim.simulate(config, num_cells=2, noise={"snr": 3})
    assert result.traces.shape == (2, 2000)
    assert result.config.noise.snr == 3.0
    assert result.config.kernel == config.kernel
    assert (config.num_cells, config.noise.snr) == (3, 20.0)


@pytest.mark.parametrize(
    ("overrides", "field"),
    [({"num_cell": 3}, "num_cell"), ({"fs_hz": -1}, "fs_hz"), ({"noise": {"snr": 0}}, "noise.snr")],
)
def test_bad_overrides_are_named(overrides, field):
    with pytest.raises(ValidationError, match=field):
        sim.simulate(sim.SimulationConfig(**SMALL), **overrides)


def test_a_configuration_changed_by_hand_is_validated_again():
    config = sim.SimulationConfig(**SMALL)
    config.kernel.tau_rise_s = 2.0
    with pytest.raises(ValidationError, match=r"kernel\.tau_decay_s"):
        sim.simulate(config)


def test_refuses_a_mapping_as_configuration():
    with pytest.raises(TypeError, match="expected a SimulationConfig, got dict"):
        sim.simulate({"num_cells": 3})
