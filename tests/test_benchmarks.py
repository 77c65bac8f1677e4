"""The benchmarks run without the packages they compare with, and their rows make sense."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(script, folder, *arguments):
    """Run a benchmark and return its rows and what it printed."""
    target = folder / "rows.json"
    command = [sys.executable, BENCHMARKS / script, "--quick", "--json", target, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(target.read_text()), done.stdout


def recording(fs, tau_rise, tau_decay, seed):
    """Two minutes of dF/F in which one spike stands out of the noise, and the spike times."""
    random = np.random.default_rng(seed)
    seconds = np.arange(round(120 * fs)) / fs
    spikes = np.sort(random.uniform(0, 120, size=60))
    since = np.maximum(seconds[:, np.newaxis] - spikes, 0)
    calcium = np.sum(np.exp(-since / tau_decay) - np.exp(-since / tau_rise), axis=1)
    return calcium + random.normal(0, 0.1, size=seconds.size), spikes


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "recordings.h5"
    sets = {"A": ("GCaMP6f", 30.0, 0.05, 0.5), "B": ("GCaMP6s", 60.0, 0.15, 1.3)}
    with h5py.File(path, "w") as file:
        for name, (indicator, fs, *time_constants) in sets.items():
            for seed, segment in enumerate(("0", "1")):
                group = file.create_group(f"{name}/neuron/{segment}")
                trace, spikes = recording(fs, *time_constants, seed)
                group["trace"], group["spike_times"] = trace.astype(np.float32), spikes
                group.attrs.update(fs=fs, indicator=indicator)
    return path


def test_ground_truth_finds_simulated_spikes(tmp_path, data):
    rows, printed = run("ground_truth.py", tmp_path, "--data", data)
    done = [row for row in rows if row["run"]]
    assert {row["data_set"] for row in done} == {"A", "B", "overall"}
    rates = [row for row in done if row["kind"] == "rate"]
    assert {row["sigma"] for row in rates} == {0.2, 0.05}
    for row in rates:
        assert row["as_is"] <= row["best"] + 1e-12
        # True time constants and a signal ten times the noise: 0.9 leaves room for the seed.
        if (
            row["method"].startswith("calab ")
            and row["sigma"] == 0.2
            and "0.3.0" not in row["method"]
        ):
            assert row["as_is"] > 0.9, row
    assert {row["method"] for row in rows if not row["run"]} >= {"calab 0.3.0, lam 0"}
    assert "not run" in printed


def test_limits_takes_one_thing_after_the_other_from_the_truth(tmp_path, data):
    rows, printed = run("limits.py", tmp_path, "--data", data)
    assert [row["data_set"] for row in rows] == ["A", "B"]
    for row in rows:
        # Half a minute: a factor of two either way is no surprise to what is found, while the
        # true amplitude leaves but the spikes that lie too close to be told apart.
        assert abs(row["count_error"]["amplitude"]) < 0.3, row
        assert 0.3 < row["f1"]["amplitude"] <= 1, row
        # Here spikes simply add up in white noise, which is all that the simulation has.
        assert abs(row["count_error"]["noise"]) < 0.3, row
        assert 0.5 < row["exponent"] < 2, row
        assert row["true_decay"] == pytest.approx({"A": 0.5, "B": 1.3}[row["data_set"]], rel=0.2)
        assert row["log_sd"] > 0, row
    assert "overall" in printed


def test_deconvolution_has_every_row(tmp_path):
    rows, printed = run("deconvolution.py", tmp_path)
    by_name = {row["what"].split(":")[0]: row for row in rows}
    assert len(rows) == 10
    for row in rows:
        assert row["ours"] > 0, row
        assert (row["ratio"] is None) == (row["verdict"] == "not run")
        assert row["what"] in printed
    # What is compared with other packages was not run, what is about ours alone was.
    assert by_name["lam='auto'"]["verdict"] == "not run"
    assert by_name["rolling baseline"]["verdict"] in {"met", "MISSED"}


def test_peer_without_the_package_is_not_run(tmp_path, data):
    # This interpreter has a calab, but not the published 0.3.0, and no OASIS.
    rows, _ = run("ground_truth.py", tmp_path, "--data", data, "--peers", sys.executable)
    peers = [row for row in rows if "0.3.0" in row["method"] or "OASIS" in row["method"]]
    assert len(peers) == 5
    assert not any(row["run"] for row in peers)


def test_objective_agrees_with_the_solver(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from _problem import Problem
    from calab_core import run_deconvolution_full

    trace, _ = recording(30.0, 0.1, 0.6, seed=3)
    problem = Problem(30.0, 0.1, 0.6, trace.size)
    result = run_deconvolution_full(trace, 30.0, 0.1, 0.6, 0.3, baseline_mode="none")
    judged = problem.objective(trace, result.activity, 0.3)
    # Both sum the same thousands of terms in f64, one of them through a Fourier transform.
    assert judged == pytest.approx(float(result.details.objective), rel=1e-9)


@pytest.fixture
def module(monkeypatch):
    """Import a module of the benchmarks by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module


