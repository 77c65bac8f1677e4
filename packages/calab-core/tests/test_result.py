"""The documented tuple of five, and the details that travel with it."""

import copy
import dataclasses
import inspect
import pickle

import numpy as np
import pytest
from calab_core import (
    DeconvolutionDetails,
    DeconvolutionResult,
    run_deconvolution,
    run_deconvolution_full,
)

FIELDS = ("activity", "baseline", "reconvolution", "iterations", "converged")
DOCUMENTED = ["traces", "fs", "tau_r", "tau_d", "lam", "max_iters", "conv_mode", "constraint"]


@pytest.fixture
def result(recording):
    return run_deconvolution_full(recording(2, 100), 30.0, 0.1, 0.6, 0.1)


@pytest.mark.installed
def test_unpacks_into_the_documented_five(result):
    activity, baseline, reconvolution, iterations, converged = result
    assert result._fields == FIELDS
    assert isinstance(result, tuple)
    assert len(result) == 5
    assert activity is result.activity is result[0]
    assert baseline is result.baseline is result[1]
    assert reconvolution is result.reconvolution is result[2]
    assert iterations is result.iterations is result[3]
    assert converged is result.converged is result[4]


@pytest.mark.parametrize("function", [run_deconvolution, run_deconvolution_full])
def test_new_parameters_are_keywords_only(function):
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == DOCUMENTED
    assert all(p.kind is p.KEYWORD_ONLY for p in list(parameters)[len(DOCUMENTED) :])
    defaults = {p.name: p.default for p in parameters if p.name in DOCUMENTED[5:]}
    assert defaults == {"max_iters": 2000, "conv_mode": "fft", "constraint": "nonneg"}


COPIES = {
    "pickle": lambda result: pickle.loads(pickle.dumps(result)),
    "oldest pickle": lambda result: pickle.loads(pickle.dumps(result, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.installed
@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_copies_are_whole(result, duplicate):
    again = duplicate(result)
    assert type(again) is DeconvolutionResult
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(again, name), getattr(result, name))
    assert type(again.details) is DeconvolutionDetails
    for field in dataclasses.fields(DeconvolutionDetails):
        mine, its = getattr(result.details, field.name), getattr(again.details, field.name)
        np.testing.assert_array_equal(its, mine)


def test_a_deep_copy_shares_nothing(result):
    again = copy.deepcopy(result)
    assert not np.shares_memory(again.activity, result.activity)
    assert not np.shares_memory(again.details.removed_baseline, result.details.removed_baseline)


def test_replace_keeps_the_details(result):
    replaced = result._replace(baseline=np.zeros(2))
    assert type(replaced) is DeconvolutionResult
    assert replaced.details is result.details
    assert replaced.activity is result.activity
    np.testing.assert_array_equal(replaced.baseline, 0.0)
    with pytest.raises((TypeError, ValueError), match="nothing"):
        result._replace(nothing=1)


def test_a_result_can_be_made_by_hand():
    result = DeconvolutionResult([1.0], 0.0, [1.0], 3, True)
    assert result == ([1.0], 0.0, [1.0], 3, True)
    assert DeconvolutionResult._make(result) == result
    assert copy.copy(result) == result
    assert "converged=True" in repr(result)
    assert not hasattr(result, "details")


def test_details_are_frozen(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.details.gap = 0.0


@pytest.mark.installed
def test_one_trace_gives_numbers_and_several_give_arrays(recording):
    traces = recording(3, 100)
    single = run_deconvolution_full(traces[0], 30.0, 0.1, 0.6, "auto")
    row = run_deconvolution_full(traces[:1], 30.0, 0.1, 0.6, "auto")
    many = run_deconvolution_full(traces, 30.0, 0.1, 0.6, "auto")
    for result, shape in ((single, (100,)), (row, (1, 100)), (many, (3, 100))):
        for array in (result.activity, result.reconvolution, result.details.removed_baseline):
            assert (array.shape, array.dtype) == (shape, np.float64)
    assert run_deconvolution(traces[0], 30.0, 0.1, 0.6, "auto").shape == (100,)
    assert run_deconvolution(traces[:1], 30.0, 0.1, 0.6, "auto").shape == (1, 100)
    numbers = {"baseline": float, "iterations": int, "converged": bool}
    for name, kind in numbers.items():
        assert type(getattr(single, name)) is kind
        assert getattr(row, name).shape == (1,)
        assert getattr(many, name).shape == (3,)
        assert getattr(many, name)[0] == getattr(single, name)
    for field in dataclasses.fields(DeconvolutionDetails):
        one, several = (getattr(result.details, field.name) for result in (single, many))
        if field.name == "method":
            assert one == several == "exact"
        elif field.name != "removed_baseline":
            assert type(one) in (float, str)
            assert several.shape == (3,)
            assert several[0] == one


def test_the_short_form_is_the_activity_of_the_long_one(recording):
    traces = recording(2, 300)
    for options in ({}, {"constraint": "box01"}, {"baseline_mode": "constant"}):
        short = run_deconvolution(traces, 30.0, 0.1, 0.6, 0.1, **options)
        full = run_deconvolution_full(traces, 30.0, 0.1, 0.6, 0.1, **options)
        assert short.tobytes() == full.activity.tobytes()
