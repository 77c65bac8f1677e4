"""Quality figures of pretended results whose truth is known."""

import json

import numpy as np
import pytest
import zarr
from calab_core import Quality, build_kernel, quality, run_cadecon
from calab_core._residual import autocorrelation, joined

FS, NOISE, ALPHA = 30.0, 0.2, 2.0


def spiking(n_cells=2, n_frames=6000, rate=0.01, seed=1):
    return np.random.default_rng(seed).poisson(rate, (n_cells, n_frames)).astype(float)


def traces_of(spikes, baseline=1.0, alpha=ALPHA, noise=NOISE, seed=2):
    kernel = build_kernel(0.1, 0.6, FS).astype(float)
    clean = np.array([np.convolve(row, kernel)[: spikes.shape[1]] for row in spikes])
    rng = np.random.default_rng(seed)
    return baseline + alpha * clean + noise * rng.standard_normal(spikes.shape)


@pytest.fixture
def make(cadecon):
    def make(spikes, traces, **changes):
        alphas = np.full(len(spikes), ALPHA)
        changes.setdefault("noise", np.full(len(spikes), NOISE))
        return cadecon(traces, spikes, alphas, FS, baseline=1.0, **changes)

    return make


@pytest.mark.installed
def test_figures_of_a_perfect_fit(make):
    spikes = spiking()
    traces = traces_of(spikes)
    found = quality(make(spikes, traces), traces)
    assert isinstance(found, Quality)
    assert found.flags == ((), ())
    np.testing.assert_allclose(found.snr, ALPHA / NOISE)
    np.testing.assert_allclose(found.peak_snr, (traces.max(axis=1) - 1.0) / NOISE, rtol=1e-5)
    np.testing.assert_allclose(found.event_rate, spikes.mean(axis=1) * FS)
    np.testing.assert_allclose(found.n_events, spikes.sum(axis=1))
    expected = 1 - NOISE**2 / (traces - 1.0).var(axis=1)
    # The residual's variance of 6000 samples is within 2 % of the noise's.
    np.testing.assert_allclose(1 - found.pve, 1 - expected, rtol=0.05)
    # White: within 4 standard errors, over 18 lags.
    assert np.all(np.abs(found.residual_autocorrelation_max) < 4.5 / 6000**0.5)
    np.testing.assert_allclose(found.drift, 0.0)
    np.testing.assert_allclose(found.missing, 0.0)
    assert np.isnan(found.noise_dff).all()


def test_dff_noise_is_the_median_step_per_root_hertz(make):
    spikes = np.zeros((1, 60000))
    traces = traces_of(spikes)
    found = quality(make(spikes, traces), traces, units="dff")
    # The median of |x1 - x0| for white noise is 0.6745 * sqrt(2) standard deviations.
    expected = 100 * 0.6745 * 2**0.5 * NOISE / FS**0.5
    np.testing.assert_allclose(found.noise_dff, expected, rtol=0.02)


def test_a_missed_burst_shows_in_residual_and_pve(make):
    spikes = spiking(1)
    traces = traces_of(spikes)
    missed = spikes.copy()
    missed[:, 3000:] = 0
    found = quality(make(missed, traces), traces)
    assert "residual correlated" in found.flags[0]
    assert found.residual_autocorrelation[0] > 0.5
    assert found.pve[0] < quality(make(spikes, traces), traces).pve[0] - 0.2


def test_missing_frames_are_in_no_figure(make):
    spikes = spiking(1)
    traces = traces_of(spikes)
    whole = quality(make(spikes, traces), traces, units="dff")
    traces[:, 1000:2000] = np.nan
    spikes[:, 1000:2000] = 0
    found = quality(make(spikes, traces), traces, units="dff")
    assert found.missing[0] == pytest.approx(1 / 6)
    assert found.event_rate[0] == pytest.approx(spikes.sum() / (5000 / FS))
    assert found.noise_dff[0] == pytest.approx(whole.noise_dff[0], rel=0.05)
    for name in ("pve", "residual_autocorrelation", "drift", "peak_snr"):
        assert np.isfinite(getattr(found, name)).all()


def flags_of(make, spikes, traces, **changes):
    return quality(make(spikes, traces, **changes), traces).flags[0]


def test_flags_of_cells_without_an_answer(make):
    nothing = np.zeros((1, 6000))
    unknown = {"scale_known": np.array([False])}
    silent = flags_of(make, nothing, traces_of(nothing), **unknown)
    assert silent == ("no events", "scale unknown", "low SNR")
    constant = flags_of(make, nothing, np.full((1, 6000), 1.0), noise=np.zeros(1), **unknown)
    assert constant == ("constant", "no events", "scale unknown")
    void = np.full((1, 6000), np.nan)
    excluded = {"excluded": {0: "no recorded frame"}, "noise": np.array([np.nan])}
    assert flags_of(make, nothing, void, **excluded, **unknown) == ("excluded", "mostly missing")


