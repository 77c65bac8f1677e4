"""How arrays and numbers are called, whichever kind of file they are in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = ["IDS", "RATES", "RESULTS", "SAME_RATE", "TIMES", "TRACES", "Named", "told_by_name"]

#: Names of a number that is the sampling rate in hertz; the first is the one to save it under.
RATES = (
    "fs",
    "Fs",
    "fr",
    "framerate",
    "frame_rate",
    "FrameRate",
    "sampling_rate",
    "sampling_rate_hz",
)
#: Names of an array with the time of each frame, in seconds unless it says otherwise.
TIMES = ("timestamps", "time")
#: Name of an array with the id of each cell.
IDS = "cell_ids"
#: Share by which two rates of one recording may differ without a word.
SAME_RATE = 0.01


class Named(NamedTuple):
    """What an array of a name holds.

    Attributes
    ----------
    kind : str
        Kind of trace.
    caution : str
        What who did not know should be told, if anything.
    """

    kind: str
    caution: str = ""


#: Arrays that nobody calls otherwise: those of suite2p, and what CASCADE reads.
TRACES = {
    "dF_traces": Named("dff"),
    "spks": Named("deconvolved", "named as what suite2p has already deconvolved; F has traces"),
    "Fneu": Named("raw", "named as suite2p's neuropil around the cells, which is no cell's trace"),
}
#: Arrays of CaLab's own results.
RESULTS = {
    "activity": Named("deconvolved", "is what CaLab has already inferred from traces"),
    "rate": Named("deconvolved", "is what CaLab has already inferred from traces"),
    "reconvolution": Named("denoised", "is CaLab's fit to the traces, whose noise is gone"),
}


def told_by_name(
    path: Path, key: str, asked: str, names: Mapping[str, Named] = TRACES
) -> tuple[str, tuple[str, ...]]:
    """Tell what kind of trace an array is, as far as its name does.

    Parameters
    ----------
    path : Path
        The file.
    key : str
        Where in it, after the names of groups or structs; empty where it is nothing but the array,
        which is then named as the file is.
    asked : str
        Kind that the user says it is, who knows better, or ``"auto"``.
    names : mapping of str to Named, optional
        What is known.

    Returns
    -------
    kind : str
    notes : tuple of str
        A caution, unless the user says what the name does.
    """
    known = names.get(re.split(r"[./]", key)[-1] if key else path.stem, Named("raw"))
    kind = known.kind if asked == "auto" else asked
    # That neuropil is as raw as traces are makes it none.
    if not known.caution or not (asked == "auto" or asked == known.kind == "raw"):
        return kind, ()
    return kind, (f"{path}, {key}: {known.caution}" if key else f"{path}: {known.caution}",)
