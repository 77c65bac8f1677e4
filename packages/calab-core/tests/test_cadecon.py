"""The native pipeline on simulated recordings: truth, invariances, settings, what is returned.

Recordings are small, so tolerances are wide; the benchmark measures finely.
"""

import _thread
import itertools
import json
import threading
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from calab_core import CaDeconResult, CadeconSettings, DeconConfig, quality, run_cadecon
from calab_core.cadecon import activity, chain, search, windows, working
from calab_core.cadecon.kernel import SEED_DECAYS, SEED_RISES, Kernel, sample
from calab_core.cadecon.search import EARLY
from calab_core.cadecon.windows import Windows
from calab_solver import sample_kernel, simulate_cells
from calab_solver.amplitudes import measure_amplitudes
from calab_solver.inference import infer_spikes

FS, RISE, DECAY, SNR = 30.0, 0.05, 0.4, 8.0
#: Cells, frames.
SHAPE = (6, 3000)


def simulated(n_cells, n_frames, seed=1, rate=0.3, **changes):
    """Poisson spikes of amplitude 1 whose peak is eight standard deviations of the noise."""
    given = {"tau_rise": RISE, "tau_decay": DECAY, "p_spike_when_silent": rate / (10 * FS)}
    cells = simulate_cells(n_cells, n_frames, FS, seed=seed, **(given | changes))
    noise = np.random.default_rng(seed).standard_normal((n_cells, n_frames)) / SNR
    return cells.clean_calcium.astype(float) + noise, cells.spikes.sum(axis=1)


@pytest.fixture(scope="module")
def small():
    return simulated(*SHAPE)[0]


@pytest.fixture(scope="module")
def found(small):
    return run_cadecon(small, FS)


def fingerprint(result):
    details = result.details
    arrays = [result.activity, result.alphas, result.baselines, result.pves, result.kernel_slow]
    arrays += [details.rate, details.reconvolution, details.removed_baseline, details.alpha_sd]
    arrays += [*details.spike_times, *details.subset_kernels, details.tau_rise, details.tau_decay]
    metadata = {k: v for k, v in result.metadata.items() if k != "settings"}
    return [array.tobytes() for array in arrays], json.dumps(metadata)


