from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import calab
import numpy as np
import pytest
import zarr
from calab_core import CaDeconResult
from calab_sim import SimulationResult, presets, simulate
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Pretended = Callable[..., CaDeconResult]


@pytest.fixture(scope="module")
def simulation() -> SimulationResult:
    return simulate(presets.gcamp6f(num_cells=3, num_timepoints=1500, noise={"snr": 30}))


@pytest.fixture
def result(simulation: SimulationResult, pretended: Pretended) -> CaDeconResult:
    return pretended(simulation)


@pytest.fixture
def draw(simulation: SimulationResult, result: CaDeconResult) -> dict[str, Callable[..., Axes]]:
    quality = calab.quality(result, simulation.traces)
    return {
        "trace": lambda **options: calab.plot_trace(result, simulation.traces, 1, **options),
        "kernel": lambda **options: calab.plot_kernel(result, **options),
        "convergence": lambda **options: calab.plot_convergence(result, **options),
        "raster": lambda **options: calab.plot_raster(result, **options),
        "quality": lambda **options: calab.plot_quality(quality, **options),
    }


def line(axes: Axes, label: str) -> np.ndarray:
    """Points of the line with that label."""
    return next(one for one in axes.lines if str(one.get_label()).startswith(label)).get_xydata()


NAMES = ("trace", "kernel", "convergence", "raster", "quality")


@pytest.mark.installed
@pytest.mark.parametrize("name", NAMES)
def test_draws_on_a_figure_of_its_own_or_where_it_is_told(
    draw: dict[str, Callable[..., Axes]], name: str
) -> None:
    own = draw[name]()
    assert own.get_xlabel()
    assert own.get_ylabel()
    assert own.get_title(loc="left")
    own.figure.canvas.draw()
    given = Figure().add_subplot()
    assert draw[name](ax=given) is given
    # pyplot keeps a list of figures, which would grow with every call.
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


