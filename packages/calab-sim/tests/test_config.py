import calab_sim as sim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

DEFAULTS = {
    "fs_hz": 30.0,
    "num_timepoints": 27000,
    "num_cells": 100,
    "kernel": {"tau_rise_s": 0.1, "tau_decay_s": 0.6, "tau_rise_cv": 0.0, "tau_decay_cv": 0.0},
    "spike_model": {
        "model_type": "markov",
        "p_silent_to_active": 0.005,
        "p_active_to_silent": 0.3,
        "p_spike_when_active": 0.5,
        "p_spike_when_silent": 0.002,
        "p_silent_to_active_cv": 0.0,
    },
    "noise": {
        "snr": 8.0,
        "shot_noise_enabled": False,
        "shot_noise_fraction": 0.3,
        "snr_spread": 0.0,
    },
    "drift": {
        "model_type": "random_walk",
        "step_std_fraction": 0.002,
        "mean_reversion": 0.001,
        "step_std_cv": 0.0,
    },
    "photobleaching": {
        "enabled": False,
        "decay_time_constant_s": 600.0,
        "amplitude_fraction": 0.15,
        "amplitude_cv": 0.0,
    },
    "saturation": {"enabled": False, "hill_coefficient": 1.0, "k_d": 5.0, "k_d_cv": 0.0},
    "alpha_mean": 1.0,
    "alpha_cv": 0.3,
    "seed": 42,
    "spike_sim_hz": 300.0,
}


def test_fields_order_and_defaults_are_the_documented_ones():
    dumped = sim.SimulationConfig().model_dump()
    assert dumped == DEFAULTS
    assert list(dumped) == list(DEFAULTS)
    assert sim.PoissonConfig().model_dump() == {"model_type": "poisson", "rate_hz": 1.0}
    assert sim.SinusoidalDrift().model_dump() == {
        "model_type": "sinusoidal",
        "amplitude_fraction": 0.1,
        "cycles_min": 2.0,
        "cycles_max": 4.0,
        "amplitude_cv": 0.0,
    }


def test_defaults_are_not_shared():
    first = sim.SimulationConfig()
    first.noise.snr = 3.0
    assert sim.SimulationConfig().noise.snr == 8.0


def test_json_ignores_unknown_keys_and_fills_in_missing_ones():
    text = '{"num_cells": 3, "colour": "red", "noise": {"snr": 5, "hue": 1}}'
    config = sim.SimulationConfig.model_validate_json(text)
    assert config == sim.SimulationConfig(num_cells=3, noise=sim.NoiseConfig(snr=5))


@pytest.mark.parametrize("drift", [sim.RandomWalkDrift(), sim.SinusoidalDrift(cycles_max=9)])
@pytest.mark.parametrize("spikes", [sim.MarkovConfig(), sim.PoissonConfig(rate_hz=2)])
def test_json_round_trip_keeps_the_kind_of_model(drift, spikes):
    config = sim.SimulationConfig(drift=drift, spike_model=spikes)
    again = sim.SimulationConfig.model_validate_json(config.model_dump_json())
    assert again == config
    assert type(again.drift) is type(drift)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"fs_hz": 0}, "fs_hz"),
        ({"fs_hz": float("inf")}, "fs_hz"),
        ({"num_cells": 0}, "num_cells"),
        ({"num_timepoints": 2.5}, "num_timepoints"),
        ({"num_cells": 10**6, "num_timepoints": 10**6}, "num_cells"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"alpha_cv": 11}, "alpha_cv"),
        ({"alpha_mean": 0}, "alpha_mean"),
        ({"spike_sim_hz": 1e12}, "spike_sim_hz"),
        ({"fs_hz": 1e-300}, "spike_sim_hz"),
        ({"kernel": {"tau_rise_s": 0.6}}, "kernel.tau_decay_s"),
        ({"kernel": {"tau_rise_s": 0}}, "kernel.tau_rise_s"),
        ({"kernel": {"tau_decay_cv": -0.1}}, "kernel.tau_decay_cv"),
        ({"noise": {"snr": float("nan")}}, "noise.snr"),
        ({"noise": {"shot_noise_fraction": 1.1}}, "noise.shot_noise_fraction"),
        (
            {"spike_model": {"model_type": "markov", "p_active_to_silent": 2}},
            "spike_model.markov.p_active_to_silent",
        ),
        ({"spike_model": {"model_type": "hawkes"}}, "spike_model"),
        ({"spike_model": {"model_type": "poisson", "rate_hz": 301}}, "spike_sim_hz"),
        (
            {"drift": {"model_type": "sinusoidal", "cycles_min": 5}},
            "drift.sinusoidal.cycles_max",
        ),
        ({"photobleaching": {"amplitude_fraction": 1.5}}, "photobleaching.amplitude_fraction"),
        ({"saturation": {"k_d": 0}}, "saturation.k_d"),
    ],
    ids=str,
)
def test_a_value_out_of_range_is_named(values, field):
    with pytest.raises(ValidationError) as refusal:
        sim.SimulationConfig(**values)
    places = [".".join(map(str, error["loc"])) for error in refusal.value.errors()]
    assert places == [field]


