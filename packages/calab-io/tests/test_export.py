from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calab_core import bandpass_filter, run_deconvolution, run_deconvolution_full
from calab_io import deconvolve_from_export, load_export_params, read

PARAMETERS = {
    "tau_rise_s": 0.1,
    "tau_decay_s": 0.6,
    "lambda": 0.05,
    "sampling_rate_hz": 20,
    "filter_enabled": False,
}


def export(path: Path, **changes: Any) -> Path:
    parameters = {k: v for k, v in {**PARAMETERS, **changes}.items() if v is not ...}
    path.write_text(json.dumps({"schema_version": "1.1.0", "parameters": parameters}))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catune-params.json"


@pytest.fixture
def traces() -> np.ndarray:
    """Two noisy cells with decaying events on a slow drift, 400 frames at 20 Hz."""
    rng = np.random.default_rng(7)
    response = np.exp(-np.arange(60) / 12) - np.exp(-np.arange(60) / 2)
    spikes = rng.random((2, 400)) < 0.03
    calcium = np.array([np.convolve(row, response)[:400] for row in spikes])
    return calcium + np.sin(np.arange(400) / 90) + rng.normal(0, 0.05, (2, 400))


def test_parameters_get_their_documented_names(path: Path) -> None:
    assert load_export_params(export(path)) == {
        "tau_rise": 0.1,
        "tau_decay": 0.6,
        "lambda_": 0.05,
        "fs": 20.0,
        "filter_enabled": False,
    }


def test_later_minor_version_with_more_fields_is_read(path: Path) -> None:
    document = {"schema_version": "1.2.0", "parameters": {**PARAMETERS, "t_peak_s": 0.195}}
    path.write_text(json.dumps(document))
    assert load_export_params(str(path))["fs"] == 20.0


def test_filter_is_off_where_the_export_does_not_say(path: Path) -> None:
    assert load_export_params(export(path, filter_enabled=...))["filter_enabled"] is False


@pytest.mark.parametrize("field", ["tau_rise_s", "tau_decay_s", "lambda", "sampling_rate_hz"])
def test_missing_field_is_named(path: Path, field: str) -> None:
    with pytest.raises(KeyError, match=rf"no field parameters\.{field}"):
        load_export_params(export(path, **{field: ...}))


def test_document_without_parameters_is_no_export(path: Path) -> None:
    path.write_text("{}")
    with pytest.raises(KeyError, match="expected a CaTune export"):
        load_export_params(path)


@pytest.mark.parametrize("value", [None, "0.1", True, float("nan")])
def test_field_that_is_no_number_is_refused(path: Path, value: object) -> None:
    with pytest.raises(ValueError, match=r"expected a finite number in parameters\.tau_rise_s"):
        load_export_params(export(path, tau_rise_s=value))


def test_filter_flag_that_is_no_truth_value_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="expected filter_enabled true or false, got 'no'"):
        load_export_params(export(path, filter_enabled="no"))