@pytest.mark.parametrize("name", NAMES)
def test_says_what_to_install(
    draw: dict[str, Callable[..., Axes]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "calab\[plot\]"'):
        draw[name]()


def test_trace_shows_the_window(simulation: SimulationResult, result: CaDeconResult) -> None:
    axes = calab.plot_trace(result, simulation.traces, 2, window=(10.0, 20.0))
    shown = line(axes, "trace")
    np.testing.assert_allclose(shown[[0, -1], 0], [10.0, 20.0 - 1 / 30])
    np.testing.assert_allclose(shown[:, 1], simulation.traces[2, 300:600])
    np.testing.assert_allclose(line(axes, "fit")[:, 1], result.details.reconvolution[2, 300:600])
    times = result.details.spike_times[2]
    ticks = axes.collections[0].get_segments()
    assert [float(tick[0][0]) for tick in ticks] == times[(times >= 10) & (times < 20)].tolist()
    # The ticks lie below everything that was recorded.
    low, high = axes.get_ylim()
    assert low + 0.09 * (high - low) < shown[:, 1].min()


@pytest.mark.parametrize("cells", [5, 70])
def test_results_that_are_not_in_memory(cells, tmp_path):
    """As those of `run_cadecon` with arrays of zarr; many cells are drawn by their rates."""
    traces = calab.simulate(num_cells=cells, num_timepoints=600, seed=1).traces
    group = zarr.create_group(tmp_path / "out.zarr")

    def make(name, shape, dtype, cells):
        return group.create_array(name, shape=shape, dtype=dtype, chunks=(2, shape[1]))

    there = calab.run_cadecon(traces, 30.0, out=make)
    here = calab.run_cadecon(traces, 30.0)
    calab.write_report(there, traces, tmp_path / "there.html")
    calab.write_report(here, traces, tmp_path / "here.html")
    drawn, expected = (calab.plot_raster(one) for one in (there, here))
    assert len(drawn.images) == (cells > 60)
    for one, other in zip(drawn.images, expected.images, strict=True):
        np.testing.assert_allclose(one.get_array(), other.get_array(), rtol=1e-6)
    if cells > 60:
        for least, unit in [
            (0, "spikes"),
            (9, "spikes, or arbitrary units,"),
            (70, "arbitrary units"),
        ]:
            details = replace(here.details, scale_known=np.arange(cells) >= least)
            axes = calab.plot_raster(CaDeconResult(*here, details=details))
            assert axes.images[0].colorbar.ax.get_ylabel() == f"{unit} per second"
    pages = [(tmp_path / f"{name}.html").read_text("utf-8") for name in ("there", "here")]
    assert pages[0].count("<img") == pages[1].count("<img") > 3


def test_trace_in_a_file(simulation, result, tmp_path):
    np.save(tmp_path / "t.npy", simulation.traces)
    lazy = calab.read(tmp_path / "t.npy", fs=20.0).traces
    drawn = calab.plot_trace(result, lazy, 2).lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, simulation.traces[2])


def test_long_traces_keep_their_peaks(pretended: Pretended) -> None:
    simulation = simulate(presets.gcamp6f(num_cells=1, num_timepoints=27000))
    simulation.traces[0, 12345] = 1000.0
    simulation.traces[0, 20000:21000] = np.nan
    axes = calab.plot_trace(pretended(simulation), simulation.traces, 0)
    shown = line(axes, "trace")
    assert len(shown) <= 4001
    assert np.nanmax(shown[:, 1]) == 1000.0
    assert np.isnan(shown[(shown[:, 0] > 668) & (shown[:, 0] < 699), 1]).all()


def test_trace_names_the_cell_as_the_caller_does(
    simulation: SimulationResult, pretended: Pretended
) -> None:
    named = pretended(simulation, cell_ids=np.array(["a", "$b_{$", "c"]), segments=(0, 700))
    axes = calab.plot_trace(named, simulation.traces, 1)
    assert axes.get_title(loc="left") == r"cell \$b_{\$"
    axes.figure.canvas.draw()
    borders = [one.get_xdata()[0] for one in axes.lines if one.get_linestyle() == ":"]
    assert borders == [700 / 30]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "three": ({"window": (0.0, 1.0, 2.0)}, "window: expected two ascending numbers of seconds"),
    "letters": ({"window": "ab"}, "window: expected two ascending numbers of seconds"),
    "cell": ({"cell": 3}, "cell: expected a row below 3, got 3"),
    "window": ({"window": (9.0, 2.0)}, "window: expected two ascending numbers of seconds"),
    "beyond": ({"window": (90.0, 99.0)}, "window: expected seconds within 50 s"),
    "traces": ({"traces": np.zeros((2, 9))}, "traces: expected the shape of the activity"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_trace_refuses(
    simulation: SimulationResult, result: CaDeconResult, changes: dict[str, Any], message: str
) -> None:
    arguments = {"traces": simulation.traces, "cell": 0} | changes
    with pytest.raises(ValueError, match=message):
        calab.plot_trace(result, **arguments)


@pytest.mark.parametrize("cell", ["a", 1.0, None, True])
def test_a_cell_is_a_whole_number(
    simulation: SimulationResult, result: CaDeconResult, cell: Any
) -> None:
    with pytest.raises(TypeError, match=f"^cell: expected a whole number, got {cell!r}$"):
        calab.plot_trace(result, simulation.traces, cell)


def test_axes_are_those_of_matplotlib(result: CaDeconResult) -> None:
    with pytest.raises(TypeError, match=r"^ax: expected axes of matplotlib, got int$"):
        calab.plot_kernel(result, ax=3)  # type: ignore[arg-type]


def test_other_things_than_results_are_refused(result: CaDeconResult) -> None:
    with pytest.raises(TypeError, match="result: expected a CaDeconResult, got tuple"):
        calab.plot_kernel(tuple(result))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="result: expected a result with its details"):
        calab.plot_raster(CaDeconResult(*result))
    with pytest.raises(TypeError, match="quality: expected a Quality, got dict"):
        calab.plot_quality({})  # type: ignore[arg-type]


def test_kernel_is_the_one_that_was_used_over_its_subsets(result: CaDeconResult) -> None:
    axes = calab.plot_kernel(result)
    np.testing.assert_allclose(line(axes, "kernel")[:, 1], result.kernel_slow)
    assert len([one for one in axes.lines if one.get_color() == "#9a9a9a"]) == 4
    assert axes.get_title(loc="left") == "rise 100 ms, decay 600 ms"
    assert result.kernel_slow[round(axes.get_xlim()[1] * result.fs) - 2] > 0.01


def test_kernel_with_a_fast_part_and_a_spread_of_cells(
    simulation: SimulationResult, pretended: Pretended
) -> None:
    spread = pretended(simulation, tau_decay=np.array([0.4, 0.6, np.nan]), subset_kernels=())
    axes = calab.plot_kernel(spread._replace(kernel_fast=spread.kernel_slow / 2))
    np.testing.assert_allclose(line(axes, "fast part")[:, 1], spread.kernel_slow / 2)
    assert axes.get_title(loc="left") == "rise 100 ms, decay 500 ms (420 ms to 580 ms)"


def test_convergence_is_the_change_per_iteration(result: CaDeconResult) -> None:
    axes = calab.plot_convergence(result)
    history = result.metadata["history"]
    np.testing.assert_allclose(
        line(axes, "kernel")[1:, 1], [one["kernel_change"] for one in history[1:]]
    )
    step = abs(history[2]["tau_decay"] - history[1]["tau_decay"]) / history[2]["tau_decay"]
    assert line(axes, "decay time")[2, 1] == pytest.approx(step)
    assert axes.get_title(loc="left") == "converged at iteration 6"
    assert axes.get_yscale() == "log"


def test_convergence_tells_the_sampled_kernel_from_the_search(result: CaDeconResult) -> None:
    history = [dict(one) for one in result.metadata["history"]]
    history[-1]["method"] = "sampled"
    axes = calab.plot_convergence(result._replace(metadata=result.metadata | {"history": history}))
    assert (
        axes.get_title(loc="left") == f"sampled after {len(history) - 2} iterations, came to rest"
    )
    assert line(axes, "sampled")[:, 0].tolist() == [len(history) - 1] * 2
    # What the average differs by from the search is no step of it.
    assert len(line(axes, "kernel")) == len(history) - 1
    short = {"converged": False, "history": history}
    axes = calab.plot_convergence(result._replace(metadata=short))
    expected = f"sampled after {len(history) - 2} iterations, did not come to rest"
    assert axes.get_title(loc="left") == expected


def test_convergence_tells_an_assumed_kernel_from_the_search(result: CaDeconResult) -> None:
    history = [dict(one) for one in result.metadata["history"]]
    history[-1] |= {"method": "assumed", "kernel_change": None}
    metadata = result.metadata | {"history": history, "kernel_method": "assumed"}
    axes = calab.plot_convergence(result._replace(metadata=metadata))
    assert axes.get_title(loc="left") == "no events: the kernel is assumed"
    assert len(line(axes, "kernel")) == len(line(axes, "decay time")) == len(history) - 1


def test_convergence_marks_where_nothing_changed(result: CaDeconResult) -> None:
    history = [dict(one) for one in result.metadata["history"]]
    history[4] |= {"kernel_change": 0.0, "tau_decay": history[3]["tau_decay"]}
    axes = calab.plot_convergence(result._replace(metadata={"history": history}))
    axes.figure.canvas.draw()
    floor = axes.get_ylim()[0]
    least = min(one["kernel_change"] for k, one in enumerate(history) if k not in {0, 4})
    assert 0 < floor < least
    marks = [one.get_xydata().tolist() for one in axes.lines if one.get_marker() == "v"]
    # Of the kernel, the rise time, the decay time, and the legend.
    assert marks == [[[4, floor]], [], [[4, floor]], []]
    # The lines go through them.
    assert [len(one.get_xydata()) for one in axes.lines[::3]] == [9, 9, 9, 0]


def test_convergence_of_what_never_changed(result: CaDeconResult) -> None:
    still = {"tau_rise": 0.1, "tau_decay": 0.6, "kernel_change": 0.0}
    history = [{"iteration": k, **still} for k in range(3)]
    axes = calab.plot_convergence(result._replace(metadata={"history": history}))
    axes.figure.canvas.draw()
    assert not axes.texts
    assert axes.get_ylim()[0] == pytest.approx(1e-3)


@pytest.mark.parametrize("history", [[], [{"iteration": 0, "tau_rise": 0.1, "tau_decay": 0.6}]])
def test_convergence_without_iterations_says_so(
    result: CaDeconResult, history: list[dict[str, float]]
) -> None:
    axes = calab.plot_convergence(result._replace(metadata={"history": history}))
    axes.figure.canvas.draw()
    assert [text.get_text() for text in axes.texts] == ["no iterations"]
    assert "not converged" in axes.get_title(loc="left")


def test_raster_of_few_cells_has_a_tick_per_spike(result: CaDeconResult) -> None:
    axes = calab.plot_raster(result)
    assert [len(row.get_segments()) for row in axes.collections] == [
        times.size for times in result.details.spike_times
    ]
    assert axes.get_ylim() == (2.5, -0.5)


def test_raster_of_many_cells_is_an_image_of_bounded_size(pretended: Pretended) -> None:
    simulation = simulate(presets.gcamp6f(num_cells=1001, num_timepoints=2000))
    result = pretended(simulation)
    axes = calab.plot_raster(result)
    image = np.asarray(axes.images[0].get_array())
    assert image.shape[0] <= 500
    assert image.shape[1] <= 900
    # The mean of blocks of equal width is the mean of all; the last ones are narrower.
    np.testing.assert_allclose(image.mean(), result.details.rate.mean(), rtol=0.01)
    axes.figure.canvas.draw()


def test_raster_without_activity(simulation: SimulationResult, pretended: Pretended) -> None:
    silent = tuple(np.empty(0) for _ in range(3))
    axes = calab.plot_raster(pretended(simulation, spike_times=silent))
    axes.figure.canvas.draw()
    assert axes.get_xlim() == (0.0, 50.0)


def test_quality_tells_flagged_cells_apart(
    simulation: SimulationResult, pretended: Pretended
) -> None:
    known = np.array([True, False, True])
    noise = np.array([0.01, 0.01, 1e3])
    result = pretended(simulation, scale_known=known, noise=noise)
    quality = calab.quality(result, simulation.traces)
    axes = calab.plot_quality(quality)
    found = {points.get_label(): points for points in axes.collections}
    assert set(found) == {"no flag (1)", "flagged (1)", "scale unknown (1)"} or set(found) == {
        "flagged (2)",
        "scale unknown (1)",
    }
    offsets = np.vstack([points.get_offsets() for points in found.values()])
    assert sorted(offsets[:, 0]) == pytest.approx(sorted(quality.peak_snr))
    assert colors.to_hex(found["scale unknown (1)"].get_facecolor()[0]) == "#000000"
