from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calab_io import load_tuning_data, save_for_tuning

TRACES = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    # A dot in the stem must not be taken for a suffix.
    return tmp_path / "mouse.3"


def sidecar(stem: Path) -> Path:
    return Path(f"{stem}_metadata.json")


@pytest.mark.installed
def test_round_trip(stem: Path) -> None:
    save_for_tuning(TRACES, 30, stem, {"animal": "m3"})
    traces, metadata = load_tuning_data(stem)
    np.testing.assert_array_equal(traces, TRACES)
    assert metadata == {
        "animal": "m3",
        "schema_version": "1.0.0",
        "sampling_rate_hz": 30.0,
        "num_cells": 2,
        "num_timepoints": 3,
        "dtype": "<f8",
    }


@pytest.mark.parametrize(
    "traces",
    [
        TRACES.astype(np.float32),
        TRACES.astype(">f8"),
        np.asfortranarray(TRACES),
        TRACES.tolist(),
        TRACES.astype(int),
        np.repeat(TRACES, 2, axis=1)[:, ::2],
    ],
)
def test_file_is_little_endian_float64_in_c_order(stem: Path, traces: object) -> None:
    save_for_tuning(traces, 30.0, stem)  # type: ignore[arg-type]
    with open(f"{stem}.npy", "rb") as file:
        np.lib.format.read_magic(file)
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    assert (shape, fortran_order, dtype.str) == ((2, 3), False, "<f8")
    np.testing.assert_array_equal(load_tuning_data(stem)[0], TRACES)


def test_one_trace_becomes_one_row(stem: Path) -> None:
    save_for_tuning(TRACES[0], 30.0, stem)
    traces, metadata = load_tuning_data(stem)
    assert traces.shape == (1, 3)
    assert (metadata["num_cells"], metadata["num_timepoints"]) == (1, 3)


def test_built_in_keys_take_precedence(stem: Path) -> None:
    save_for_tuning(TRACES, 30.0, stem, {"num_cells": 99, "dtype": "<f4"})
    metadata = load_tuning_data(stem)[1]
    assert (metadata["num_cells"], metadata["dtype"]) == (2, "<f8")


def test_metadata_of_numpy_types_and_non_finite_numbers_is_valid_json(stem: Path) -> None:
    given = {"gain": np.float32(0.5), "rois": np.array([1, 2]), "depth": np.nan, "from": Path("a")}
    save_for_tuning(TRACES, 30.0, stem, given)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    metadata = json.loads(sidecar(stem).read_text(), parse_constant=refuse)
    assert metadata["gain"] == 0.5
    assert metadata["rois"] == [1, 2]
    assert metadata["depth"] is None
    assert metadata["from"] == "a"


def test_missing_samples_are_kept(stem: Path) -> None:
    traces = TRACES.copy()
    traces[1, 2] = np.nan
    save_for_tuning(traces, 30.0, stem)
    np.testing.assert_array_equal(load_tuning_data(stem)[0], traces)


def test_infinite_sample_is_refused_with_its_place(stem: Path) -> None:
    traces = TRACES.copy()
    traces[1, 2] = -np.inf
    with pytest.raises(ValueError, match="got -inf at cell 1, frame 2"):
        save_for_tuning(traces, 30.0, stem)
    assert list(stem.parent.iterdir()) == []


@pytest.mark.parametrize("shape", [(), (1, 2, 3)])
def test_other_dimensions_are_refused(stem: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(n_frames,\)"):
        save_for_tuning(np.zeros(shape), 30.0, stem)


@pytest.mark.parametrize("fs", [0.0, -1.0, np.nan, np.inf])
def test_impossible_rates_are_refused(stem: Path, fs: float) -> None:
    with pytest.raises(ValueError, match="expected a positive, finite fs"):
        save_for_tuning(TRACES, fs, stem)


def test_complex_traces_and_inexpressible_metadata_are_refused(stem: Path) -> None:
    with pytest.raises(TypeError, match="traces: expected real numbers, got dtype complex128"):
        save_for_tuning(TRACES * 1j, 30.0, stem)
    with pytest.raises(
        TypeError, match=r"metadata: expected what JSON can express: .*not JSON serializable"
    ):
        save_for_tuning(TRACES, 30.0, stem, {"x": object()})
    assert list(stem.parent.iterdir()) == []


def test_failed_save_keeps_the_older_pair(stem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_for_tuning(TRACES, 30.0, stem)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_for_tuning(TRACES + 1, 20.0, stem)
    np.testing.assert_array_equal(load_tuning_data(stem)[0], TRACES)
    assert len(list(stem.parent.iterdir())) == 2


@pytest.mark.parametrize("end", [".npy", "_metadata.json"])
def test_both_files_are_needed(stem: Path, end: str) -> None:
    save_for_tuning(TRACES, 30.0, stem)
    Path(f"{stem}{end}").unlink()
    with pytest.raises(FileNotFoundError, match=rf"mouse\.3{end}: no such file"):
        load_tuning_data(stem)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "expected a JSON file"), ("[1]", "expected a JSON object, got list")],
)
def test_broken_sidecar_is_refused(stem: Path, text: str, message: str) -> None:
    save_for_tuning(TRACES, 30.0, stem)
    sidecar(stem).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_tuning_data(stem)


def test_pair_that_does_not_belong_together_is_refused(stem: Path) -> None:
    save_for_tuning(TRACES, 30.0, stem)
    np.save(f"{stem}.npy", TRACES[:1])
    with pytest.raises(ValueError, match=r"expected 2 cells x 3 frames .* got 1 x 3"):
        load_tuning_data(stem)


def test_masked_samples_become_missing(stem: Path) -> None:
    save_for_tuning(np.ma.masked_equal(np.array([[1, 2, 3]]), 2), 30.0, stem)
    np.testing.assert_array_equal(load_tuning_data(stem)[0], [[1.0, np.nan, 3.0]])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"traces": np.ones((1, 3), dtype=bool)}, TypeError, "traces: expected real numbers"),
        ({"traces": [[1.0], [1.0, 2.0]]}, ValueError, "traces: expected rows of equal length"),
        ({"fs": "30"}, TypeError, "fs: expected a number, got '30'"),
        ({"fs": None}, TypeError, "fs: expected a number, got None"),
        ({"metadata": [1]}, TypeError, "metadata: expected a dict, got list"),
    ],
)
def test_wrong_arguments_are_named(
    stem: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        save_for_tuning(**{"traces": TRACES, "fs": 30.0, "path": stem, **changes})
    assert list(stem.parent.iterdir()) == []
