"""The page over all sessions of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from calab_io.atomic import atomic_path

from calab._page import document, section

from .session import Outcome

__all__ = ["write_summary"]

PAGE = "summary.html"
#: Columns of the table, by their name in a session's summary.
_COLUMNS = {
    "cells": "cells",
    "known": "scale_known",
    "decay (s)": "tau_decay_s",
    "rise (s)": "tau_rise_s",
    "SNR": "snr_median",
    "explained": "pve_median",
    "spikes/s": "spikes_per_s",
    "minutes": "minutes",
}


def write_summary(out: Path, outcomes: Sequence[Outcome], waiting: int) -> None:
    """Write the page.

    Parameters
    ----------
    out : Path
        Folder of the batch.
    outcomes : sequence of Outcome
        Of the sessions that ended, now or earlier.
    waiting : int
        How many sessions are left.
    """
    good = [outcome for outcome in outcomes if outcome.status != "failed"]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    doubted = [outcome for outcome in good if outcome.summary.get("kernel_doubt")]
    sections = [
        section("At a glance", _glance(outcomes, waiting)),
        section("What failed", _reasons(failed, "No session failed.")),
        section("Kernels that may be wrong", _doubts(doubted)),
        section("Quality over sessions", _figures(good)),
        section("All sessions", _table(out, outcomes)),
    ]
    with atomic_path(out / PAGE) as draft:
        draft.write_text(document("CaLab: batch", sections), encoding="utf-8")


def _glance(outcomes: Sequence[Outcome], waiting: int) -> str:
    counts = {
        status: sum(outcome.status == status for outcome in outcomes)
        for status in ("done", "skipped", "failed", "earlier")
    }
    cells = sum(outcome.summary.get("cells", 0) for outcome in outcomes)
    tiles = {
        "sessions": str(len(outcomes) + waiting),
        "done now": str(counts["done"]),
        "done before": str(counts["skipped"] + counts["earlier"]),
        "failed": str(counts["failed"]),
        "not done": str(waiting),
        "cells": str(cells),
    }
    shown = "".join(
        f"<div><dd>{escape(value)}</dd><dt>{escape(name)}</dt></div>\n"
        for name, value in tiles.items()
    )
    return f'<dl class="tiles">\n{shown}</dl>\n'


def _reasons(failed: Sequence[Outcome], none: str) -> str:
    if not failed:
        return f"<p>{none}</p>\n"
    return _rows({outcome.name: outcome.reason for outcome in failed})


def _doubts(doubted: Sequence[Outcome]) -> str:
    if not doubted:
        return "<p>None.</p>\n"
    return _rows({one.name: str(one.summary["kernel_doubt"]) for one in doubted})


def _rows(pairs: dict[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>\n'
        for name, text in pairs.items()
    )
    return f'<div class="wide"><table class="pairs">\n<tbody>\n{rows}</tbody></table></div>\n'


def _figures(good: Sequence[Outcome]) -> str:
    if not good:
        return "<p>Nothing is finished yet.</p>\n"
    if find_spec("matplotlib") is None:
        return "<p>Figures need matplotlib: install calab with its extra 'plot'.</p>\n"
    from .figures import overview

    return overview(good)


def _table(out: Path, outcomes: Sequence[Outcome]) -> str:
    head = "".join(
        f'<th scope="col"><button type="button">{escape(name)}</button></th>'
        for name in ("session", "status", *_COLUMNS)
    )
    rows = "".join(_row(out, outcome) for outcome in outcomes)
    return (
        "<p>Medians over cells. <b>Known</b>: cells whose amplitude of one spike is known, which "
        "spikes per second and SNR are of. A click on a heading sorts by it.</p>\n"
        f'<div class="wide tall"><table class="sortable cells">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )


def _row(out: Path, outcome: Outcome) -> str:
    values = dict(outcome.summary)
    if "seconds" in values:
        values["minutes"] = values["seconds"] / 60
    cells = "".join(f"<td>{escape(_shown(values.get(key)))}</td>" for key in _COLUMNS.values())
    name = escape(outcome.name)
    report = out / outcome.name / "report.html"
    if report.is_file():
        from urllib.parse import quote

        name = f'<a href="{quote(outcome.name)}/report.html">{name}</a>'
    mark = ' class="flagged"' if outcome.status == "failed" else ""
    return f'<tr{mark}><th scope="row">{name}</th><td>{outcome.status}</td>{cells}</tr>\n'


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