@pytest.mark.installed
def test_spikes_amplitudes_and_kernel_are_found():
    traces, truth = simulated(8, 6000, seed=3)
    result = run_cadecon(traces, FS)
    assert isinstance(result, CaDeconResult)
    assert result.details.scale_known.all()
    assert np.median(np.abs(result.activity.sum(axis=1) / truth - 1)) < 0.1
    np.testing.assert_allclose(result.alphas, 1.0, rtol=0.15)
    np.testing.assert_allclose(result.details.noise, 1 / SNR, rtol=0.1)
    np.testing.assert_allclose(result.baselines, 0.0, atol=0.1)
    assert result.metadata["tau_decay"] == pytest.approx(DECAY, rel=0.12)
    assert result.metadata["tau_rise"] == pytest.approx(RISE, rel=0.4)
    assert result.metadata["converged"]
    summed = result.details.rate.sum(axis=1, dtype=float) / FS
    np.testing.assert_allclose(summed, result.activity.sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize(("rise", "decay"), [(0.03, 0.25), (0.1, 1.0)])
def test_other_kernels_are_found(rise, decay):
    traces, truth = simulated(8, 6000, seed=5, tau_rise=rise, tau_decay=decay)
    result = run_cadecon(traces, FS)
    assert result.metadata["tau_decay"] == pytest.approx(decay, rel=0.15)
    assert np.median(np.abs(result.activity.sum(axis=1) / truth - 1)) < 0.15


@pytest.mark.parametrize(("n_cells", "seed"), [(12, 1), (20, 4)])
def test_large_bursts_do_not_make_the_kernel_too_fast(n_cells, seed):
    """Of two lowest points of the objective the one at a quarter of the rise is the lower."""
    bursts = {
        "p_silent_to_active": 0.005,
        "p_active_to_silent": 0.3,
        "p_spike_when_active": 0.5,
        "p_spike_when_silent": 0.002,
    }
    traces, _ = simulated(n_cells, 3000, seed=seed, tau_rise=0.05, tau_decay=0.3, **bursts)
    result = run_cadecon(traces, FS)
    assert result.metadata["tau_decay"] == pytest.approx(0.3, rel=0.05)
    assert result.metadata["tau_rise"] == pytest.approx(0.05, rel=0.15)


def test_the_number_of_threads_and_the_run_change_nothing(small, found):
    expected = fingerprint(found)
    for n_threads in (1, 2):
        assert fingerprint(run_cadecon(small, FS, n_threads=n_threads)) == expected
    assert fingerprint(run_cadecon(small, FS)) == expected


def test_blocks_of_cells_change_nothing(small, found, monkeypatch):
    # Blocks of four cells and of the two that are left.
    monkeypatch.setattr(working, "BLOCK_SAMPLES", 4 * small.shape[1] + 3)
    assert fingerprint(run_cadecon(small, FS)) == fingerprint(found)


def test_blocks_change_no_cell_with_a_kernel_of_its_own(small, monkeypatch):
    settings = {"kernel": "per_cell", "max_iterations": 2}
    whole = run_cadecon(small, FS, **settings)
    monkeypatch.setattr(working, "BLOCK_SAMPLES", 2 * small.shape[1])
    assert fingerprint(run_cadecon(small, FS, **settings)) == fingerprint(whole)


def test_memory_order_and_kind_of_sequence_change_nothing(small, found):
    views = [np.asfortranarray(small), np.repeat(small, 2, axis=1)[:, ::2]]
    for view in views:
        view.flags.writeable = False
        assert fingerprint(run_cadecon(view, FS)) == fingerprint(found)


def test_the_traces_are_left_as_they_were(small):
    before = small.copy()
    run_cadecon(small, FS, max_iterations=1)
    np.testing.assert_array_equal(small, before)


def test_the_seed_places_the_subsets(small, found):
    settings = {"target_coverage": 0.1}
    kernels = [run_cadecon(small, FS, seed=seed, **settings).kernel_slow for seed in (1, 2, 1)]
    assert kernels[0].tobytes() == kernels[2].tobytes() != kernels[1].tobytes()
    assert found.metadata["settings"]["seed"] == 42


def test_the_unit_of_the_traces_changes_only_amplitudes(small, found):
    # A factor that is a power of two rounds nothing, so that the chain draws the same.
    scaled = run_cadecon(1024 * small, FS)
    np.testing.assert_array_equal(scaled.activity, found.activity)
    np.testing.assert_allclose(scaled.alphas, 1024 * found.alphas, rtol=1e-4)
    np.testing.assert_allclose(scaled.details.alpha_sd, 1024 * found.details.alpha_sd, rtol=1e-3)
    np.testing.assert_allclose(scaled.details.noise, 1024 * found.details.noise, rtol=1e-9)
    np.testing.assert_allclose(scaled.metadata["tau_decay"], found.metadata["tau_decay"], rtol=1e-3)
    np.testing.assert_array_equal(scaled.details.scale_known, found.details.scale_known)


def test_an_offset_changes_only_the_baseline(small, found):
    raised = run_cadecon(small + 64.0, FS)
    # An offset takes digits from the traces, so that the chain soon draws otherwise, and its kernel
    # is as far from the other as two draws of it.
    np.testing.assert_allclose(raised.metadata["tau_decay"], found.metadata["tau_decay"], rtol=0.02)
    np.testing.assert_array_equal(raised.activity.sum(axis=1), found.activity.sum(axis=1))
    pairs = zip(raised.details.spike_times, found.details.spike_times, strict=True)
    for times, expected in pairs:
        np.testing.assert_allclose(times, expected, atol=1 / FS)
    np.testing.assert_allclose(raised.alphas, found.alphas, rtol=0.02)
    np.testing.assert_allclose(raised.baselines, found.baselines + 64.0, atol=0.05)


def test_activity_is_the_spike_times_by_nearest_frame(found):
    n_frames = found.activity.shape[1]
    factor = found.metadata["upsample_factor"]
    assert factor == 10
    for row, times in zip(found.activity, found.details.spike_times, strict=True):
        assert np.all(np.diff(times) >= 0)
        assert times.size == row.sum() > 0
        bins = np.rint(times * FS * factor).astype(int)
        np.testing.assert_allclose(bins / (FS * factor), times, rtol=1e-12)
        # The middle between two frames belongs to the later one.
        frames = np.minimum((bins + factor // 2) // factor, n_frames - 1)
        np.testing.assert_array_equal(np.bincount(frames, minlength=n_frames), row)


def test_the_fit_is_in_the_frame_of_the_input(small):
    offset = 20.0
    result = run_cadecon(small + offset, FS)
    details = result.details
    times = np.arange(SHAPE[1]) / FS
    rise, decay = details.tau_rise[0], details.tau_decay[0]
    summit = rise * decay / (decay - rise) * np.log(decay / rise)
    peak = np.exp(-summit / decay) - np.exp(-summit / rise)
    for cell in range(SHAPE[0]):
        since = np.maximum(times - details.spike_times[cell][:, None], 0.0)
        spikes = (np.exp(-since / decay) - np.exp(-since / rise)).sum(axis=0) / peak
        expected = details.removed_baseline[cell] + result.alphas[cell] * spikes
        np.testing.assert_allclose(details.reconvolution[cell], expected, atol=0.01)
        residual = small[cell] + offset - details.reconvolution[cell]
        assert residual.std() == pytest.approx(1 / SNR, rel=0.25)
    np.testing.assert_allclose(details.removed_baseline.mean(axis=1), result.baselines, rtol=1e-5)


def test_the_kernel_is_that_of_the_activity(found):
    details, metadata = found.details, found.metadata
    assert set(details.tau_rise) == {metadata["tau_rise"]}
    assert set(details.tau_decay) == {metadata["tau_decay"]}
    assert found.kernel_slow[0] == 0.0
    # The peak over continuous time is 1.
    assert 0.9 < found.kernel_slow.max() <= 1.0
    # It is shown over five decays.
    assert found.kernel_slow.size == np.ceil(5 * metadata["tau_decay"] * FS) + 1
    assert found.kernel_fast.size == 0
    assert details.kernel_fs == 2 * FS
    assert 1 <= len(details.subset_kernels) <= 4
    assert all(one.max() == 1.0 and one.min() >= 0.0 for one in details.subset_kernels)


def test_quality_of_a_run(small, found):
    judged = quality(found, small)
    np.testing.assert_array_equal(judged.pve, found.pves)
    assert np.all(found.pves > 0.5)
    known = found.details.scale_known
    np.testing.assert_allclose(judged.snr[known], SNR, rtol=0.2)
    assert np.isnan(judged.snr[~known]).all()
    for is_known, flags in zip(known, judged.flags, strict=True):
        assert flags == (() if is_known else ("scale unknown",))


KEYS = {
    *("schema_version", "tau_rise", "tau_decay", "beta", "tau_rise_fast", "tau_decay_fast"),
    *("beta_fast", "residual", "h_free", "fs", "num_iterations", "converged"),
    *("converged_at_iteration", "settings", "versions", "history", "cell_ids", "excluded"),
    *("noise", "alphas", "alpha_sd", "scale_known", "cells_converged", "units"),
    *("kernel_method", "sampled"),
}


def test_metadata_is_plain_and_complete(found):
    metadata = found.metadata
    assert set(metadata) >= KEYS
    assert json.loads(json.dumps(metadata, allow_nan=False)) == metadata
    assert metadata["settings"] == CadeconSettings().model_dump()
    assert set(metadata["versions"]) == {"calab-core", "calab-solver", "numpy"}
    np.testing.assert_array_equal(metadata["alphas"], found.alphas)
    assert metadata["cells_converged"] == found.details.converged.tolist() == [True] * SHAPE[0]
    history = metadata["history"]
    assert [entry["iteration"] for entry in history] == list(range(len(history)))
    assert history[-1]["tau_decay"] == metadata["tau_decay"]
    assert history[0]["kernel_change"] is None
    assert metadata["num_iterations"] == sum(entry["method"] == "searched" for entry in history)


def test_averaging_over_explanations_corrects_the_kernel(found, small):
    metadata = found.metadata
    assert metadata["kernel_method"] == metadata["history"][-1]["method"] == "sampled"
    sampled = metadata["sampled"]
    assert (metadata["tau_rise"], metadata["tau_decay"]) == pytest.approx(
        (sampled["tau_rise"], sampled["tau_decay"]), rel=1e-5
    )
    # A quarter of 18,000 frames with 180 spikes is looked at.
    assert metadata["tau_decay"] == pytest.approx(DECAY, rel=0.1)
    assert 0.9 < sampled["excess"] < 1.08
    # It needs no better start than a few iterations give, and comes to rest by itself.
    assert metadata["num_iterations"] == EARLY + 1
    assert metadata["converged"]
    assert metadata["converged_at_iteration"] == len(metadata["history"]) - 1


def between_frames(snr, seed):
    """Transients of 0.1 and 0.6 s at any time, where the simulator has one time per frame."""
    rng, kernel = np.random.default_rng(seed), Kernel(0.1, 0.6)
    traces, true = np.zeros(SHAPE), np.zeros(SHAPE[0], int)
    t = np.arange(SHAPE[1]) / FS
    for cell, trace in enumerate(traces):
        true[cell] = rng.poisson(0.5 * t[-1])
        for time_of_spike in rng.uniform(0, t[-1], true[cell]):
            trace += sample(kernel, t - time_of_spike)
    return traces + rng.standard_normal(SHAPE) / snr, true


def test_what_is_refused_beside_a_short_search_is_looked_at_beside_its_end(small, monkeypatch):
    beside = []

    def refused_at_first(sampled, start, recording, *, searched):
        beside.append(start)
        return len(beside) > 1

    monkeypatch.setattr(search, "holds", refused_at_first)
    metadata = run_cadecon(small, FS).metadata
    *before, last = metadata["history"]
    assert last["method"] == metadata["kernel_method"] == "sampled"
    assert len(before) > EARLY + 1
    ends = [Kernel(one["tau_rise"], one["tau_decay"]) for one in (before[EARLY], before[-1])]
    assert beside == ends


def test_little_noise_does_not_spoil_the_kernel():
    traces, true = between_frames(50.0, seed=0)
    result = run_cadecon(traces, FS)
    assert result.metadata["tau_decay"] == pytest.approx(0.6, rel=0.02)
    np.testing.assert_array_equal(result.activity.sum(axis=1), true)


@pytest.fixture
def feet(monkeypatch):
    """Kernels under which feet are found from nothing, in order."""
    found = []

    class Settling(Windows):
        def settle(self, kernel, *, deep):
            found.append((kernel.tau_rise, kernel.tau_decay))
            super().settle(kernel, deep=deep)

    monkeypatch.setattr(windows, "Windows", Settling)
    return found


def test_a_kernel_that_creeps_goes_on_above_a_foot_of_its_own(small, monkeypatch, feet):
    starts, answers = [], []

    def sample_on(traces, fs, noise, *taus, **options):
        found = replace(sample_kernel(traces, fs, noise, *taus, **options), rested=False)
        starts.append(taus)
        answers.append((found.tau_rise, found.tau_decay))
        return found

    monkeypatch.setattr(chain, "sample_kernel", sample_on)
    metadata = run_cadecon(small, FS).metadata
    assert len(answers) == 1 + chain.MORE_RUNS
    assert starts[1:] == answers[:-1] == feet[-chain.MORE_RUNS :]
    assert not metadata["converged"]


def test_an_average_that_ran_away_begins_anew(small, monkeypatch):
    starts = []

    def lost_at_first(traces, fs, noise, *taus, **options):
        starts.append(taus)
        found = sample_kernel(traces, fs, noise, *taus, **options)
        return replace(found, tau_rise=0.001, tau_decay=0.01) if len(starts) == 1 else found

    monkeypatch.setattr(chain, "sample_kernel", lost_at_first)
    metadata = run_cadecon(small, FS).metadata
    assert starts[1] in itertools.product(SEED_RISES.tolist(), SEED_DECAYS.tolist())
    assert metadata["kernel_method"] == "sampled"
    assert metadata["tau_decay"] == pytest.approx(DECAY, rel=0.1)


def test_an_average_that_runs_away_twice_leaves_the_search_as_it_was(small, monkeypatch, feet):
    def lost(*given, **options):
        return replace(sample_kernel(*given, **options), tau_rise=0.001, tau_decay=0.01)

    monkeypatch.setattr(chain, "sample_kernel", lost)
    # A recording too large to be looked at as a whole.
    monkeypatch.setattr(search, "MANY_FRAMES", small.size - 1)
    result = run_cadecon(small, FS)
    assert len(result.details.subset_kernels) > 1
    metadata = result.metadata
    assert metadata["kernel_method"] == "searched"
    assert metadata["converged"]
    searched = metadata["history"][EARLY]
    assert feet[-1] == (searched["tau_rise"], searched["tau_decay"])


def test_where_a_part_leads_nowhere_the_whole_recording_is_looked_at(small, monkeypatch):
    starts = []

    def lost_in_parts(traces, *given, **options):
        starts.append(len(traces))
        found = sample_kernel(traces, *given, **options)
        return replace(found, tau_rise=0.001, tau_decay=0.01) if len(starts) < 3 else found

    monkeypatch.setattr(chain, "sample_kernel", lost_in_parts)
    result = run_cadecon(small, FS)
    assert result.metadata["kernel_method"] == "sampled"
    assert result.metadata["tau_decay"] == pytest.approx(DECAY, rel=0.1)
    # One rectangle, which is all of it.
    assert len(result.details.subset_kernels) == 1


def test_a_whole_recording_that_gives_no_average_leaves_the_part(small, monkeypatch):
    def lost(*given, **options):
        return replace(sample_kernel(*given, **options), tau_rise=0.001, tau_decay=0.01)

    monkeypatch.setattr(chain, "sample_kernel", lost)
    begun = search._begun

    def worse(recording, usable, subsets, report):
        made = begun(recording, usable, subsets, report)
        if len(subsets) == 1:
            made.step = replace(made.step, kernel=Kernel(0.4, SEED_DECAYS[-1]))
            made.go_on = lambda end: None
        return made

    monkeypatch.setattr(search, "_begun", worse)
    result = run_cadecon(small, FS)
    assert len(result.details.subset_kernels) > 1
    assert result.metadata["kernel_doubt"] is None
    assert result.metadata["tau_decay"] == pytest.approx(DECAY, rel=0.2)


def test_an_average_that_stays_but_does_not_fit_is_no_reason_to_look_again(small, monkeypatch):
    answers = []

    def misfit(*given, **options):
        found = replace(sample_kernel(*given, **options), excess=2.0)
        answers.append(found)
        return found if len(answers) > 1 else replace(found, tau_rise=0.001, tau_decay=0.01)

    monkeypatch.setattr(chain, "sample_kernel", misfit)
    result = run_cadecon(small, FS)
    assert result.metadata["kernel_method"] == "searched"
    assert len(result.details.subset_kernels) > 1


def test_a_kernel_per_cell_needs_the_end_of_the_search(small):
    metadata = run_cadecon(small, FS, kernel="per_cell").metadata
    assert metadata["kernel_method"] == metadata["history"][-1]["method"] == "sampled"
    assert metadata["num_iterations"] > EARLY + 1


@pytest.fixture(scope="module")
def varying():
    """Transients of an indicator that is steeper than linear: the shorter, the larger they are."""
    given = {"tau_rise": RISE, "tau_decay": DECAY, "p_spike_when_silent": 0.0027}
    clean = simulate_cells(8, 4000, FS, seed=2, **given).clean_calcium.astype(float)
    return 4 * clean**2 + np.random.default_rng(0).standard_normal(clean.shape) / SNR


def test_transients_that_vary_are_left_to_the_fewest_events(varying):
    kept = run_cadecon(varying, FS).metadata
    assert kept["sampled"]["excess"] > 1.08
    assert kept["kernel_method"] == "searched"
    # It rested for the last three iterations of the search, and not before.
    assert {entry["method"] for entry in kept["history"]} == {"searched"}
    changes = [entry["kernel_change"] for entry in kept["history"][1:]]
    assert max(changes[-3:]) < kept["settings"]["convergence_tol"]
    assert kept["converged_at_iteration"] == len(kept["history"]) - 3


def test_a_search_that_is_cut_short_has_not_converged(varying):
    metadata = run_cadecon(varying, FS, max_iterations=2).metadata
    assert metadata["num_iterations"] == 3
    assert metadata["converged"] is False
    assert metadata["converged_at_iteration"] is None


def test_a_cell_whose_search_was_cut_short_says_so(small, monkeypatch):
    expected = [True, False] * 3

    def cut_short(*arguments, **options):
        return replace(infer_spikes(*arguments, **options), converged=np.array(expected))

    monkeypatch.setattr(activity, "infer_spikes", cut_short)
    result = run_cadecon(small, FS, max_iterations=1)
    assert result.details.converged.tolist() == expected
    assert result.metadata["cells_converged"] == expected


@pytest.fixture
def asked(monkeypatch):
    """Which amplitudes are evident, and what spikes are asked for; two cells never are."""
    seen = []

    def spy(traces, kernels, amplitudes, *given, **options):
        seen.append((amplitudes.evident, options))
        return infer_spikes(traces, kernels, amplitudes, *given, **options)

    def measure(*given):
        amplitudes = measure_amplitudes(*given)
        return amplitudes.spoilt(np.arange(len(given[0])) < 2)

    monkeypatch.setattr(activity, "infer_spikes", spy)
    monkeypatch.setattr(activity, "measure_amplitudes", measure)
    return seen


@pytest.mark.parametrize("constrained", [True, False])
def test_spikes_rise_above_more_where_no_amplitude_is_evident(small, constrained, asked):
    result = run_cadecon(small, FS, max_iterations=1, noise_constrained=constrained)
    ((evident, options),) = asked
    assert 0 < evident.sum() < evident.size
    assert not result.details.scale_known[:2].any()
    expected = np.where(evident, 1.0, 1.5) if constrained else 0.0
    np.testing.assert_array_equal(options["least_nulls"], expected)


@pytest.mark.parametrize("holds", [True, False])
def test_spikes_stand_out_of_the_calcium_where_transients_vary(small, holds, asked, monkeypatch):
    monkeypatch.setattr(search, "holds", lambda *_, **__: holds)
    run_cadecon(small, FS, max_iterations=1)
    ((evident, options),) = asked
    assert 0 < evident.sum() < evident.size
    expected = np.where(evident | holds, 0.0, working.MISMATCH)
    np.testing.assert_array_equal(options["ratio"], expected)


def test_doubt_changes_what_is_claimed_and_not_what_is_found(small, found, monkeypatch):
    def doubted(*given):
        return measure_amplitudes(*given).doubted(np.ones(len(given[0]), dtype=bool))

    monkeypatch.setattr(activity, "measure_amplitudes", doubted)
    result = run_cadecon(small, FS)
    assert not result.details.scale_known.any()
    np.testing.assert_array_equal(result.activity, found.activity)
    known = found.details.scale_known
    assert known.sum() >= 4
    assert (result.details.alpha_sd / result.alphas)[known].min() > 0.5
    assert (found.details.alpha_sd / found.alphas)[known].max() < 0.2


def test_a_kernel_per_cell():
    slow, fast = (simulated(3, 6000, seed=7, tau_decay=decay)[0] for decay in (0.8, 0.3))
    traces = np.concatenate([slow, fast])
    result = run_cadecon(traces, FS, kernel="per_cell")
    decays = result.details.tau_decay
    assert decays[:3].min() > 1.3 * decays[3:].max()
    np.testing.assert_allclose(decays, [0.8] * 3 + [0.3] * 3, rtol=0.3)
    assert result.metadata["tau_decay"] == pytest.approx(np.median(decays))
    assert result.metadata["kernel_mode"] == "per_cell"
    again = run_cadecon(traces, FS, kernel="per_cell", n_threads=1)
    assert fingerprint(again) == fingerprint(result)


def test_arguments_win_over_the_configuration(small):
    configs = [DeconConfig(seed=7, max_iterations=1), CadeconSettings(seed=7, max_iterations=1)]
    for config in configs:
        result = run_cadecon(small, FS, config=config, max_iterations=2, hp_filter_enabled=False)
        expected = CadeconSettings(seed=7, max_iterations=2, hp_filter_enabled=False)
        assert result.metadata["settings"] == expected.model_dump()
        assert result.metadata["num_iterations"] == 3
    with pytest.raises(TypeError, match=r"^config: expected a DeconConfig, .*, got dict"):
        run_cadecon(small, FS, config={"seed": 7})


def test_a_few_dozen_spikes_tell_the_amplitude(found):
    assert found.details.scale_known.sum() >= 5


@pytest.mark.parametrize("switch", ["hp_filter_enabled", "lp_filter_enabled", "noise_constrained"])
def test_every_switch_may_be_off(small, found, switch):
    result = run_cadecon(small, FS, max_iterations=3, **{switch: False})
    assert result.metadata["settings"][switch] is False
    known = found.details.scale_known & result.details.scale_known
    assert known.sum() >= 4
    np.testing.assert_allclose(
        result.activity[known].sum(axis=1), found.activity[known].sum(axis=1), rtol=0.1, atol=2
    )


@pytest.mark.parametrize("target", [1, 30, 60])
def test_other_grids_find_the_same_spikes(small, found, target):
    result = run_cadecon(small, FS, upsample_target=target)
    assert result.metadata["upsample_factor"] == max(1, target // 30)
    known = found.details.scale_known & result.details.scale_known
    assert known.sum() >= 4
    np.testing.assert_allclose(
        result.activity[known].sum(axis=1), found.activity[known].sum(axis=1), rtol=0.1, atol=2
    )


def test_cell_ids_travel(small):
    names = [f"cell {i}" for i in range(SHAPE[0])]
    result = run_cadecon(small, FS, cell_ids=names, max_iterations=1)
    assert result.details.cell_ids.tolist() == result.metadata["cell_ids"] == names
    assert quality(result, small).cell_ids.tolist() == names
    with pytest.raises(ValueError, match=r"^cell_ids: expected shape \(6,\), got \(2,\)"):
        run_cadecon(small, FS, cell_ids=[1, 2])
    with pytest.raises(ValueError, match=r"^cell_ids: expected every cell once"):
        run_cadecon(small, FS, cell_ids=[1] * 6)
    with pytest.raises(TypeError, match=r"^cell_ids: expected whole numbers or strings"):
        run_cadecon(small, FS, cell_ids=[0.5] * 6)


def test_progress_is_reported_by_phase(small, monkeypatch):
    def at_rest(*given, **options):
        return replace(sample_kernel(*given, **options), rested=True)

    # That a chain does not come to rest is not foreseen, and so few frames leave it to chance.
    monkeypatch.setattr(chain, "sample_kernel", at_rest)
    calls = []
    run_cadecon(small, FS, progress=lambda *call: calls.append((*call, threading.get_ident())))
    assert {ident for *_, ident in calls} == {threading.get_ident()}
    phases = list(dict.fromkeys(phase for phase, *_ in calls))
    assert phases == ["drift", "kernel", "sampling", "amplitudes", "spikes"]
    for phase in phases:
        done = [(n, total) for name, n, total, _ in calls if name == phase]
        assert done[0][0] == 0
        assert all(a[0] < b[0] for a, b in pairwise(done))
        assert len({total for _, total in done}) == 1
        assert done[-1][0] <= done[-1][1]
    assert calls[-1][:3] == ("spikes", 6, 6)


@pytest.mark.parametrize("excess", [1.0, 2.0])
def test_the_chain_runs_on_few_frames_before_it_runs_on_more(small, monkeypatch, excess):
    starts, sizes, answers, reports = [], [], [], []

    def sample(traces, fs, noise, *taus, **options):
        found = sample_kernel(traces, fs, noise, *taus, **options)
        sampled = replace(found, excess=excess, rested=True)
        starts.append(taus)
        sizes.append(traces.size)
        answers.append((sampled.tau_rise, sampled.tau_decay))
        return sampled

    monkeypatch.setattr(chain, "sample_kernel", sample)
    monkeypatch.setattr(chain, "FEW_FRAMES", 1500)
    monkeypatch.setattr(chain, "FRAMES", 9000)
    run_cadecon(small, FS, progress=lambda *call: reports.append(call))
    done = [(n, total) for phase, n, total in reports if phase == "sampling"]
    assert all(a[0] < b[0] for a, b in pairwise(done))
    assert done[-1] == (done[0][1], done[0][1])
    if excess == 1.0:
        assert sizes[0] <= 1500 < sizes[1] <= 9000
        assert starts[1] == answers[0]
    # Where the model does not hold on few frames, more are not asked.
    assert len(sizes) == (2 if excess == 1.0 else 1)


@pytest.mark.parametrize("noise", [0.001, 0.05])
def test_the_chain_runs_on_many_frames_where_the_decay_is_noisy(small, monkeypatch, feet, noise):
    sizes, answers, way = [], [], np.array([[0.05, 0.4], [0.05, 0.4 * (1 + noise)]] * 30)

    def sample(traces, *given, **options):
        found = sample_kernel(traces, *given, **options)
        sizes.append(traces.size)
        answers.append((found.tau_rise, found.tau_decay))
        return replace(found, history=way, rested=True)

    monkeypatch.setattr(chain, "sample_kernel", sample)
    monkeypatch.setattr(chain, "FEW_FRAMES", 750)
    monkeypatch.setattr(chain, "FRAMES", 1500)
    monkeypatch.setattr(chain, "MANY_FRAMES", 9000)
    metadata = run_cadecon(small, FS).metadata
    # A deviation of 2.5 % is noise, one of 0.05 % is not.
    assert len(sizes) == (3 if noise > 0.01 else 2)
    assert sizes == sorted(set(sizes))
    # Each runs above a foot of its own, and the last is the answer.
    assert answers[:-1] == feet[-len(sizes) + 1 :]
    assert metadata["tau_decay"] == pytest.approx(answers[-1][1], rel=1e-5)


@pytest.mark.parametrize(("apart", "runs"), [(1.03, 3), (1.05, 4)])
def test_a_noisy_kernel_rests_where_more_frames_give_the_same(small, monkeypatch, apart, runs):
    sizes, decays, way = [], [], np.array([[0.05, 0.4], [0.05, 0.41]] * 30)

    def sample(traces, *given, **options):
        found = sample_kernel(traces, *given, **options)
        sizes.append(traces.size)
        # None comes to rest by itself; the third is so far from the second, the fourth from it.
        decays.append(decays[-1] * (apart if len(sizes) > 2 else 1.0) if decays else 0.4)
        return replace(found, tau_decay=decays[-1], history=way, rested=False)

    monkeypatch.setattr(chain, "sample_kernel", sample)
    monkeypatch.setattr(chain, "FEW_FRAMES", 750)
    monkeypatch.setattr(chain, "FRAMES", 1500)
    monkeypatch.setattr(chain, "MANY_FRAMES", 9000)
    metadata = run_cadecon(small, FS).metadata
    assert len(sizes) == runs
    assert sizes[0] < sizes[1] < sizes[2]
    assert len(set(sizes[2:])) == 1
    assert metadata["tau_decay"] == pytest.approx(decays[-1], rel=1e-5)
    assert metadata["converged"] == (runs == 3)


@pytest.mark.parametrize("holds", [True, False])
def test_baselines_are_compared_only_where_the_model_holds(small, monkeypatch, holds):
    compared = []

    def compare(recording, cells, kernels):
        compared.extend(cells)
        return working.best_baseline(recording, cells, kernels)

    monkeypatch.setattr(activity, "best_baseline", compare)
    monkeypatch.setattr(search, "holds", lambda *_, **__: holds)
    method = run_cadecon(small, FS).metadata["kernel_method"]
    assert method == ("sampled" if holds else "searched")
    assert compared == (list(range(len(small))) if holds else [])


def test_what_progress_raises_comes_out(small):
    class Enough(Exception):
        pass

    def stop(phase, done, total):
        if phase == "spikes":
            raise Enough

    with pytest.raises(Enough):
        run_cadecon(small, FS, progress=stop)


def test_an_interrupt_is_answered():
    traces = np.tile(simulated(8, 9000, seed=8)[0], (5, 3))
    sent = 0.0

    def interrupt():
        nonlocal sent
        time.sleep(0.5)
        sent = time.perf_counter()
        _thread.interrupt_main()

    other = threading.Thread(target=interrupt)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_cadecon(traces, FS)
        answered = time.perf_counter() - sent
    finally:
        other.join()
    assert answered < 1.0


def test_gaps_hold_nothing_and_are_counted(small, found):
    traces = small.copy()
    traces[:, 1000:1300] = np.nan
    traces[1, 2000::5] = np.nan
    result = run_cadecon(traces, FS)
    details = result.details
    np.testing.assert_allclose(details.masked_fraction, np.isnan(traces).mean(axis=1))
    assert np.isfinite(result.activity).all()
    assert np.isfinite(details.rate).all()
    assert np.isfinite(details.reconvolution).all()
    assert not details.rate[np.isnan(traces)].any()
    summed = details.rate.sum(axis=1, dtype=float) / FS
    np.testing.assert_allclose(summed, result.activity.sum(axis=1), rtol=1e-5)
    assert not details.excluded
    # No spike lies deep in a gap, where nothing shows it.
    assert not result.activity[:, 1010:1290].any()
    known = found.details.scale_known & details.scale_known
    assert known.sum() >= 4
    seen = np.r_[0:1000, 1320:3000]
    np.testing.assert_allclose(
        result.activity[known][:, seen].sum(axis=1),
        found.activity[known][:, seen].sum(axis=1),
        rtol=0.1,
        atol=2,
    )
    with pytest.raises(
        ValueError, match=r"^traces: expected finite values, got nan at cell 0, frame 1000"
    ):
        run_cadecon(traces, FS, on_nan="raise")


def test_nothing_crosses_from_one_segment_to_the_next(small):
    traces = np.concatenate([small, small + 30.0], axis=1)
    result = run_cadecon(traces, FS, segments=[0, SHAPE[1]])
    assert result.details.segments == (0, SHAPE[1])
    foot = result.details.removed_baseline
    np.testing.assert_allclose(foot[:, SHAPE[1] :], foot[:, : SHAPE[1]] + 30.0, atol=0.05)
    halves = np.split(result.activity, 2, axis=1)
    np.testing.assert_array_equal(halves[0].sum(axis=1), halves[1].sum(axis=1))


def test_a_cell_may_be_missing_in_whole_segments(small):
    traces = np.concatenate([small, small], axis=1)
    traces[2, : SHAPE[1]] = np.nan
    traces[3, SHAPE[1] :] = np.nan
    result = run_cadecon(traces, FS, segments=[SHAPE[1]])
    assert not result.details.excluded
    assert not result.activity[2, : SHAPE[1]].any()
    assert not result.activity[3, SHAPE[1] :].any()
    assert result.activity[2].sum() > 0
    assert result.activity[3].sum() > 0
    assert np.isfinite(result.pves).all()
    assert np.isfinite(result.baselines).all()


BAD = [
    ({"traces": np.zeros((2, 3, 4))}, ValueError, "traces: expected shape"),
    ({"traces": np.full((2, 50), np.inf)}, ValueError, "traces: expected finite values"),
    ({"traces": [["a", "b"]]}, TypeError, "traces: expected real numbers"),
    ({"fs": 0.0}, ValueError, "fs: expected"),
    ({"fs": "30"}, TypeError, "fs: expected a number"),
    ({"segments": [600]}, ValueError, "segments: expected"),
    ({"n_threads": 0}, ValueError, "n_threads: expected at least 1"),
    ({"on_nan": "drop"}, ValueError, "on_nan: expected"),
    ({"kernel": "both"}, ValueError, "kernel"),
    ({"max_iterations": 0}, ValueError, "max_iterations"),
    ({"seed": -1}, ValueError, "seed"),
]


@pytest.mark.parametrize(("changes", "error", "message"), BAD)
def test_bad_input_is_named(changes, error, message):
    given = {"traces": np.zeros((2, 500)), "fs": FS} | changes
    with pytest.raises(error, match=message):
        run_cadecon(**given)


def test_the_exported_numbers_make_the_kernel(found):
    numbers = found.metadata
    t = np.arange(found.kernel_slow.size) / FS
    difference = np.exp(-t / numbers["tau_decay"]) - np.exp(-t / numbers["tau_rise"])
    np.testing.assert_allclose(numbers["beta"] * difference, found.kernel_slow, atol=1e-6)
