"""Lay results out as Markdown, as they stand in ``docs/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Join a heading and its rows."""
    rule = ["---"] * len(lines[0])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:]))


def by_method(rows: Sequence[Row], sigmas: Sequence[float]) -> str:
    """One line per method: the mean over all neurons for each width, and the time."""
    head = [f"{sigma:g} s, {kind}" for sigma in sigmas for kind in ("as is", "at lag")]
    lines = [["method", *head, "us/frame"]]
    for name in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == name and row["data_set"] == "overall"]
        run = mine[0]["run"]
        mine = [row for row in mine if row.get("kind") == "rate"]
        if mine:
            values = [f"{row[kind]:.3f}" for row in mine for kind in ("as_is", "best")]
            lines.append([name, *values, f"{mine[0]['microseconds_per_frame']:.2f}"])
        elif not run:
            lines.append([name, *["not run"] * (len(head) + 1)])
    return markdown(lines)


def by_data_set(rows: Sequence[Row], sigma: float) -> str:
    """One line per data set: correlation as is of every method that was run, and at its lag."""
    kept = [row for row in rows if row.get("kind") == "rate" and row["sigma"] == sigma]
    methods = list(dict.fromkeys(row["method"] for row in kept))
    lines = [["data set", "neurons", *methods]]
    for data_set in dict.fromkeys(row["data_set"] for row in kept):
        mine = [row for row in kept if row["data_set"] == data_set]
        cells = [f"{row['as_is']:.3f} ({row['best']:.3f}{_lag(row)})" for row in mine]
        lines.append([data_set, str(mine[0]["neurons"]), *cells])
    return markdown(lines)


def spikes_by_method(rows: Sequence[Row]) -> str:
    """One line per method that gives spikes: means and medians over all neurons."""
    means = {"f1": "F1", "precision": "precision", "recall": "recall"}
    last = ["count error", "signed", "silent", "scale unknown", "us/frame"]
    lines = [["method", *means.values(), *last]]
    for row in rows:
        if row.get("kind") == "spikes" and row["data_set"] == "overall":
            values = [f"{row[key]:.3f}" for key in means]
            values += [f"{row['count_error']:.2f}", f"{row['count_bias']:+.2f}"]
            values += [str(row["silent"]), str(row["unknown"])]
            lines.append([row["method"], *values, f"{row['microseconds_per_frame']:.2f}"])
    return markdown(lines)


def spikes_by_data_set(rows: Sequence[Row]) -> str:
    """One line per data set: F1 and, in brackets, the median absolute relative count error."""
    kept = [row for row in rows if row.get("kind") == "spikes"]
    methods = list(dict.fromkeys(row["method"] for row in kept))
    lines = [["data set", "neurons", *methods]]
    for data_set in dict.fromkeys(row["data_set"] for row in kept):
        mine = [row for row in kept if row["data_set"] == data_set]
        cells = [f"{row['f1']:.3f} ({row['count_error']:.2f})" for row in mine]
        lines.append([data_set, str(mine[0]["neurons"]), *cells])
    return markdown(lines)


def _lag(row: Row) -> str:
    return "" if row["data_set"] == "overall" else f" at {row['lag']:+.2f} s"
