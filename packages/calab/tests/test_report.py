from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import calab
import numpy as np
import pytest
from calab_core import CaDeconResult
from calab_sim import SimulationResult, presets, simulate

Pretended = Callable[..., CaDeconResult]


class Page(HTMLParser):
    """What a browser would see of a page: tags, table rows, figures."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def simulation() -> SimulationResult:
    return simulate(presets.gcamp6f(num_cells=4, num_timepoints=1500, noise={"snr": 30}))


@pytest.fixture
def spoilt(simulation: SimulationResult, pretended: Pretended) -> CaDeconResult:
    """Cells with unsafe names; the third was excluded."""
    return pretended(
        simulation,
        cell_ids=np.array(["<script>alert(1)</script>", 'b"&', "c", "d"]),
        excluded={2: "no <recorded> frame"},
        scale_known=np.array([True, True, False, True]),
    )


@pytest.mark.installed
def test_page_is_whole_and_loads_nothing(
    simulation: SimulationResult, spoilt: CaDeconResult
) -> None:
    calab.write_report(spoilt, simulation.traces, "report.html", title="Mouse <b>1</b> & 2")
    text = Path("report.html").read_text("utf-8")
    page = Page(text)
    assert page.open == []
    assert "<title>Mouse &lt;b&gt;1&lt;/b&gt; &amp; 2</title>" in text
    assert "<script>alert" not in text
    sources = [tag[name] or "" for _, tag in page.tags for name in ("src", "href") if name in tag]
    assert len(sources) >= 5
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "url(" not in text
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "iframe", "object", "b>"})
    policy = next(tag["content"] for _, tag in page.tags if "http-equiv" in tag)
    assert "default-src 'none'" in str(policy)
    images = [tag for name, tag in page.tags if name == "img"]
    assert all(len(str(tag["alt"])) > 20 for tag in images)


def test_table_has_every_cell_flagged_ones_first(
    simulation: SimulationResult, spoilt: CaDeconResult
) -> None:
    quality = calab.quality(spoilt, simulation.traces, units="dff")
    calab.write_report(spoilt, simulation.traces, "report.html", quality=quality)
    page = Page(Path("report.html").read_text("utf-8"))
    start = next(k for k, row in enumerate(page.rows) if row[:2] == ["cell", "flags"])
    rows = page.rows[start + 1 : start + 5]
    ids = spoilt.details.cell_ids.tolist()
    assert sorted(row[0] for row in rows) == sorted(ids)
    flagged = [bool(row[1]) for row in rows]
    assert flagged == sorted(flagged, reverse=True)
    excluded = next(row for row in rows if row[0] == "c")
    assert "excluded" in excluded[1]
    assert "no <recorded> frame" in excluded[1]
    head = page.rows[start]
    first = next(row for row in rows if row[0] == ids[0])
    assert float(first[head.index("SNR")]) == pytest.approx(quality.snr[0], rel=0.005)
    assert float(first[head.index("% / √Hz")]) == pytest.approx(quality.noise_dff[0], rel=0.005)
    assert excluded[head.index("one spike")] == ""


def test_settings_versions_and_flags_are_told(
    simulation: SimulationResult, spoilt: CaDeconResult
) -> None:
    calab.write_report(spoilt, simulation.traces, "report.html")
    rows = Page(Path("report.html").read_text("utf-8")).rows
    assert ["convergence_tol", "0.005"] in rows
    assert ["calab-core", calab.versions()["calab-core"]] in rows
    assert ["num_iterations", "9"] in rows
    assert any(row[:2] == ["excluded", "1"] for row in rows)


def test_same_result_gives_the_same_bytes(
    simulation: SimulationResult, spoilt: CaDeconResult
) -> None:
    for name in ("a.html", "b.html"):
        calab.write_report(spoilt, simulation.traces, name)
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


def test_a_recording_without_any_answer_has_a_page(
    simulation: SimulationResult, pretended: Pretended
) -> None:
    result = pretended(simulation)
    nothing = np.full(result.activity.shape, np.nan, np.float32)
    details = dataclasses.replace(
        result.details,
        rate=np.zeros_like(nothing),
        reconvolution=nothing,
        removed_baseline=nothing,
        spike_times=tuple(np.empty(0) for _ in range(4)),
        noise=np.full(4, np.nan),
        alpha_sd=np.full(4, np.nan),
        scale_known=np.zeros(4, bool),
        tau_rise=np.full(4, np.nan),
        tau_decay=np.full(4, np.nan),
        excluded=dict.fromkeys(range(4), "no recorded frame"),
        subset_kernels=(),
    )
    empty = np.empty(0, np.float32)
    fields = {"activity": np.zeros_like(nothing), "alphas": np.full(4, np.nan)}
    fields |= {"kernel_slow": empty, "metadata": {}}
    excluded = CaDeconResult(*result._replace(**fields), details=details)
    calab.write_report(excluded, nothing, "report.html")
    text = Path("report.html").read_text("utf-8")
    assert "0 of 4" in text
    assert text.count("no recorded frame") == 4


def test_a_page_of_many_cells_stays_small(pretended: Pretended) -> None:
    simulation = simulate(presets.gcamp6f(num_cells=1000, num_timepoints=1500))
    calab.write_report(pretended(simulation), simulation.traces, "report.html")
    assert Path("report.html").stat().st_size < 5e6
    text = Path("report.html").read_text("utf-8")
    assert len(re.findall(r"<tr( class=\"flagged\")?><th scope=\"row\">\d+</th>", text)) == 1000


def test_nothing_is_left_of_a_page_that_fails(
    simulation: SimulationResult, spoilt: CaDeconResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("report.html").write_text("old")
    other = calab.quality(spoilt, simulation.traces)
    few = dataclasses.replace(other, flags=other.flags[:2])
    with pytest.raises(ValueError, match="quality: expected 4 cells as in the result, got 2"):
        calab.write_report(spoilt, simulation.traces, "report.html", quality=few)
    with pytest.raises(ValueError, match="traces: expected the shape of the activity"):
        calab.write_report(spoilt, simulation.traces[:2], "report.html")
    with pytest.raises(TypeError, match="path: expected a str or Path, got NoneType"):
        calab.write_report(spoilt, simulation.traces, None)  # type: ignore[arg-type]
    with pytest.raises(IsADirectoryError, match=r"path: expected a file to write, got .*'\.'"):
        calab.write_report(spoilt, simulation.traces, ".")
    with pytest.raises(NotADirectoryError, match="path: expected an existing folder, got 'none'"):
        calab.write_report(spoilt, simulation.traces, "none/report.html")
    with pytest.raises(TypeError, match="result: expected a CaDeconResult"):
        calab.write_report(None, simulation.traces, "report.html")  # type: ignore[arg-type]
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "calab\[plot\]"'):
        calab.write_report(spoilt, simulation.traces, "report.html")
    assert [path.name for path in Path().iterdir()] == ["report.html"]
    assert Path("report.html").read_text() == "old"


def test_time_constants_have_the_unit_that_suits_them(
    simulation: SimulationResult, spoilt: CaDeconResult
) -> None:
    taus = {"tau_rise": np.full(4, 0.218), "tau_decay": np.array([1.69, 1.69, np.nan, 1.69])}
    details = dataclasses.replace(spoilt.details, **taus)
    slow = CaDeconResult(*spoilt, details=details)
    calab.write_report(slow, simulation.traces, "report.html")
    text = Path("report.html").read_text("utf-8")
    assert "<dd>218 ms</dd><dt>rise time</dt>" in text
    assert "<dd>1.69 s</dd><dt>decay time</dt>" in text


def test_a_doubtful_kernel_is_said_at_once(
    simulation: SimulationResult, spoilt: CaDeconResult
) -> None:
    said = "The kernel may be wrong:"
    calab.write_report(spoilt, simulation.traces, "report.html")
    assert said not in Path("report.html").read_text("utf-8")
    metadata = spoilt.metadata | {"kernel_doubt": "is fs, 3 Hz, < the rate?"}
    doubted = CaDeconResult(*spoilt[:-1], metadata, details=spoilt.details)
    calab.write_report(doubted, simulation.traces, "report.html")
    assert f"{said}</strong> is fs, 3 Hz, &lt; the rate?" in Path("report.html").read_text("utf-8")