def test_flags_of_traces_that_break_the_model(make):
    spikes = spiking(1)
    clean = traces_of(spikes)
    assert flags_of(make, spikes, np.minimum(clean, 1.5)) == (
        "saturated",
        "poor fit",
        "residual correlated",
    )
    drift = np.linspace(0, 4 * clean.max(), 6000)[None].astype(np.float32)
    moved = make(spikes, clean).details
    changes = {
        "removed_baseline": moved.removed_baseline + drift,
        "reconvolution": moved.reconvolution + drift,
    }
    # A baseline that the quantile followed is none; the run says which it did not.
    assert flags_of(make, spikes, clean + drift, **changes) == ()
    said = {"drift": {0: "the baseline moves"}}
    assert flags_of(make, spikes, clean + drift, **changes, **said) == ("drift",)
    assert flags_of(make, 100 * spikes, traces_of(100 * spikes)) == ("high rate",)
    assert flags_of(make, spikes, clean, noise=np.array([1.5])) == ("low SNR",)


def test_columns_are_plain(make):
    spikes = spiking()
    traces = traces_of(spikes)
    found = quality(make(spikes, traces, cell_ids=np.array(["a", "b"])), traces)
    columns, rows = found.to_dict(), found.table()
    assert json.loads(json.dumps(columns, allow_nan=False)) == columns
    assert columns["cell_id"] == ["a", "b"]
    assert columns["noise_dff"] == [None, None]
    assert rows[1] == {name: column[1] for name, column in columns.items()}


def test_refuses_what_does_not_belong_together(make):
    spikes = spiking()
    traces = traces_of(spikes)
    result = make(spikes, traces)
    with pytest.raises(ValueError, match=r"^traces: expected the shape of the activity \(2, 6000"):
        quality(result, traces[:1])
    with pytest.raises(TypeError, match=r"^result: expected a CaDeconResult, got tuple"):
        quality(tuple(result), traces)
    with pytest.raises(ValueError, match=r"^result: expected a result with its details"):
        quality(type(result)(*result), traces)
    with pytest.raises(ValueError, match=r"^units: expected 'dff', got 'percent'"):
        quality(result, traces, units="percent")


def test_single_precision_and_masked_arrays_are_taken(make):
    spikes = spiking()
    traces = traces_of(spikes)
    result = make(spikes, traces)
    single = quality(result, traces.astype(np.float32))
    np.testing.assert_allclose(single.pve, quality(result, traces).pve, rtol=1e-5)
    masked = np.ma.masked_where(np.arange(12000).reshape(2, -1) % 6000 < 600, traces)
    np.testing.assert_allclose(quality(result, masked).missing, 0.1 * np.ones(2))


def test_autocorrelation_is_the_direct_sum():
    rng = np.random.default_rng(0)
    values, seen = rng.standard_normal(200), rng.random(200) < 0.8
    found = autocorrelation(np.where(seen, values, np.nan), seen, [0, 90], 5)
    centred = np.where(seen, values - values[seen].mean(), 0.0)
    for lag in range(1, 6):
        pairs = seen[lag:] & seen[:-lag]
        pairs[90 - lag : 90] = False
        product = np.mean((centred[lag:] * centred[:-lag])[pairs])
        assert found[lag - 1] == pytest.approx(product / np.mean(centred[seen] ** 2))


def test_autocorrelation_without_pairs_or_variance_is_unknown():
    seen = np.ones(4, bool)
    assert np.isnan(autocorrelation(np.arange(4.0), seen, [], 6)).all()
    assert np.isnan(autocorrelation(np.full(50, 0.1), np.ones(50, bool), [], 3)).all()


def test_neighbours():
    seen = np.array([1, 1, 0, 1, 1, 1], bool)
    np.testing.assert_array_equal(joined(seen, [0, 4]), [1, 0, 0, 0, 1])


def test_an_excluded_cell_without_a_fit_has_figures_of_its_trace(make):
    traces = traces_of(spiking(1))
    nothing = np.full(traces.shape, np.nan, np.float32)
    changes = {
        "removed_baseline": nothing,
        "reconvolution": nothing,
        "tau_decay": np.array([np.nan]),
        "scale_known": np.array([False]),
        "excluded": {0: "given up"},
    }
    found = quality(make(np.zeros(traces.shape), traces, **changes), traces, units="dff")
    assert found.flags == (("excluded",),)
    assert np.isfinite(found.noise_dff[0])
    for name in ("snr", "peak_snr", "pve", "residual_autocorrelation_max", "drift"):
        assert np.isnan(getattr(found, name)[0])


def test_what_is_not_in_memory_is_judged_alike(tmp_path):
    traces = traces_of(spiking(9))
    store = zarr.create_array(tmp_path / "t.zarr", shape=traces.shape, chunks=(2, 6000), dtype="f8")
    store[:] = traces
    group = zarr.create_group(tmp_path / "out.zarr")

    def make(name, shape, dtype, cells):
        return group.create_array(name, shape=shape, dtype=dtype, chunks=(cells, shape[1]))

    judged = quality(run_cadecon(store, FS, out=make), store, units="dff")
    expected = quality(run_cadecon(traces, FS), traces, units="dff")
    assert judged.flags == expected.flags
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(judged, name), value)