def largest_matching(inferred, true, tolerance):
    """Count the pairs of the best matching, by trying every partner of the first spike."""
    if not len(inferred):
        return 0
    best = largest_matching(inferred[1:], true, tolerance)
    for j, time in enumerate(true):
        if abs(inferred[0] - time) <= tolerance:
            rest = largest_matching(inferred[1:], np.delete(true, j), tolerance)
            best = max(best, 1 + rest)
    return best


def test_matching_is_as_large_as_can_be(module):
    spikes = module("_spikes")
    random = np.random.default_rng(0)
    sizes = set()
    for _ in range(300):
        # Tenths on a short stretch: many spikes compete, and many lie exactly at the tolerance.
        inferred, true = (np.sort(random.integers(0, 12, random.integers(0, 6))) for _ in range(2))
        mine, truth = spikes.matched(inferred.astype(float), true.astype(float), 1.0)
        assert np.all(np.abs(inferred[mine] - true[truth]) <= 1.0)
        assert len(set(mine)) == len(set(truth)) == len(mine)
        assert len(mine) == largest_matching(inferred, true, 1.0)
        sizes.add(len(mine))
    assert sizes >= {0, 1, 2, 3}


def test_detection_of_one_neuron(module):
    spikes = module("_spikes")
    # The second segment starts anew: its spike must not be matched in the first one.
    inferred = [np.array([1.05, 1.06, 5.0]), np.array([])]
    true = [np.array([1.0, 3.0]), np.array([1.06])]
    found = spikes.detect(inferred, true)
    assert (found.true, found.inferred, found.hits) == (3, 3, 1)
    assert found.precision == found.recall == found.f1 == 1 / 3
    assert found.count_error == 0
    nothing = spikes.Detection(true=4, inferred=0, hits=0)
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)
    assert nothing.count_error == -1


def test_neurons_without_spikes_are_left_out_and_counted(module):
    spikes = module("_spikes")
    few, many = spikes.Detection(10, 5, 5), spikes.Detection(10, 30, 10)
    silent = spikes.Detection(0, 7, 0)
    score = spikes.summarise([few, silent, many])
    assert (score.neurons, score.silent) == (2, 1)
    assert score.f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert (score.precision, score.recall) == pytest.approx(((1 + 1 / 3) / 2, 0.75))
    # Relative errors of -0.5 and +2.
    assert (score.count_error, score.count_bias) == pytest.approx((1.25, 0.75))
    assert np.isnan(spikes.summarise([silent]).f1)


def test_counts_are_placed_at_their_frames(module):
    times = module("_spikes").times_of_counts(np.array([0.0, 2.0, np.nan, 1.0]), 10.0)
    np.testing.assert_allclose(times, [0.1, 0.1, 0.3])


def test_events_become_spikes(module):
    events = module("_events")
    activity = np.zeros(100)
    activity[[10, 11]] = 0.5, 1.5
    activity[[30, 50, 70]] = 2.0, 6.2, 0.1
    found = events.events(activity, 10.0)
    np.testing.assert_allclose(found.times, [1.075, 3.0, 5.0, 7.0])
    np.testing.assert_allclose(found.masses, [2.0, 2.0, 6.2, 0.1])
    # Eight standard deviations are 0.8: the last event is noise, the third one three spikes.
    np.testing.assert_allclose(events.crude([found], 0.1)[0], [1.075, 3.0, 5.0, 5.0, 5.0])
    silent = events.events(np.zeros(5), 10.0)
    assert events.crude([silent], 0.1)[0].size == 0


def test_oracle_is_no_worse_than_the_crude_rule(module):
    events, spikes = module("_events"), module("_spikes")
    random = np.random.default_rng(1)
    true = np.sort(random.uniform(0, 200, 100))
    masses = np.append(random.normal(1, 0.2, 100), random.exponential(0.2, 400))
    found = events.Events(np.append(true, random.uniform(0, 200, 400)), masses)
    best = spikes.detect(events.oracle([found], [true]), [true])
    rule = spikes.detect(events.crude([found], 0.02), [true])
    assert best.f1 > 0.9 > rule.f1


