"""The tables of the report."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calab_core import CaDeconResult, Quality
    from numpy.typing import NDArray

__all__ = ["cell_table", "flag_table", "pair_table"]

_ADVICE = {
    "excluded": "Not deconvolved; the reason stands in the table of cells.",
    "constant": "All samples are equal: nothing was recorded in this region.",
    "mostly missing": "More than half of the frames were not recorded.",
    "saturated": "The trace is clipped at its maximum: large transients are cut, counts too low.",
    "no events": "No spike was found: a silent cell, or no cell.",
    "scale unknown": "The amplitude of one spike cannot be told from this trace. Its timing may be "
    "used, its counts and rates are in an arbitrary unit.",
    "low SNR": "One spike drowns in the noise: single spikes are missed, bursts are seen.",
    "poor fit": "The fit is worse than a constant. Look at the trace.",
    "residual correlated": "The fit leaves more than white noise: another kernel, a moving "
    "baseline, surrounding tissue or missed spikes. Look at the trace.",
    "drift": "The baseline moves fast (bleaching, focus, movement), or sustained activity looks "
    "as if it did: some of the spikes may be drift.",
    "high rate": "More than 2 spikes per second on average: transients overlap, counts are less "
    "certain, or the amplitude of one spike is taken for too small.",
}


def flag_table(quality: Quality) -> str:
    """Count the flags and say what each of them means.

    Parameters
    ----------
    quality : Quality
        Of all cells.

    Returns
    -------
    str
        A table, or a sentence where there is nothing to tell.
    """
    counts = Counter(flag for flags in quality.flags for flag in flags)
    if not counts:
        return "<p>No cell has a flag.</p>\n"
    rows = "".join(
        f'<tr><th scope="row">{escape(flag)}</th><td>{counts[flag]}</td>'
        f"<td>{escape(_ADVICE.get(flag, ''))}</td></tr>\n"
        for flag in sorted(counts, key=lambda flag: (-counts[flag], flag))
    )
    head = "<tr><th>flag</th><th>cells</th><th>what it means</th></tr>"
    return (
        f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody></table></div>\n'
    )


def pair_table(pairs: Mapping[str, str]) -> str:
    """Lay out names and values.

    Parameters
    ----------
    pairs : mapping of str to str
        In order.

    Returns
    -------
    str
        A table of two columns.
    """
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>\n'
        for name, value in pairs.items()
    )
    return f'<div class="wide"><table class="pairs">\n<tbody>\n{rows}</tbody></table></div>\n'


def cell_table(result: CaDeconResult, quality: Quality) -> str:
    """List all cells, flagged ones first.

    Parameters
    ----------
    result : CaDeconResult
        For the reasons of exclusion.
    quality : Quality
        Of it.

    Returns
    -------
    str
        An explanation and a table whose columns sort where scripts run.
    """
    columns = {name: values for name, values in _columns(quality).items() if values is not None}
    order = sorted(range(len(quality.flags)), key=lambda cell: (not quality.flags[cell], cell))
    rows = "".join(_row(result, quality, columns, cell) for cell in order)
    head = "".join(
        f'<th scope="col"><button type="button">{escape(name)}</button></th>'
        for name in ("cell", "flags", *columns)
    )
    return (
        "<p>Flagged cells stand first; a click on a heading sorts by it. <b>SNR</b>: peak of one "
        "spike over the noise. <b>Highest</b>: highest transient over the noise. "
        "<b>Explained</b>: share of the variance that the fit explains. <b>Residual</b>: largest "
        "correlation of what the fit leaves with itself, 0 for white noise. <b>One spike</b> and "
        "<b>noise</b> are in the unit of the input; spikes of a cell whose scale is unknown are in "
        "an arbitrary one.</p>\n"
        f'<div class="wide tall"><table class="sortable cells">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )


def _columns(quality: Quality) -> dict[str, list[str] | None]:
    dff = _numbers(quality.noise_dff) if np.isfinite(quality.noise_dff).any() else None
    sizes = zip(_numbers(quality.alpha), _numbers(quality.alpha_sd, 2), strict=True)
    amplitude = [f"{alpha} ± {error}" if alpha and error else alpha for alpha, error in sizes]
    # A number that stands for nothing is not printed.
    amplitude = [
        "" if {"scale unknown", "excluded"} & set(flags) else text
        for flags, text in zip(quality.flags, amplitude, strict=True)
    ]
    return {
        "SNR": _numbers(quality.snr),
        "highest": _numbers(quality.peak_snr),
        "explained": _numbers(quality.pve),
        "spikes/s": _numbers(quality.event_rate),
        "spikes": [f"{count:.0f}" if np.isfinite(count) else "" for count in quality.n_events],
        "one spike": amplitude,
        "noise": _numbers(quality.noise),
        "% / √Hz": dff,
        "residual": _numbers(quality.residual_autocorrelation_max, 2),
        "missing": [f"{100 * share:.3g} %" if share > 0 else "" for share in quality.missing],
    }


def _numbers(values: NDArray[np.float64], digits: int = 3) -> list[str]:
    return [f"{value:.{digits}g}" if np.isfinite(value) else "" for value in values]


def _row(result: CaDeconResult, quality: Quality, columns: dict[str, list[str]], cell: int) -> str:
    said = ", ".join(quality.flags[cell])
    reason = result.details.excluded.get(cell)
    if reason:
        said = f"{said}: {reason}" if said == "excluded" else f"{said} ({reason})"
    values = "".join(f"<td>{escape(column[cell])}</td>" for column in columns.values())
    mark = ' class="flagged"' if said else ""
    name = escape(str(quality.cell_ids[cell]))
    return f'<tr{mark}><th scope="row">{name}</th><td>{escape(said)}</td>{values}</tr>\n'
