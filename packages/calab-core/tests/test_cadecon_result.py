"""The documented tuple of eight, and the details that travel with it."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from calab_core import CaDeconDetails, CaDeconResult

FIELDS = (
    "activity",
    "alphas",
    "baselines",
    "pves",
    "kernel_slow",
    "kernel_fast",
    "fs",
    "metadata",
)


@pytest.fixture
def result(cadecon):
    return cadecon(np.zeros((2, 50)), np.eye(2, 50), np.ones(2))


@pytest.mark.installed
def test_unpacks_into_the_documented_eight(result):
    assert result._fields == FIELDS
    assert isinstance(result, tuple)
    activity, alphas, baselines, pves, kernel_slow, kernel_fast, fs, metadata = result
    assert activity is result.activity
    assert alphas is result.alphas
    assert baselines is result.baselines
    assert pves is result.pves
    assert kernel_slow is result.kernel_slow
    assert kernel_fast is result.kernel_fast
    assert fs is result.fs
    assert metadata is result.metadata


COPIES = {
    "pickle": lambda result: pickle.loads(pickle.dumps(result)),
    "oldest pickle": lambda result: pickle.loads(pickle.dumps(result, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_copies_are_whole(result, duplicate):
    again = duplicate(result)
    assert type(again) is CaDeconResult
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(again, name), getattr(result, name))
    for field in dataclasses.fields(CaDeconDetails):
        mine, its = getattr(result.details, field.name), getattr(again.details, field.name)
        assert len(np.atleast_1d(its)) == len(np.atleast_1d(mine))
    np.testing.assert_array_equal(again.details.spike_times[1], result.details.spike_times[1])


def test_replace_keeps_the_details(result):
    replaced = result._replace(fs=20.0)
    assert type(replaced) is CaDeconResult
    assert replaced.fs == 20.0
    assert replaced.details is result.details
    with pytest.raises((TypeError, ValueError), match="nothing"):
        result._replace(nothing=1)


def test_a_result_can_be_made_by_hand():
    result = CaDeconResult([0.0], 1.0, 0.0, 0.5, [1.0], [], 30.0, {})
    assert result == ([0.0], 1.0, 0.0, 0.5, [1.0], [], 30.0, {})
    assert CaDeconResult._make(result) == result
    assert not hasattr(result, "details")


def test_details_are_frozen(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.details.kernel_fs = 0.0
