"""Recordings that break the pipeline's assumptions get an answer with its reason."""

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from calab_core import CadeconSettings, build_kernel, quality, run_cadecon
from calab_core.cadecon import pipeline, search
from calab_core.cadecon.kernel import Kernel
from calab_core.cadecon.subsets import place_subsets
from calab_solver import simulate_cells

pytestmark = pytest.mark.filterwarnings("error")

FS, SHAPE = 30.0, (6, 3000)


def noise(n_cells, n_frames):
    return np.random.default_rng(0).standard_normal((n_cells, n_frames)) / 8


@pytest.fixture(scope="module")
def small():
    given = {"tau_rise": 0.05, "tau_decay": 0.4, "p_spike_when_silent": 0.001}
    return simulate_cells(*SHAPE, FS, seed=1, **given).clean_calcium.astype(float) + noise(*SHAPE)


@pytest.fixture(scope="module")
def usual(small):
    return run_cadecon(small, FS)


def answer(traces, fs=FS, **settings):
    """Run, and check what holds for every answer."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run_cadecon(traces, fs, **settings)
    doubt = result.metadata["kernel_doubt"]
    expected = [] if doubt is None else [f"the kernel may be wrong: {doubt}"]
    assert [str(warning.message) for warning in caught] == expected
    details, shape = result.details, np.atleast_2d(traces).shape
    assert result.activity.shape == details.rate.shape == details.reconvolution.shape == shape
    assert np.isfinite(result.activity).all()
    assert np.isfinite(details.rate).all()
    assert 0 < result.metadata["tau_rise"] < result.metadata["tau_decay"]
    json.dumps(result.metadata, allow_nan=False)
    judged = quality(result, traces)
    np.testing.assert_array_equal(judged.pve, result.pves)
    for cell in details.excluded:
        assert not result.activity[cell].any()
        assert np.isnan(result.alphas[cell])
        assert not details.scale_known[cell]
        assert not details.converged[cell]
        assert judged.flags[cell][0] == "excluded"
    return result, judged


def test_no_events():
    result, judged = answer(noise(4, 3000))
    assert not result.activity.any()
    assert not result.details.scale_known.any()
    assert all("no events" in flags for flags in judged.flags)
    assert result.metadata["kernel_doubt"] == "no spike was found"
    # As in `solve_trace`, there is no amplitude of one spike where there is none.
    assert not result.alphas.any()
    assert np.isnan(result.details.alpha_sd).all()


def test_one_event():
    traces = noise(3, 3000)
    kernel = build_kernel(0.05, 0.4, FS).astype(float)
    traces[0, 1000 : 1000 + kernel.size] += kernel
    result, judged = answer(traces)
    times = result.details.spike_times
    # Nothing tells how many spikes it was, so it is one; it is there and nowhere else.
    assert times[0].size == 1
    np.testing.assert_allclose(times[0], 1000 / FS, atol=0.1)
    assert times[1].size == times[2].size == 0
    assert result.details.units.tolist() == ["arbitrary"] * 3
    assert "scale unknown" in judged.flags[0]


@pytest.mark.parametrize("seed", range(4))
def test_few_events_of_one_cell_are_found_wherever_they_are(seed):
    traces = np.random.default_rng(seed).standard_normal((4, 3000)) / 8
    kernel = build_kernel(0.05, 0.25, FS).astype(float)
    # Where the kernel is looked for at first there are none of them.
    taken = place_subsets(4, 3000, CadeconSettings())
    first = [one for one in taken if one.first_cell == 0]
    free = [
        k for k in range(0, 2900, 150) if not any(overlap(k, kernel.size, one) for one in first)
    ]
    for k in free[:5]:
        traces[0, k : k + kernel.size] += kernel
    result, _ = answer(traces)
    assert result.activity[0].sum() == pytest.approx(5, abs=1)
    assert result.metadata["kernel_method"] == "searched"
    assert result.metadata["tau_decay"] == pytest.approx(0.25, rel=0.4)


def overlap(frame, length, subset):
    return frame + length > subset.first_frame and frame < subset.end_frame


def test_spikes_under_an_assumed_kernel_are_doubted(small, monkeypatch):
    monkeypatch.setattr(search._Search, "begin", lambda self: None)
    result, _ = answer(small)
    assert result.activity.any()
    assert result.metadata["kernel_method"] == "assumed"
    assert result.metadata["kernel_doubt"].startswith("it was assumed, for no event was found")


@pytest.mark.parametrize("kernel", ["shared", "per_cell"])
def test_a_search_that_ends_without_events_has_no_kernel(small, kernel, monkeypatch):
    def go_on(self, end):
        # Where it wandered is of no use, nor are the kernels of cells corrected by it.
        self.found.searched = Kernel(0.3, 2.4)
        self.iteration, self.found.n_events = end, 0

    monkeypatch.setattr(search._Search, "go_on", go_on)
    metadata = answer(small, kernel=kernel)[0].metadata
    assert metadata["kernel_method"] == metadata["history"][-1]["method"] == "assumed"
    if kernel == "shared":
        assert (metadata["tau_rise"], metadata["tau_decay"]) == (0.1, 0.6)
    else:
        assert 0.4 < metadata["tau_decay"] < 0.6
    assert not metadata["converged"]


@pytest.mark.parametrize(
    ("method", "n_unsure", "doubted"),
    [("searched", 4, True), ("searched", 3, False), ("sampled", 6, False)],
)
def test_a_searched_kernel_of_cells_that_never_rest_is_doubted(
    small, method, n_unsure, doubted, monkeypatch
):
    look_over = pipeline.look_over

    def unsure(*given):
        survey = look_over(*given)
        return replace(survey, drift=replace(survey.drift, unsure=frozenset(range(n_unsure))))

    monkeypatch.setattr(pipeline, "look_over", unsure)
    monkeypatch.setattr(search, "holds", lambda *given, **options: method == "sampled")
    metadata = answer(small)[0].metadata
    assert metadata["kernel_method"] == method
    expected = f"{n_unsure} of 6 cells drift or are so active" if doubted else None
    if expected is None:
        assert metadata["kernel_doubt"] is None
    else:
        assert metadata["kernel_doubt"].startswith(expected)


def test_one_cell_is_the_same_with_one_axis_or_two(small):
    rows, _ = answer(small[:1])
    row, _ = answer(small[0])
    assert rows.activity.sum() > 0
    assert rows.activity.tobytes() == row.activity.tobytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda trace: np.minimum(trace, 0.1), "saturated: "),
        (lambda trace: np.full(trace.shape, 7.0), "constant: every recorded frame is 7"),
        (lambda trace: np.full(trace.shape, np.nan), "no frame was recorded"),
        (lambda trace: np.where(np.arange(3000) < 9, trace, np.nan), "only 9 frames were recorded"),
    ],
)
def test_a_cell_with_nothing_to_deconvolve_has_its_reason(small, change, reason):
    traces = small.copy()
    traces[1] = change(small[1])
    result, _ = answer(traces)
    assert list(result.details.excluded) == [1]
    assert result.details.excluded[1].startswith(reason)
    assert result.metadata["excluded"] == {"1": result.details.excluded[1]}
    assert result.activity[0].sum() > 0
    none, _ = answer(np.array([change(trace) for trace in small]))
    assert list(none.details.excluded) == list(range(6))


@pytest.mark.parametrize("shape", [(0, 100), (3, 0), (0, 0), (3, 1), (6, 10)])
def test_hardly_a_recording(shape):
    result, _ = answer(noise(*shape))
    assert len(result.details.excluded) == shape[0]


@pytest.mark.parametrize("n_frames", [16, 20])
def test_few_frames_claim_nothing(n_frames):
    result, _ = answer(noise(3, n_frames))
    assert not result.details.excluded
    assert not result.details.scale_known.any()


def test_moderate_drift(small, usual):
    result, _ = answer(small + np.linspace(0, 2, SHAPE[1]))
    known = usual.details.scale_known & result.details.scale_known
    assert known.sum() >= 3
    counts, expected = (r.activity[known].sum(axis=1) for r in (result, usual))
    np.testing.assert_allclose(counts, expected, rtol=0.15, atol=2)


SECONDS = np.arange(SHAPE[1]) / FS
#: Drifts whose range is 1, as functions of the cell.
DRIFTS = {
    "ramp": lambda cell: SECONDS / SECONDS[-1],
    "sine": lambda cell: 0.5 * np.sin(2 * np.pi * SECONDS / 60 + cell),
    "fast sine": lambda cell: 0.5 * np.sin(2 * np.pi * SECONDS / 30 + cell),
    "bleaching": lambda cell: np.exp(-SECONDS / 25),
    "fast bleaching": lambda cell: np.exp(-SECONDS / 8),
    "step": lambda cell: (SECONDS - 4 * cell > 40).astype(float),
    "walk": lambda cell: walk(cell),
}


def walk(cell):
    steps = np.random.default_rng(cell).standard_normal(SHAPE[1] + 60)
    path = np.convolve(np.cumsum(steps), np.full(61, 1 / 61), mode="valid")
    return path / np.ptp(path)


def drifting(name, size):
    return size * np.stack([DRIFTS[name](cell) for cell in range(SHAPE[0])])


@pytest.mark.parametrize("size", [10.0, 30.0])
@pytest.mark.parametrize("name", DRIFTS)
def test_strong_drift_is_named_and_claims_nothing_wrong(small, usual, name, size):
    result, judged = answer(small + drifting(name, size))
    known = result.details.scale_known
    assert np.all(np.abs(result.alphas[known] - 1) < 0.3)
    counts, expected = (r.activity[known].sum(axis=1) for r in (result, usual))
    np.testing.assert_allclose(counts, expected, rtol=0.3, atol=3)
    flagged = [cell for cell, flags in enumerate(judged.flags) if "drift" in flags]
    assert flagged == sorted(result.details.drift)
    assert len(flagged) >= 5
    moving = [cell for cell, said in result.details.drift.items() if "trend" in said]
    expected = f"trends were taken off {len(moving)} of 6 cells, and what is left of them may"
    doubt = result.metadata["kernel_doubt"]
    assert doubt is None if len(moving) <= 3 else doubt.startswith(expected)
    assert result.metadata["drift"] == {str(k): v for k, v in result.details.drift.items()}


@pytest.mark.parametrize("name", DRIFTS)
def test_strong_drift_of_silent_cells_is_no_activity(name):
    result, judged = answer(noise(*SHAPE) + drifting(name, 10.0))
    assert not result.details.scale_known.any()
    # A random walk has kinks that no trend follows.
    assert np.median(result.activity.sum(axis=1)) < (60 if name == "walk" else 30)
    assert all("drift" in flags for flags in judged.flags)


def test_the_scale_of_clipped_cells_is_not_claimed(small, usual):
    ceiling = np.quantile(small, 0.99, axis=1, keepdims=True)
    result, judged = answer(np.minimum(small, ceiling))
    assert usual.details.scale_known.any()
    assert not result.details.scale_known.any()
    assert all("saturated" in flags for flags in judged.flags)


@pytest.mark.parametrize(("name", "least"), [("ramp", 0.95), ("bleaching", 0.95), ("sine", 0.9)])
def test_what_is_above_a_drift_is_the_calcium(small, usual, name, least):
    result, _ = answer(small + drifting(name, 10.0))
    fits = [r.details.reconvolution - r.details.removed_baseline for r in (result, usual)]
    alike = [np.corrcoef(*pair)[0, 1] for pair in zip(*fits, strict=True)]
    assert min(alike) > least


@pytest.mark.parametrize("period", [15.0, 20.0, 27.0])
def test_what_a_wave_below_one_spike_spoils_is_not_claimed(period):
    # Within the quantile's window, and large enough to be held up by events.
    t = np.arange(SHAPE[1]) / FS
    wave = 0.3 * np.sin(2 * np.pi * t / period)
    given = {"tau_rise": 0.05, "tau_decay": 0.4, "p_spike_when_silent": 0.01, "snr": 1e9}
    drawn = simulate_cells(3, SHAPE[1], FS, p_silent_to_active=0.0, seed=5, **given)
    traces = drawn.clean_calcium + wave + 0.8 * noise(3, SHAPE[1])
    result, _ = answer(traces)
    wrong = np.abs(result.activity.sum(axis=1) / drawn.spikes.sum(axis=1) - 1) > 0.15
    assert not np.any(wrong & result.details.scale_known)


def test_no_drift_is_left_alone(small, usual):
    assert usual.details.drift == usual.metadata["drift"] == {}
    judged = quality(usual, small)
    assert not any("drift" in flags for flags in judged.flags)


@pytest.mark.parametrize("fs", [3.0, 300.0])
def test_a_wrong_sampling_rate_only_stretches_time(small, usual, fs):
    result, _ = answer(small, fs)
    known = usual.details.scale_known & result.details.scale_known
    assert known.sum() >= 3
    counts, expected = (r.activity[known].sum(axis=1) for r in (result, usual))
    np.testing.assert_allclose(counts, expected, rtol=0.1, atol=2)
    assert result.metadata["tau_decay"] * fs == pytest.approx(0.4 * FS, rel=0.15)


@pytest.mark.parametrize(
    ("fs", "bound"),
    [
        (0.01, "a decay of [0-9.]+ s is the (shortest|longest)"),
        (0.3, "a (rise|decay) of [0-9.]+ s is the longest"),
        (600.0, "a decay of [0-9.]+ s is the shortest"),
        (1e4, "a decay of [0-9.]+ s is the shortest"),
    ],
)
def test_a_kernel_at_the_end_of_what_is_plausible_doubts_the_rate(small, fs, bound):
    result, _ = answer(small, fs)
    metadata = result.metadata
    assert not result.details.scale_known.any()
    doubt = rf"{bound} that was searched: is fs, {fs:g} Hz, the rate of these traces\?"
    assert re.fullmatch(doubt, metadata["kernel_doubt"])
    assert not metadata["converged"]
    assert metadata["converged_at_iteration"] is None
    # Where nothing is known of the shape nothing is known of times within a frame.
    assert metadata["upsample_factor"] == 1


def test_a_cell_too_small_for_single_precision_has_its_reason(small):
    traces = small.copy()
    traces[1] *= 1e-200
    result, _ = answer(traces)
    assert result.details.excluded == {1: "no value beyond 1e-30, too small for single precision"}


def test_a_tiny_rate_is_no_error_of_another_argument(small):
    with pytest.warns(UserWarning, match="the kernel may be wrong"):
        assert not run_cadecon(small, 1e-9).metadata["converged"]


def test_a_rate_beyond_any_microscope_is_refused(small):
    with pytest.raises(ValueError, match=r"^fs: expected frames per second, up to 100000, got"):
        run_cadecon(small, 1e9)


def test_the_grid_has_a_thousand_bins_per_frame_at_most(small):
    result = run_cadecon(small[:1, :300], FS, upsample_target=100_000)
    assert result.metadata["upsample_factor"] == 1000


FORMS = {
    "int32": (lambda traces: np.round(1000 * traces).astype(np.int32), 1e3),
    "uint8": (lambda traces: np.clip(np.round(20 * traces + 50), 0, 255).astype(np.uint8), 20.0),
    "float32": (lambda traces: traces.astype(np.float32), 1.0),
    "negative": (lambda traces: traces - 100, 1.0),
    "huge offset": (lambda traces: traces + 1e6, 1.0),
    "tiny": (lambda traces: 1e-9 * traces, 1e-9),
    "huge": (lambda traces: 1e12 * traces, 1e12),
}


@pytest.mark.parametrize(("change", "unit"), FORMS.values(), ids=FORMS)
def test_forms_and_units(small, usual, change, unit):
    result, _ = answer(change(small))
    known = usual.details.scale_known & result.details.scale_known
    assert known.sum() >= 3
    counts, expected = (r.activity[known].sum(axis=1) for r in (result, usual))
    np.testing.assert_allclose(counts, expected, rtol=0.05, atol=1)
    np.testing.assert_allclose(result.alphas[known], unit * usual.alphas[known], rtol=0.05)


def test_inverted_traces_claim_nothing(small):
    result, _ = answer(-small)
    assert not result.details.scale_known.any()


def test_what_single_precision_cannot_hold_is_refused(small):
    with pytest.raises(ValueError, match=r"^traces: expected values up to 1e\+30, got"):
        run_cadecon(1e300 * small, FS)


def test_every_second_frame_missing_leaves_the_counts(small, usual):
    known = usual.details.scale_known
    result, _ = answer(np.where(np.arange(SHAPE[1]) % 2 == 0, small, np.nan))
    counts, expected = (r.activity[known].sum(axis=1) for r in (result, usual))
    np.testing.assert_allclose(counts, expected, rtol=0.15)


def test_every_second_frame_missing_claims_nothing_wrong(small, usual):
    result, _ = answer(np.where(np.arange(SHAPE[1]) % 2 == 0, small, np.nan))
    known = usual.details.scale_known & result.details.scale_known
    counts, expected = (r.activity[known].sum(axis=1) for r in (result, usual))
    np.testing.assert_allclose(counts, expected, rtol=0.15)
    assert not result.details.drift
    # Each spike is still found, whatever its amplitude is taken for.
    fits = [r.details.reconvolution - r.details.removed_baseline for r in (result, usual)]
    assert min(np.corrcoef(*pair)[0, 1] for pair in zip(*fits, strict=True)) > 0.95