def segments_of(recordings, sizes, rates):
    """Segments whose samples tell neuron, segment and frame apart."""
    return [
        recordings.Segment(
            "A", name, 1000.0 * i + 100 * k + np.arange(size), np.empty(0), fs, "GCaMP6f"
        )
        for i, (name, mine) in enumerate(sizes.items())
        for k, (size, fs) in enumerate(zip(mine, rates[i], strict=True))
    ]


def test_population_holds_every_segment_and_gives_it_back(module):
    recordings = module("_recordings")
    sizes = {"long": [5, 3], "short": [4]}
    segments = segments_of(recordings, sizes, [[10.0, 10.0], [10.001]])
    (population,) = recordings.populations(segments)
    assert population.starts == (0, 5)
    assert population.traces.shape == (2, 8)
    assert np.isnan(population.traces[1, 4:]).all()
    for row, mine in zip(population.traces, population.members, strict=True):
        back = recordings.split_rate(population, row, [segments[i].trace.size for i in mine])
        for i, values in zip(mine, back, strict=True):
            np.testing.assert_array_equal(values, segments[i].trace)
    # Half a frame before its first sample a spike belongs to the later segment; frame 8 is none.
    times = np.array([0.1, 4.4, 4.6, 7.2, 8.0]) / population.fs
    first, second = recordings.split_times(population, times, [5, 3])
    np.testing.assert_allclose(first, [0.1, 4.4])
    np.testing.assert_allclose(second, [-0.4, 2.2])


def test_populations_share_a_rate(module):
    recordings = module("_recordings")
    sizes = {"a": [4], "b": [4], "c": [4, 4]}
    segments = segments_of(recordings, sizes, [[30.0], [31.0], [30.001, 30.0]])
    groups = [population.members for population in recordings.populations(segments)]
    assert groups == [((0,), (2, 3)), ((1,),)]


def test_simulated_noise_is_that_of_one_spike(module):
    simulated = module("_simulated")
    size = {"cells": 3, "frames": 4_000, "seed": 5}
    low, high = (simulated.record("gcamp6f", "poisson", snr, **size) for snr in (4.0, 8.0))
    # Same spikes, drift and draws: what differs is an eighth of each spike's peak.
    ratio = np.std(low.traces - high.traces, axis=1) / low.alphas
    assert ratio == pytest.approx([1 / 8] * 3, rel=0.05)  # 4,000 draws: 1.1 % standard error
    own = simulated.record("gcamp6f", "poisson", None, **size)
    np.testing.assert_array_equal(own.counts, low.counts)


def test_simulated_errors(module):
    simulated = module("_simulated")
    true = np.zeros((2, 300))
    true[0, [50, 100, 104, 200]] = 1
    true[1, 60] = 3
    # 100 and 104 are too close together, the three of one frame are a burst, 9 is a false alarm.
    times = [np.array([9.0, 50.25, 99.0, 105.0, 199.9, 199.25]) / 30, np.array([60.0]) / 30]
    assert simulated.time_error(times, true, 30.0) == pytest.approx((0.25 - 0.1) / 2)
    assert simulated.count_error(true * [[2], [1]], true) == pytest.approx(0.5)
    assert simulated.peak_time(0.1, 0.6) == pytest.approx(0.215, abs=5e-4)


def test_predecessor_places_its_subsets(module):
    parts = module("_predecessor_parts")
    placed = parts.subsets(27_000, 100, 4, 0.25, 1.0, 42)
    covered = np.zeros((100, 27_000), dtype=int)
    for subset in placed:
        assert subset.cut(covered).shape == (25, 6_750)
        covered[subset.cells.start : subset.cells.stop, subset.frames] += 1
    # Four of sixteen slots, none twice: together the quarter that was asked for.
    assert covered.max() == 1
    assert covered.mean() == pytest.approx(0.25)
    assert placed == parts.subsets(27_000, 100, 4, 0.25, 1.0, 42)
    assert placed != parts.subsets(27_000, 100, 4, 0.25, 1.0, 43)
    assert len(parts.subsets(10, 1, 4, 0.25, 1.0, 42)) == 4


def test_predecessor_draws_by_the_described_recursion(module):
    draws = module("_predecessor_parts").Draws(42)
    state = (1664525 * 42 + 1013904223) % 2**32
    assert draws.below(1000) == state * 1000 // 2**32


def test_predecessor_kernel_shapes(module):
    parts = module("_predecessor_parts")
    # The described shapes of the presets, in milliseconds.
    for taus, shape in (((0.1, 0.6), (215, 694)), ((0.4, 1.8), (774, 2291))):
        assert [1e3 * value for value in parts.shape_of(*taus)] == pytest.approx(shape, abs=0.6)
        assert parts.taus_of(*parts.shape_of(*taus)) == pytest.approx(taus, rel=1e-3)
    assert parts.taus_of(1.0, 2.4) is None
    assert parts.kernel_rmse((0.1, 0.6), (0.1, 0.6), 30.0) == 0
    assert parts.kernel_rmse((0.1, 0.6), (0.1, 0.66), 30.0) > 0.005
    assert parts.kernel_rmse((0.6, 0.6), (0.1, 0.6), 30.0) == np.inf


