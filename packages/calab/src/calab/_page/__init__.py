"""The report as HTML: what is said about a run, the figures and the cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from calab._versions import versions
from calab.plots.kernel import time_constant

from .figures import example_figures, figure, overview_figures
from .tables import cell_table, flag_table, pair_table

if TYPE_CHECKING:
    from calab_core import CaDeconResult, Quality
    from numpy.typing import ArrayLike, NDArray

__all__ = ["document", "page", "section"]

# Nothing may be loaded from anywhere, whatever a cell is called.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(result: CaDeconResult, traces: ArrayLike, quality: Quality, title: str) -> str:
    """Write the report.

    Parameters
    ----------
    result : CaDeconResult
        With its `details`.
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        The traces it was made from.
    quality : Quality
        Of them.
    title : str
        Heading.

    Returns
    -------
    str
        A whole HTML document.
    """
    sections = [
        section("At a glance", _glance(result, quality)),
        section("What needs a look", flag_table(quality)),
        section(
            "The recording as a whole", "".join(map(figure, overview_figures(result, quality)))
        ),
        section("Single cells", _examples(result, traces, quality)),
        section("All cells", cell_table(result, quality)),
        section("How it was made", _making(result)),
    ]
    return document(title, sections)


def document(title: str, sections: Sequence[str]) -> str:
    """Write a whole page that needs nothing from anywhere.

    Parameters
    ----------
    title : str
        Heading.
    sections : sequence of str
        As `section` makes them.

    Returns
    -------
    str
        HTML.
    """
    here = files(__package__)
    style = here.joinpath("page.css").read_text("utf-8")
    script = here.joinpath("sort.js").read_text("utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{''.join(sections)}</main>\n"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def section(heading: str, body: str) -> str:
    """Write one section.

    Parameters
    ----------
    heading : str
        Plain text.
    body : str
        HTML.

    Returns
    -------
    str
        HTML.
    """
    return f"<section>\n<h2>{escape(heading)}</h2>\n{body}</section>\n"


def _glance(result: CaDeconResult, quality: Quality) -> str:
    n_cells, n_frames = result.activity.shape
    good = sum(not flags for flags in quality.flags)
    known = result.details.scale_known
    assumed = ", assumed" if result.metadata.get("kernel_method") == "assumed" else ""
    tiles = {
        "cells without a flag": f"{good} of {n_cells}",
        "recorded": _duration(n_frames / result.fs),
        "frames per second": f"{result.fs:.4g}",
        f"rise time{assumed}": _time(result.details.tau_rise),
        f"decay time{assumed}": _time(result.details.tau_decay),
        "amplitude of one spike known": f"{int(known.sum())} of {n_cells}",
        "one spike over the noise": _middle(quality.snr),
        "variance explained": _middle(100 * quality.pve, "%"),
        "spikes per second": _middle(quality.event_rate[known]),
    }
    shown = "".join(
        f"<div><dd>{escape(value)}</dd><dt>{escape(name)}</dt></div>\n"
        for name, value in tiles.items()
    )
    doubt = result.metadata.get("kernel_doubt")
    said = f"<p><strong>The kernel may be wrong:</strong> {escape(doubt)}</p>\n" if doubt else ""
    words = "<p>Figures of cells are medians over cells.</p>\n"
    return f'<dl class="tiles">\n{shown}</dl>\n{words}{said}'


def _middle(values: NDArray[np.floating[Any]], unit: str = "") -> str:
    known = values[np.isfinite(values)]
    return f"{np.median(known):.3g} {unit}".rstrip() if known.size else "unknown"


def _time(values: NDArray[np.float64]) -> str:
    known = values[np.isfinite(values)]
    return time_constant(float(np.median(known))) if known.size else "unknown"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = seconds / 60
    return f"{minutes:.3g} min" if minutes < 120 else f"{minutes / 60:.3g} h"


def _examples(result: CaDeconResult, traces: ArrayLike, quality: Quality) -> str:
    shown = example_figures(result, traces, quality)
    return (
        "<p>Stretches of cells without a flag (one with a strong, a middling and a weak signal) "
        "and of cells with the most frequent flags. Grey is the trace as it was given, blue the "
        "fit, dashed the baseline; each green tick is one inferred spike. A good fit follows the "
        "trace and leaves only noise.</p>\n" + "".join(map(figure, shown))
    )


def _making(result: CaDeconResult) -> str:
    settings = result.metadata.get("settings", {})
    used = result.metadata.get("versions") or versions()
    kept = {"settings", "versions", "history", "cell_ids", "excluded", "noise", "alphas"}
    kept |= {"alpha_sd", "scale_known", "cells_converged", "units", "baselines", "pves", "h_free"}
    kept |= {"thresholds", "drift", "segments"}
    rest = {name: value for name, value in result.metadata.items() if name not in kept}
    blocks = (("Settings", settings), ("Versions", used), ("Outcome", rest))
    return "".join(
        f"<h3>{heading}</h3>\n{pair_table({name: _text(v) for name, v in values.items()})}"
        for heading, values in blocks
        if values
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, default=str)
