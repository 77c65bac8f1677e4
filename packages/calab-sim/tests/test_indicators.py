import calab_sim as sim
import pytest
from pydantic import ValidationError

INDICATORS = {
    "gcamp6f": (0.1, 0.6, 20),
    "gcamp6s": (0.4, 1.8, 25),
    "gcamp6m": (0.15, 0.9, 22),
    "jgcamp8f": (0.05, 0.3, 12),
    "jgcamp8m": (0.02, 0.3, 15),
    "jgcamp8s": (0.03, 0.6, 20),
    "ogb1": (0.05, 1.5, 15),
    "clean": (0.1, 0.6, 200),
}


@pytest.mark.parametrize("name", INDICATORS)
def test_a_preset_sets_its_constants_and_nothing_else(name):
    tau_rise, tau_decay, snr = INDICATORS[name]
    values = {
        "kernel": sim.KernelConfig(tau_rise_s=tau_rise, tau_decay_s=tau_decay),
        "noise": sim.NoiseConfig(snr=snr),
    }
    if name == "clean":
        values |= {"drift": sim.RandomWalkDrift(step_std_fraction=0), "alpha_cv": 0}
    assert getattr(sim.presets, name)() == sim.SimulationConfig(**values)


def test_every_preset_is_tested():
    assert set(INDICATORS) == {name for name in vars(sim.presets) if not name.startswith("_")}


@pytest.mark.parametrize("name", INDICATORS)
def test_a_field_that_the_preset_sets_can_be_overridden(name):
    preset = getattr(sim.presets, name)
    changed = preset(noise={"snr": 3}, num_cells=5, kernel={"tau_decay_cv": 0.2}, alpha_cv=0.1)
    assert changed.noise.snr == 3.0
    assert (changed.num_cells, changed.alpha_cv) == (5, 0.1)
    nominal = preset().kernel
    assert changed.kernel == nominal.model_copy(update={"tau_decay_cv": 0.2})
    assert preset(noise=sim.NoiseConfig(snr=4)).noise == sim.NoiseConfig(snr=4)


@pytest.mark.parametrize(
    ("overrides", "field"), [({"snr": 3}, "snr"), ({"noise": {"snr": -3}}, "noise.snr")]
)
def test_overrides_of_a_preset_are_validated(overrides, field):
    with pytest.raises(ValidationError, match=field):
        sim.presets.clean(**overrides)
