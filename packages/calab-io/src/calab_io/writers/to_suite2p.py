"""Results beside the traces of suite2p, in the shape of its own."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from calab_solver._parameters import as_flag
from numpy.typing import ArrayLike, NDArray

from ..atomic import atomic_paths
from ..documents import read_json_object
from ..formats.suite2p.folder import SPIKES, TRACES, traces_shape
from ..formats.suite2p.reader import MOST_UNEVEN
from ..recording import Recording
from .fields import fields_of
from .labels import Labelled, label
from .nwb.as_json import as_json
from .suite2p_folder import folder_of

if TYPE_CHECKING:
    from calab_core import CaDeconResult, DeconvolutionResult

__all__ = ["to_suite2p"]

#: Key of the file of JSON whose value is its version, and by which it is known as one of CaLab.
FORMAT, VERSION = "calab_suite2p_version", 1
#: Arrays of a result that are described per ROI; the others are in what `save` writes.
DESCRIBED = ("alphas", "alpha_sd", "noise", "tau_rise", "tau_decay", "lam")
PACKAGES = ("calab-io", "calab-core", "calab-solver")


def to_suite2p(
    result: CaDeconResult | DeconvolutionResult | ArrayLike,
    folder: str | os.PathLike[str] | None = None,
    *,
    recording: Recording | None = None,
    fs: float | None = None,
    cell_ids: ArrayLike | None = None,
    name: str = "spks_calab.npy",
    overwrite: bool = False,
) -> Path:
    """Write activity in the shape of `F.npy` into the folder of a plane.

    What reads suite2p's `spks.npy` reads this file as it is: float32, ROIs x frames. Beside it, a
    file of the same name with ``.json`` says units, kernel and versions.

    Parameters
    ----------
    result : CaDeconResult, DeconvolutionResult or array_like, shape (n_cells, n_frames)
        An array is activity.
    folder : str or PathLike, optional
        The folder of a plane, or `combined`, with `F.npy`; or the one above, of whose planes the
        only one is meant, or the only one that `recording` is of. By default what `recording` was
        read from.
    recording : Recording, optional
        What the result was made from.
    fs : float, optional
        Sampling rate in hertz; required where neither result nor recording say it.
    cell_ids : sequence of int or str, optional
        Rows of `F.npy`, as `read` has them. Of ids such as ``plane0_12``, which it has for several
        planes, those of this folder are written.
    name : str
        Of the file; never `spks.npy`.
    overwrite : bool
        Whether to replace a file that this function wrote.

    Returns
    -------
    Path
        The file. Rows of ROIs that were not deconvolved are 0.

    Raises
    ------
    ValueError
        If no folder is named, or one of several planes; the name is that of suite2p's own file or
        has another suffix, the recording is of another folder, ids are no rows of `F.npy`, frames
        differ from its, or what was given twice differs.
    FileExistsError
        If there is such a file, and `overwrite` is False or it is not known to be of CaLab.
    CalabFormatError
        If there is no `F.npy` in the folder, or it is damaged.
    TypeError
        For what is no result, recording, rate or name.
    """
    labelled = label(result, recording=recording, fs=fs, cell_ids=cell_ids)
    file_name = _checked_name(name)
    place = folder_of(folder, recording)
    target = place / file_name
    sidecar = target.with_suffix(".json")
    _refuse_existing(target, sidecar, as_flag("overwrite", overwrite))
    shape = traces_shape(place)
    _check_folder(recording, place)
    cells, rows = _rows(labelled.cell_ids, place, shape[0])
    _check_frames(labelled.n_frames, shape[1])
    activity = np.zeros(shape, dtype=np.float32)
    activity[rows, : labelled.n_frames] = labelled.activity[cells]
    text = as_json("result", _description(labelled, cells, rows, shape))
    with atomic_paths([target, sidecar]) as (array_draft, sidecar_draft):
        np.save(array_draft, activity, allow_pickle=False)
        sidecar_draft.write_text(json.dumps(json.loads(text), indent=2) + "\n", encoding="utf-8")
    return target


def _checked_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name: expected the name of a file, got {name!r}")
    if Path(name).name != name or not name.endswith(".npy"):
        raise ValueError(f"name: expected a file name that ends with .npy, got {name!r}")
    # On some systems names that differ in case are of the same file.
    if name.casefold() == SPIKES:
        raise ValueError(f"name: expected another than {SPIKES}, which is suite2p's own")
    return name


def _refuse_existing(target: Path, sidecar: Path, overwrite: bool) -> None:
    """Refuse to replace a file, unless that is wanted and CaLab wrote it."""
    existing = next((path for path in (target, sidecar) if path.exists()), None)
    if existing is None:
        return
    if not overwrite:
        raise FileExistsError(f"{existing}: is there already; overwrite=True replaces it")
    if not _is_ours(sidecar):
        raise FileExistsError(
            f"{existing}: is not known to be of CaLab, whose {sidecar.name} would be beside it; "
            "give another name"
        )


def _is_ours(sidecar: Path) -> bool:
    try:
        return FORMAT in read_json_object(sidecar)
    except (OSError, ValueError):
        return False


def _check_folder(recording: Recording | None, place: Path) -> None:
    """Refuse the folder of another plane, whose rows are other ROIs."""
    if recording is None or recording.format != "suite2p":
        return
    planes = recording.provenance["planes"]
    if len(planes) == 1 and planes[0]["folder"] != _name_of(place):
        raise ValueError(
            f"folder: expected {planes[0]['folder']}, which the recording is of, got "
            f"{_name_of(place)}; give cell_ids instead of recording if that is a copy"
        )


def _name_of(place: Path) -> str:
    return Path(os.path.abspath(place)).name


def _rows(ids: NDArray[Any], place: Path, n_rois: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which cells of a result belong here, and on which rows."""
    rows = ids
    cells = np.arange(ids.size)
    if ids.dtype.kind == "U":
        prefix = f"{_name_of(place)}_"
        here = [cell for cell in cells if _is_row(ids[cell], prefix)]
        cells = np.array(here, dtype=np.intp)
        rows = np.array([int(ids[cell].removeprefix(prefix)) for cell in here], dtype=np.int64)
        if not here:
            expected = f"expected rows of {TRACES}, or ids such as {prefix}12"
            raise ValueError(f"cell_ids: {expected}, got {ids[:5].tolist()}")
    if rows.size and not (rows.min() >= 0 and rows.max() < n_rois):
        beyond = int(rows[(rows < 0) | (rows >= n_rois)][0])
        raise ValueError(
            f"cell_ids: expected rows of {TRACES}, which has {n_rois}, got {beyond}; give the "
            "recording that the result was made from"
        )
    return cells, rows.astype(np.intp)


