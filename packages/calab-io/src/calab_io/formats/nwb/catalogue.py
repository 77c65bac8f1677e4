"""Which series an NWB file has, and what each holds, by the names that tools give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ...errors import MissingKeyError
from ...files.hdf5 import dataset
from .tree import groups, words

__all__ = ["NEUROPIL", "Series", "catalogue"]

#: Share of the neuropil that suite2p subtracts by default; NWB has no place for it.
NEUROPIL = 0.7
#: Parts of names, of the series or what it stands in, and what a series so named holds.
NAMES = {
    "neuropil": "neuropil",
    "background": "other",
    "baseline": "other",
    "residual": "other",
    "chan2": "other",
    "deconv": "deconvolved",
    "spike": "deconvolved",
    "event": "deconvolved",
    "denois": "denoised",
    "dfoverf": "dff",
    "dff": "dff",
}
#: Tools whose conventions are known, where a file names one of them.
TOOLS = ("CaImAn", "suite2p")
PLANE = re.compile(r"(.*?)_?plane_?(\d{1,4})", re.IGNORECASE)


@dataclass(frozen=True)
class Series:
    """A series of responses, and what it holds.

    Attributes
    ----------
    key : str
        Its path.
    kind : str
        Kind of trace; ``"neuropil"`` or ``"other"`` for what is none of a cell.
    residual : str or None
        Path of the series that makes a denoised trace raw again.
    neuropil : str or None
        Path of the series that suite2p subtracts from it, with a weight.
    lacks : str
        Why a denoised trace cannot be made raw.
    notes : tuple of str
        What its user should know.
    """

    key: str
    kind: str
    residual: str | None = None
    neuropil: str | None = None
    lacks: str = "no raw trace"
    notes: tuple[str, ...] = ()

    @property
    def kinds(self) -> set[str]:
        """Kinds of trace that can be had from it."""
        return {self.kind, "raw"} if self.residual else {self.kind}

    @property
    def plane(self) -> int | None:
        """Imaging plane, where its name ends in one."""
        return _plane(self.key)

    @property
    def family(self) -> str:
        """Its path without the plane, the same for planes that belong together."""
        named = PLANE.fullmatch(self.key)
        return named[1] if named else self.key

    def parts(self, kind: str) -> list[tuple[float, str]]:
        """Weigh the series whose sum is a kind of trace."""
        more = []
        if kind == "raw" and self.residual:
            more.append((1.0, self.residual))
        if kind == "raw" and self.neuropil:
            more.append((-NEUROPIL, self.neuropil))
        return [(1.0, self.key), *more]


def catalogue(file: Any) -> tuple[list[Series], str | None]:
    """List the series of a file.

    Parameters
    ----------
    file : h5py.File
        The file.

    Returns
    -------
    series : list of Series
    software : str or None
        One of `TOOLS`, where the file says that it wrote it.

    Raises
    ------
    MissingKeyError
        If there are none.
    """
    types, elsewhere = groups(file)
    kinds = {key: _kind(key, types) for key, kind in types.items() if kind == "RoiResponseSeries"}
    if not kinds:
        present = [f"{key} ({kind})" for key, kind in types.items()]
        present += [f"{key} (in another file, which is not read)" for key in elsewhere]
        remedy = "traces are looked for in processing and acquisition"
        raise MissingKeyError(file.filename, "RoiResponseSeries", present, remedy)
    residuals = [
        key
        for key, kind in types.items()
        if kind in ("TimeSeries", "RoiResponseSeries") and _name(key).lower() == "residuals"
    ]
    said = words(file, [*kinds, *residuals])
    named = [tool for tool in TOOLS if tool.lower() in said]
    software = "CaImAn" if residuals else named[0] if len(named) == 1 else None
    if software == "CaImAn":
        return [_of_caiman(file, key, kinds, residuals) for key in kinds], software
    return [_with_neuropil(file, key, kinds, software) for key in kinds], software


def _kind(key: str, types: dict[str, str]) -> str:
    """Tell what a series holds: its own name says it best, then what it stands in."""
    container = key.rpartition("/")[0]
    for said in (_name(key), _name(container), types.get(container, "")):
        plain = re.sub(r"[^a-z0-9]", "", said.lower())
        # What is corrected for the neuropil is not the neuropil.
        plain = re.sub("neuropil(?=correct|subtract)|(?<=corrected)neuropil", "", plain)
        for part, kind in NAMES.items():
            if part in plain:
                return kind
    return "raw"


def _of_caiman(file: Any, key: str, kinds: dict[str, str], residuals: list[str]) -> Series:
    """Describe a series of CaImAn's, whose unnamed one is C: the model's fit, without noise."""
    near = [other for other in kinds if _module(other) == _module(key)]
    notes = tuple(
        f"{file.filename}, {other}: CaImAn's file calls it neuropil; it may be C, the denoised fit"
        for other in near
        if kinds[other] == "neuropil"
    )
    if kinds[key] != "raw" or any(kinds[other] == "denoised" for other in near):
        return Series(key, kinds[key], notes=notes)
    found = [other for other in residuals if _module(other) == _module(key)] or residuals
    if len(found) != 1:
        lacks = f"{len(found)} residuals" if found else "no residuals"
        return Series(key, "denoised", lacks=lacks, notes=notes)
    shapes = [dataset(file, f"{one}/data").shape for one in (key, found[0])]
    if sorted(shapes[0]) != sorted(shapes[1]):
        lacks = f"residuals of shape {shapes[1]} for a fit of {shapes[0]}"
        return Series(key, "denoised", lacks=lacks, notes=notes)
    return Series(key, "denoised", residual=found[0], notes=notes)


def _with_neuropil(file: Any, key: str, kinds: dict[str, str], software: str | None) -> Series:
    """Describe a series, with the neuropil that suite2p subtracts where it wrote it."""
    if kinds[key] != "raw":
        return Series(key, kinds[key])
    container = key.rpartition("/")[0]
    beside = [
        other
        for other, kind in kinds.items()
        if kind == "neuropil" and _module(other) == _module(key) and _plane(other) == _plane(key)
    ]
    of_suite2p = f"{container.removesuffix('Fluorescence')}Neuropil/{_name(key)}"
    if of_suite2p in beside and _plane(key) is not None:
        software, beside = "suite2p", [of_suite2p]
    if not beside:
        return Series(key, "raw")
    if software == "suite2p" and len(beside) == 1:
        note = (
            f"{file.filename}: {NEUROPIL} of {beside[0]} is subtracted, suite2p's default, since "
            "NWB does not hold the coefficient; the folder that suite2p wrote does"
        )
        return Series(key, "raw", neuropil=beside[0], notes=(note,))
    note = f"{file.filename}: {', '.join(beside)} is not subtracted, as the file does not say how"
    return Series(key, "raw", notes=(f"{note} much of it to subtract",))


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _module(key: str) -> str:
    return "/".join(key.split("/")[:2])


def _plane(key: str) -> int | None:
    named = PLANE.fullmatch(key)
    return int(named[2]) if named else None