@pytest.mark.parametrize(
    ("decays", "converged", "made"), [([0.6] * 9, True, 4), ([0.6, 0.9] * 9, False, 7)]
)
def test_predecessor_stops_when_its_kernel_rests(module, monkeypatch, decays, converged, made):
    pipeline, parts = module("_predecessor_pipeline"), module("_predecessor_parts")
    monkeypatch.setattr(pipeline, "working_trace", lambda run, trace: trace)
    each = iter(decays)
    peer = SimpleNamespace(
        solve_trace=lambda trace, *_, **__: SimpleNamespace(
            s_counts=np.ones(trace.size), alpha=1.0, baseline=0.0
        ),
        estimate_kernel=lambda *_, warm_kernel: np.ones(10),
        fit_biexponential=lambda *_, warm: SimpleNamespace(tau_rise=0.1, tau_decay=next(each)),
    )
    run = pipeline.Run(np.zeros((2, 40)), 30.0, counts=np.zeros((2, 40)))
    chosen = [parts.Subset(range(2), slice(10, 30))]
    assert pipeline.iterate(peer, run, chosen, 7, map) is converged
    # The first iteration has nothing to compare with, then three in a row must rest.
    assert len(run.history) == made
    assert run.counts[:, 10:30].all()
    assert not run.counts[:, :10].any()


class StandInSolver:
    """What the predecessor's solver would return were the relaxed problem solved exactly."""

    spikes: np.ndarray

    def __getattr__(self, name):
        return lambda *_: True

    def set_trace(self, trace):
        self.trace = trace

    def get_trace(self):
        return self.trace

    def get_solution(self):
        return 0.5 * self.spikes


@pytest.mark.parametrize("constrained", [False, True])
def test_predecessor_fit_has_the_spikes_that_explain_the_trace(module, monkeypatch, constrained):
    trace = module("_predecessor_trace")
    factor, n_frames, rng = 5, 300, np.random.default_rng(3)
    spikes = (rng.random(n_frames * factor) < 0.01).astype(float)
    monkeypatch.setattr(StandInSolver, "spikes", spikes, raising=False)
    stand_in = SimpleNamespace(PySolver=StandInSolver)
    monkeypatch.setitem(sys.modules, "calab._solver", stand_in)
    monkeypatch.setattr(trace, "upsampled", lambda trace, factor: trace)
    options = {"tau_rise": 0.1, "tau_decay": 0.6, "fs": 30.0, "upsample_factor": factor}
    # The kernel of the model, one fine sample late as the predecessor's is.
    t = np.arange(1500) / (30.0 * factor)
    kernel = np.exp(-t / 0.6) - np.exp(-t / 0.1)
    calcium = np.convolve(spikes, kernel / kernel.max())[: spikes.size]
    found = trace.fitted(3.0 * calcium + 1.0, options | {"noise_constrained": constrained})
    assert found["alpha"] == pytest.approx(3.0, rel=1e-5)
    assert found["pve"] == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(found["fit"], (3.0 * calcium + 1.0)[::factor], atol=1e-4)
    assert found["activity"].sum() == spikes.sum()


def test_predecessor_is_scaled_by_cells_and_iterations(module):
    scaling = module("cadecon").Scaling(1.0, 4.0, 7.0, cells=12.5, iterations=20)
    assert scaling.seconds == 12.5 * (1 + 80 + 7)


def test_counts_judges_every_recording(tmp_path):
    rows, printed = run("counts.py", tmp_path)
    assert {row["noise"] for row in rows} == {"own", "8", "3", "8, drift"}
    assert {row["spikes"] for row in rows} == {"markov", "poisson"}
    assert len(rows) == 8 * 6  # the pipeline and five factors on eight recordings
    for row in rows:
        assert row["count_error"] >= 0, row
        assert 0 <= row["wrong_claims"] <= 1 - row["scale_unknown"], row
        assert row["method"] in printed


def test_cadecon_has_every_row(tmp_path):
    rows, _ = run("cadecon.py", tmp_path)
    assert len(rows) == 21
    beside_peer = [row for row in rows if row["ratio"] is None]
    assert len(beside_peer) == 18
    verdicts = [row["verdict"] for row in rows if row["ratio"] is not None]
    assert verdicts.count("shown") == 1
    assert set(verdicts) <= {"met", "MISSED", "shown"}
