"""Settings of an automated deconvolution: fields, defaults, ranges."""

import os
import re

import numpy as np
import pytest
from calab_core import CadeconSettings, DeconConfig, run_cadecon
from pydantic import ValidationError

#: The documented fields, in their order; all but the first are None where nothing is set.
FIELDS = (
    "autorun",
    "upsample_target",
    "hp_filter_enabled",
    "lp_filter_enabled",
    "max_iterations",
    "convergence_tol",
    "num_subsets",
    "target_coverage",
    "aspect_ratio",
    "seed",
)
DEFAULTS = {
    "upsample_target": 300,
    "hp_filter_enabled": True,
    "lp_filter_enabled": True,
    "max_iterations": 20,
    "convergence_tol": 0.005,
    "patience": 3,
    "num_subsets": 4,
    "target_coverage": 0.25,
    "aspect_ratio": 1.0,
    "seed": 42,
    "noise_constrained": True,
    "kernel": "shared",
}


@pytest.mark.installed
def test_the_configuration_has_the_documented_fields():
    assert tuple(DeconConfig.model_fields) == FIELDS
    assert DeconConfig().model_dump() == dict.fromkeys(FIELDS[1:]) | {"autorun": False}


@pytest.mark.installed
def test_defaults_of_a_native_run_are_those_of_the_app():
    assert CadeconSettings().model_dump() == DEFAULTS
    assert DeconConfig().resolve() == CadeconSettings()


def test_no_default_depends_on_the_machine(monkeypatch):
    expected = CadeconSettings()
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert CadeconSettings() == DeconConfig().resolve() == expected


def test_the_dictionary_holds_only_what_is_set():
    assert DeconConfig().to_dict() == {"autorun": False}
    config = DeconConfig(autorun=True, seed=0, hp_filter_enabled=False)
    assert config.to_dict() == {"autorun": True, "seed": 0, "hp_filter_enabled": False}
    assert DeconConfig(**config.to_dict()) == config


def test_resolving_fills_in_the_defaults():
    config = DeconConfig(autorun=True, seed=0, hp_filter_enabled=False, target_coverage=1.0)
    settings = config.resolve(patience=5, kernel="per_cell", noise_constrained=None)
    changed = {"seed": 0, "hp_filter_enabled": False, "target_coverage": 1.0}
    changed |= {"patience": 5, "kernel": "per_cell"}
    assert settings.model_dump() == DEFAULTS | changed


def test_resolving_refuses_what_is_unknown_or_out_of_range():
    with pytest.raises(ValueError, match="nothing"):
        DeconConfig().resolve(nothing=1)
    with pytest.raises(ValueError, match="patience"):
        DeconConfig().resolve(patience=0)


RANGES = [
    ("upsample_target", (1, 1000), (0, -1, 1.5)),
    ("max_iterations", (1, 200), (0, 201)),
    ("convergence_tol", (1e-9, 0.999), (0.0, 1.0, float("nan"))),
    ("num_subsets", (1, 100), (0, -4, 101)),
    ("target_coverage", (1e-6, 1.0), (0.0, 1.001, float("nan"))),
    ("aspect_ratio", (0.125, 8.0), (0.0, -1.0, float("inf"), float("nan"))),
    ("seed", (0, 2**32 - 1), (-1, 2**32)),
]


@pytest.mark.parametrize("model", [DeconConfig, CadeconSettings])
@pytest.mark.parametrize(("name", "good", "bad"), RANGES)
def test_ranges(model, name, good, bad):
    for value in good:
        assert getattr(model(**{name: value}), name) == value
    for value in bad:
        with pytest.raises(ValidationError, match=name):
            model(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("patience", 0), ("kernel", "both"), ("noise_constrained", "perhaps")]
)
def test_ranges_of_what_only_a_native_run_has(name, value):
    with pytest.raises(ValidationError, match=name):
        CadeconSettings(**{name: value})
    with pytest.raises(ValidationError, match=name):
        DeconConfig(**{name: value})


@pytest.mark.parametrize("model", [DeconConfig, CadeconSettings])
@pytest.mark.parametrize(("name", "good", "bad"), RANGES)
def test_neither_text_nor_truth_is_a_number(model, name, good, bad):
    for value in ("5", b"5", True, np.True_):
        with pytest.raises(ValidationError, match=rf"{name}\n  Input should be a number"):
            model(**{name: value})


@pytest.mark.parametrize("model", [DeconConfig, CadeconSettings])
@pytest.mark.parametrize("name", ["hp_filter_enabled", "lp_filter_enabled"])
def test_neither_text_nor_a_number_is_a_flag(model, name):
    assert getattr(model(**{name: np.False_}), name) is False
    for value in ("no", 0, 1.0):
        with pytest.raises(ValidationError, match=rf"{name}\n  Input should be True or False"):
            model(**{name: value})


def test_what_is_set_later_is_checked_too():
    config = DeconConfig()
    config.max_iterations = 5
    with pytest.raises(ValidationError, match="max_iterations"):
        config.max_iterations = -3
    assert config.max_iterations == 5


IN_ONE_LINE = [
    ({"upsample_target": 0}, ValueError, "upsample_target: expected at least 1, got 0"),
    *(
        ({"upsample_target": 10**n}, ValueError, "upsample_target: expected at most 1000000, got a")
        for n in (60, 5000)
    ),
    ({"kernel": 3}, TypeError, "kernel: expected 'shared' or 'per_cell', got 3"),
    (
        {"config": DeconConfig().model_copy(update={"seed": -5})},
        ValueError,
        "seed: expected at least 0, got -5",
    ),
    ({"max_iterations": "5"}, TypeError, "max_iterations: expected a number, got '5'"),
    ({"seed": 1.5}, ValueError, "seed: expected a valid integer, got 1.5"),
    ({"kernel": "x"}, ValueError, "kernel: expected 'shared' or 'per_cell', got 'x'"),
    ({"noise_constrained": "no"}, TypeError, "noise_constrained: expected True or False, got 'no'"),
    (
        {"seed": -1, "patience": "a"},
        ValueError,
        "patience: expected a number, got 'a'; seed: expected at least 0, got -1",
    ),
    ({"progress": True}, TypeError, "progress: expected a function or None, got True"),
]


@pytest.mark.parametrize(("given", "error", "message"), IN_ONE_LINE)
def test_arguments_out_of_range_are_refused_in_one_line(given, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}[^\n]*$"):
        run_cadecon(np.zeros((1, 100)), **given)


@pytest.mark.parametrize("model", [DeconConfig, CadeconSettings])
def test_unknown_fields_are_refused(model):
    with pytest.raises(ValidationError, match="sead"):
        model(sead=1)


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        CadeconSettings().seed = 1
    assert hash(CadeconSettings()) == hash(CadeconSettings(seed=42))