@pytest.mark.parametrize(
    ("fs_hz", "spike_sim_hz", "steps"),
    [(30, 300, 10), (30, 1, 1), (7, 300, 43), (200, 300, 2), (1000, 2500, 3), (30, 30.1, 1)],
)
def test_a_frame_has_a_whole_number_of_steps(fs_hz, spike_sim_hz, steps):
    config = sim.SimulationConfig(fs_hz=fs_hz, spike_sim_hz=spike_sim_hz)
    assert config.steps_per_frame == steps


def test_a_mapping_changes_single_fields_and_a_model_replaces_the_part():
    config = sim.SimulationConfig(noise=sim.NoiseConfig(snr=5, shot_noise_enabled=True))
    merged = config.overridden({"noise": {"snr": 3}}).noise
    assert (merged.snr, merged.shot_noise_enabled) == (3.0, True)
    replaced = config.overridden({"noise": sim.NoiseConfig(snr=3)}).noise
    assert (replaced.snr, replaced.shot_noise_enabled) == (3.0, False)
    assert config.noise.snr == 5.0


def test_a_mapping_of_another_kind_replaces_the_part():
    config = sim.SimulationConfig(drift=sim.RandomWalkDrift(step_std_fraction=0.1))
    walk = config.overridden({"drift": {"mean_reversion": 0.5}}).drift
    assert walk == sim.RandomWalkDrift(step_std_fraction=0.1, mean_reversion=0.5)
    sine = config.overridden({"drift": {"model_type": "sinusoidal"}}).drift
    assert sine == sim.SinusoidalDrift()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"num_cell": 5}, "num_cell"),
        ({"noise": {"snrr": 5}}, "noise.snrr"),
        ({"num_cells": -5}, "num_cells"),
        ({"kernel": {"tau_decay_s": 0.1}}, "kernel.tau_decay_s"),
        ({"noise": 5}, "noise"),
    ],
    ids=str,
)
def test_overrides_are_validated(changes, field):
    with pytest.raises(ValidationError) as refusal:
        sim.SimulationConfig().overridden(changes)
    assert [".".join(map(str, e["loc"])) for e in refusal.value.errors()] == [field]


positive = st.floats(1e-6, 1e6)
fraction = st.floats(0, 1)
variation = st.floats(0, 10)


@settings(deadline=None)  # other processes may take the processor
@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "fs_hz": st.floats(1, 1e3),
            "num_cells": st.integers(1, 1000),
            "alpha_mean": positive,
            "alpha_cv": variation,
            "seed": st.integers(0, 2**32 - 1),
            "noise": st.builds(
                sim.NoiseConfig, snr=positive, shot_noise_fraction=fraction, snr_spread=positive
            ),
            "drift": st.one_of(
                st.builds(sim.RandomWalkDrift, mean_reversion=fraction, step_std_cv=variation),
                st.builds(sim.SinusoidalDrift, cycles_min=st.floats(0.1, 4)),
            ),
            "saturation": st.builds(sim.SaturationConfig, enabled=st.booleans(), k_d=positive),
        },
    )
)
def test_configurations_survive_json_and_an_empty_override(values):
    config = sim.SimulationConfig(**values)
    assert sim.SimulationConfig.model_validate_json(config.model_dump_json()) == config
    assert config.overridden({}) == config


def test_constructor_refuses_mistyped_fields_and_json_ignores_them():
    with pytest.raises(ValidationError, match="num_cell\n"):
        sim.SimulationConfig(num_cell=3)
    with pytest.raises(ValidationError, match=r"kernel\.tau_rise\n"):
        sim.SimulationConfig(kernel={"tau_rise": 0.1})
    text = (
        '{"num_cell": 3, "kernel": {"tau_rise": 0.01}, '
        '"drift": {"model_type": "sinusoidal", "x": 1}}'
    )
    read = sim.SimulationConfig.model_validate_json(text)
    assert read.num_cells == 100
    assert read.kernel.tau_rise_s == 0.1
    assert read.drift.model_type == "sinusoidal"