def _is_row(name: str, prefix: str) -> bool:
    number = name.removeprefix(prefix)
    return name.startswith(prefix) and number.isascii() and number.isdigit()


def _check_frames(n_frames: int, expected: int) -> None:
    # `read` cuts planes to the frames that all have.
    if not 0 <= expected - n_frames <= MOST_UNEVEN:
        raise ValueError(
            f"result: expected {expected} frames as {TRACES} has, got {n_frames}; name the folder "
            "that the result was made from"
        )


def _description(
    labelled: Labelled, cells: NDArray[np.intp], rows: NDArray[np.intp], shape: tuple[int, int]
) -> dict[str, Any]:
    excluded = getattr(labelled.details, "excluded", {})
    return {
        FORMAT: VERSION,
        "shape": list(shape),
        "sampling_rate_hz": labelled.fs,
        "rows": rows.tolist(),
        "units": labelled.units[cells].tolist(),
        "trace_unit": labelled.trace_unit,
        "per_row": _per_row(labelled, cells),
        "kernel": _kernel(labelled),
        "excluded": {
            str(row): excluded[cell]
            for cell, row in zip(cells.tolist(), rows.tolist(), strict=True)
            if cell in excluded
        },
        "source": dict(labelled.provenance),
        "versions": {package: version(package) for package in PACKAGES},
    }


def _per_row(labelled: Labelled, cells: NDArray[np.intp]) -> dict[str, Any]:
    result = labelled.result
    if result is None:
        return {}
    return {
        field.name: {
            "unit": field.unit.format(trace=labelled.trace_unit),
            "values": np.atleast_1d(field.of(result))[cells].tolist(),
        }
        for field in fields_of(result)
        if field.name in DESCRIBED
    }


def _kernel(labelled: Labelled) -> dict[str, Any] | None:
    """Describe the response to one spike, of peak 1."""
    kernel = getattr(labelled.result, "kernel_slow", None)
    if kernel is None:
        return None
    return {"sampling_rate_hz": labelled.fs, "response": [float(value) for value in kernel]}