def test_missing_and_broken_files_are_refused(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_export_params(path)
    path.write_text("not json")
    with pytest.raises(ValueError, match="expected a JSON file"):
        load_export_params(path)


@pytest.mark.installed
def test_deconvolution_uses_the_exported_parameters(path: Path, traces: np.ndarray) -> None:
    activity = deconvolve_from_export(traces, export(path))
    expected = run_deconvolution(traces, 20.0, 0.1, 0.6, 0.05)
    np.testing.assert_array_equal(activity, expected)
    assert activity.shape == traces.shape
    assert activity.any()


def test_one_trace_gives_one_trace(path: Path, traces: np.ndarray) -> None:
    activity = deconvolve_from_export(traces[0], export(path))
    np.testing.assert_array_equal(activity, deconvolve_from_export(traces, export(path))[0])


def test_each_row_is_filtered_when_flagged(path: Path, traces: np.ndarray) -> None:
    before = traces.copy()
    full = deconvolve_from_export(traces, export(path, filter_enabled=True), return_full=True)
    filtered = np.array([bandpass_filter(row, 0.1, 0.6, 20.0) for row in traces], dtype=float)
    expected = run_deconvolution_full(filtered, 20.0, 0.1, 0.6, 0.05)
    np.testing.assert_array_equal(full.activity, expected.activity)
    np.testing.assert_array_equal(full.reconvolution, expected.reconvolution)
    np.testing.assert_array_equal(traces, before)


def test_gaps_stay_gaps_through_the_filter(path: Path, traces: np.ndarray) -> None:
    traces[0, 100:110] = np.nan
    traces[1] = np.nan
    full = deconvolve_from_export(traces, export(path, filter_enabled=True), return_full=True)
    np.testing.assert_allclose(full.details.masked_fraction, [10 / 400, 1.0])
    assert np.isfinite(full.activity).all()
    assert full.activity[0].any()


def test_further_options_reach_the_solver(path: Path, traces: np.ndarray) -> None:
    traces[0, 3] = np.nan
    with pytest.raises(ValueError, match="got nan at cell 0, frame 3"):
        deconvolve_from_export(traces, export(path), on_nan="raise")


def test_filtering_refuses_three_dimensions(path: Path, traces: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(n_frames,\) or \(n_cells, n_frames\)"):
        deconvolve_from_export(traces[None], export(path, filter_enabled=True))


@pytest.mark.parametrize("filtered", [True, False])
def test_masked_samples_are_missing(path: Path, traces: np.ndarray, filtered: bool) -> None:
    mask = np.zeros(traces.shape, dtype=bool)
    mask[0, 100:110] = True
    hidden = np.ma.masked_array(np.where(mask, 1e6, traces), mask)
    missing = np.where(mask, np.nan, traces)
    source = export(path, filter_enabled=filtered)
    expected = deconvolve_from_export(missing, source)
    np.testing.assert_array_equal(deconvolve_from_export(hidden, source), expected)


def test_filter_does_not_look_across_segments(path: Path, traces: np.ndarray) -> None:
    source = export(path, filter_enabled=True)
    activity = deconvolve_from_export(traces, source, segments=[0, 150])
    parts = [bandpass_filter(part, 0.1, 0.6, 20.0) for part in (traces[:, :150], traces[:, 150:])]
    expected = run_deconvolution(np.hstack(parts), 20.0, 0.1, 0.6, 0.05, segments=[0, 150])
    np.testing.assert_array_equal(activity, expected)


@pytest.mark.parametrize(
    ("traces", "error", "message"),
    [
        (["a", "b"], TypeError, "expected real numbers"),
        (np.ones(9) * 1j, TypeError, "expected real numbers, got dtype complex128"),
        (np.ones(9, dtype=bool), TypeError, "expected real numbers, got dtype bool"),
        ([[1.0, 2.0], [1.0]], ValueError, "expected rows of equal length"),
        ([[0.0, 0.0], [0.0, np.inf]], ValueError, "got inf at cell 1, frame 1"),
    ],
)
@pytest.mark.parametrize("filtered", [True, False])
def test_traces_that_are_none_are_refused(
    path: Path, traces: object, error: type[Exception], message: str, filtered: bool
) -> None:
    with pytest.raises(error, match=message):
        deconvolve_from_export(traces, export(path, filter_enabled=filtered))  # type: ignore[call-overload]


def test_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="path: expected a path, got None"):
        load_export_params(None)  # type: ignore[arg-type]
    with pytest.raises(IsADirectoryError, match="expected a file, got a folder"):
        load_export_params(tmp_path)


def test_filtered_traces_need_not_be_in_memory(
    path: Path, traces: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "t.npy", traces)
    lazy = read(tmp_path / "t.npy", fs=20).traces
    export(path, filter_enabled=True)
    expected = deconvolve_from_export(traces, path)
    np.testing.assert_array_equal(deconvolve_from_export(lazy, path), expected)
    made: dict[str, np.ndarray] = {}

    def make(name: str, shape: tuple[int, int], dtype: np.dtype[Any], cells: int) -> np.ndarray:
        made[name] = np.empty(shape, dtype)
        return made[name]

    deconvolve_from_export(lazy, path, True, out=make)
    np.testing.assert_array_equal(made["activity"], expected)
