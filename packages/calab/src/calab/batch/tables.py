"""Tables of a batch: all sessions, and those that failed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calab_io.atomic import atomic_paths

from .session import Outcome

__all__ = ["COLUMNS", "TABLES", "write_tables"]

TABLES = ("sessions.csv", "failures.csv")
#: What the table of sessions says of each, by its names in the summary of a result.
COLUMNS = (
    "cells",
    "frames",
    "fs_hz",
    "tau_rise_s",
    "tau_decay_s",
    "kernel_method",
    "kernel_doubt",
    "scale_known",
    "spikes",
    "spikes_per_s",
    "snr_median",
    "noise_median",
    "pve_median",
)


def write_tables(out: Path, outcomes: Sequence[Outcome]) -> None:
    """Write both tables.

    Parameters
    ----------
    out : Path
        Their folder.
    outcomes : sequence of Outcome
        In the order of the rows.
    """
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    texts = (
        _csv([_row(outcome) for outcome in outcomes], ("name", "status", *COLUMNS)),
        _csv([_failure(outcome) for outcome in failed], ("name", "source", "reason")),
    )
    with atomic_paths([out / name for name in TABLES]) as drafts:
        for draft, text in zip(drafts, texts, strict=True):
            draft.write_text(text, encoding="utf-8", newline="")


def _row(outcome: Outcome) -> dict[str, Any]:
    summary = outcome.summary
    flags = ", ".join(f"{name} {count}" for name, count in summary.get("flags", {}).items())
    return {
        "name": outcome.name,
        "source": outcome.source,
        "status": outcome.status,
        **{column: summary.get(column) for column in COLUMNS},
        "excluded": len(summary.get("excluded", {})) if summary else None,
        "flags": flags,
        "seconds": round(outcome.seconds, 3),
        "notes": "; ".join(outcome.notes),
    }


def _failure(outcome: Outcome) -> dict[str, Any]:
    return {"name": outcome.name, "source": outcome.source, "reason": outcome.reason}


def _csv(rows: Sequence[Mapping[str, Any]], least: Sequence[str]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else least)
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
