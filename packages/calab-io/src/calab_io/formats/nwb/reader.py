"""NWB files with series of responses of cells, as suite2p, CaImAn and neuroconv write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import MOST_LISTED, CalabFormatError, MissingKeyError
from ...files.hdf5 import open_hdf5
from ...recording import Contents, Request
from .catalogue import Series, catalogue
from .planes import Plane, joined, plane_of
from .tree import EXTRA, attribute, text_of

__all__ = ["OPTIONS", "read", "recognises"]

OPTIONS = frozenset({"key", "plane"})
#: Kinds of trace that spikes can be inferred from, the best first.
BEST_FIRST = ("raw", "dff", "denoised")
#: What series of a kind are called, for who asks for one that is not there.
CALLED = {
    "raw": "Fluorescence",
    "dff": "DfOverF",
    "denoised": "Denoised",
    "deconvolved": "Deconvolved",
}
#: What to know of a kind that is not what spikes should be inferred from.
CAUTIONS = {
    "denoised": "its noise is gone, and spikes inferred from it repeat the fit",
    "deconvolved": "it already is what a deconvolution made of the traces",
}


def recognises(path: Path) -> bool:
    """Tell whether a file is named as NWB, or is HDF5 that says so."""
    suffix = path.suffix.lower()
    if suffix not in {".nwb", ".h5", ".hdf5"} or path.is_dir():
        return False
    with open_hdf5(path, EXTRA) as file:
        return suffix == ".nwb" or "nwb_version" in file.attrs


def read(path: Path, request: Request) -> Contents:
    """Read the series of one kind of trace.

    Parameters
    ----------
    path : Path
        The file.
    request : Request
        Kind of trace, which cells, and which series where there are several.

    Returns
    -------
    Contents
        What suite2p or CaImAn would deconvolve, put together from what they saved, unless another
        trace is asked for.

    Raises
    ------
    MissingKeyError
        If the file lacks the trace.
    CalabFormatError
        If there are several that could be meant, or its data do not belong together.
    """
    with open_hdf5(path, EXTRA) as file:
        if "nwb_version" not in file.attrs:
            remedy = "NWB 2 has it as an attribute; older files have to be converted"
            raise MissingKeyError(path, "nwb_version", file.attrs, remedy)
        series, software = catalogue(file)
        chosen, kind = _choose(path, series, request)
        planes = {one.plane: plane_of(file, path, one, kind, request) for one in chosen}
        whole = joined(path, planes)
        why, caution = _why(path, chosen, kind, request)
        notes = [*caution, *(note for one in chosen for note in one.notes), *whole.notes]
        return Contents(
            traces=whole.traces,
            trace=kind,
            why=why,
            fs=whole.times.fs,
            fs_remedy="it has neither a rate nor time stamps; give fs in Hz",
            cell_ids=whole.cell_ids,
            timestamps=whole.times.stamps,
            cells=whole.known,
            provenance=_provenance(file, software, whole),
            notes=tuple(dict.fromkeys(notes)),
        )


def _choose(path: Path, series: list[Series], request: Request) -> tuple[list[Series], str]:
    """Choose the kind of trace, and the series that has it, or those of several planes."""
    if request.key is not None:
        series = [_as_told(_named(path, series, request.key), request.trace)]
    offered = {kind for one in series for kind in one.kinds}
    there = next((kind for kind in (*BEST_FIRST, "deconvolved") if kind in offered), None)
    kind = request.trace
    if kind == "auto":
        # Spikes are not inferred from spikes unless the user names them.
        kind = there if there in BEST_FIRST or (there and request.key) else "raw"
    if kind not in offered:
        present = [f"{one.key} ({one.kind})" for one in series]
        lacks = {one.lacks for one in series if kind == "raw" and one.kind == "denoised"}
        other = f"trace={there!r} reads what there is" if there else "key reads one of these"
        raise MissingKeyError(path, CALLED[kind], present, "; ".join([*sorted(lacks), other]))
    return _one_or_planes(path, [one for one in series if kind in one.kinds], request.plane), kind


def _named(path: Path, series: list[Series], key: str) -> Series:
    """Find a series by its path, or by the end of it if no other ends so."""
    wanted = "/" + key.strip("/").removesuffix("/data")
    found = [one for one in series if f"/{one.key}".endswith(wanted)]
    exact = [one for one in found if f"/{one.key}" == wanted] or found
    if not exact:
        remedy = "key names one of these series"
        raise MissingKeyError(path, key, [one.key for one in series], remedy)
    if len(exact) > 1:
        raise _ambiguous(path, exact)
    return exact[0]


def _as_told(one: Series, trace: str) -> Series:
    """Let the user's word count where the name of a series says nothing."""
    if one.kind in ("neuropil", "other"):
        return Series(one.key, "raw" if trace == "auto" else trace)
    if one.kind == "raw" and trace not in ("auto", "raw"):
        return Series(one.key, trace)
    return one


def _ambiguous(path: Path, series: list[Series]) -> CalabFormatError:
    listed = ", ".join(one.key for one in series[:MOST_LISTED])
    problem = f"expected one series, got {len(series)}: {listed}"
    return CalabFormatError(path, problem, "name one of them as key")


def _one_or_planes(path: Path, series: list[Series], plane: int | None) -> list[Series]:
    if plane is not None:
        found = [one for one in series if one.plane == plane]
        if not found:
            remedy = "plane names one of these"
            raise MissingKeyError(path, f"plane{plane}", [one.key for one in series], remedy)
        series = found
    numbers = {one.plane for one in series if one.plane is not None}
    together = len({one.family for one in series}) == 1 and len(numbers) == len(series)
    if len(series) > 1 and not together:
        raise _ambiguous(path, series)
    return sorted(series, key=lambda one: one.plane or 0)


def _why(path: Path, series: list[Series], kind: str, request: Request) -> tuple[str, list[str]]:
    """Say which trace was taken and why, and what to beware of."""
    taken = _sum(series[0].parts(kind))
    if len(series) > 1:
        taken = f"{taken} and the same of {len(series) - 1} more planes"
    if request.trace != "auto":
        return f"{taken}, as asked", []
    if kind == "raw":
        return f"{taken}: the trace with its noise", []
    reason = "which key names" if request.key else f"since there is {series[0].lacks}"
    why = f"{taken}: {kind}, {reason}"
    return why, [f"{path}: read {why}; {CAUTIONS[kind]}"] if kind in CAUTIONS else []


def _sum(parts: list[tuple[float, str]]) -> str:
    said = parts[0][1]
    for weight, key in parts[1:]:
        said += f" {'-' if weight < 0 else '+'} " + f"{abs(weight):g} * " * (weight != 1) + key
    return said


def _provenance(file: Any, software: str | None, whole: Plane) -> dict[str, Any]:
    version = attribute(file, "nwb_version")
    return {
        "software": software,
        "nwb_version": version if isinstance(version, str) else None,
        "identifier": text_of(file, "identifier"),
        "session_start_time": text_of(file, "session_start_time"),
        "keys": list(whole.keys),
        "components": whole.n_cells,
        "indicator": text_of(file, f"{whole.table}/imaging_plane/indicator"),
        "starting_time_s": whole.times.start,
    }
