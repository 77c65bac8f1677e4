"""Results as a store of Minian's, which its `open_minian` reads with the others."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from calab_solver._parameters import as_count, as_flag
from numpy.typing import ArrayLike, NDArray

from ..documents import as_path
from ..files import zarr_documents
from ..recording import Recording
from .labels import Labelled, label
from .minian_labels import LABELS, label_of
from .minian_store import Array, is_ours, write_store

if TYPE_CHECKING:
    from calab_core import CaDeconResult, DeconvolutionResult

__all__ = ["to_minian"]

CELLS, FRAMES = "unit_id", "frame"
SUFFIX = ".zarr"


def to_minian(
    result: CaDeconResult | DeconvolutionResult | ArrayLike,
    folder: str | os.PathLike[str],
    *,
    recording: Recording | None = None,
    fs: float | None = None,
    cell_ids: ArrayLike | None = None,
    name: str = "S.zarr",
    overwrite: bool = False,
    zarr_format: Literal[2, 3] = 2,
) -> Path:
    """Write activity as Minian's `save_minian` writes `S`.

    In the store is an array of the same name, by default `S`, with the axes `unit_id` and `frame`
    and their coordinates, one chunk per cell. `animal`, `session` and the frames are those of the
    Minian data that `recording` was read from.

    Parameters
    ----------
    result : CaDeconResult, DeconvolutionResult or array_like, shape (n_cells, n_frames)
        An array is activity.
    folder : str or PathLike
        Where to write the store, never a store itself; not the folder of Minian, where `S.zarr` is
        Minian's own, unless with another `name`.
    recording : Recording, optional
        What the result was made from.
    fs : float, optional
        Sampling rate in hertz; required where neither result nor recording say it.
    cell_ids : sequence of int, optional
        `unit_id` of the cells; as in the recording, the result, or their rows by default.
    name : str
        Of the store, ending with ``.zarr``; without this it is that of the array.
    overwrite : bool
        Whether to replace a store that this function wrote.
    zarr_format : {2, 3}
        Version of the format. Releases of zarr before 3, with which Minian comes, read 2.

    Returns
    -------
    Path
        The store.

    Raises
    ------
    ValueError
        If the folder is a zarr store itself, ids are no whole numbers, the rate is not known, what
        was given twice differs, or a parameter is out of range.
    FileExistsError
        If there is such a store, and `overwrite` is False or it was not written by this function.
    NotADirectoryError
        If the folder is not there.
    CalabFormatError
        If `animal` or `session` are damaged in the store that `recording` was read from.
    TypeError
        For what is no result, recording, rate or name.
    ImportError
        If zarr is not installed.
    """
    labelled = label(result, recording=recording, fs=fs, cell_ids=cell_ids)
    if labelled.cell_ids.dtype.kind == "U":
        got = labelled.cell_ids[:5].tolist()
        raise ValueError(f"cell_ids: expected the whole numbers of Minian's {CELLS}, got {got}")
    if as_count("zarr_format", zarr_format, 2) > 3:
        raise ValueError(f"zarr_format: expected 2 or 3, got {zarr_format}")
    place = as_path(folder)
    _refuse_store(place)
    target = place / _checked_name(name)
    _refuse_existing(target, as_flag("overwrite", overwrite))
    texts = _texts(recording)
    named = " ".join(texts)
    arrays = {
        CELLS: Array(labelled.cell_ids, (CELLS,)),
        FRAMES: Array(_frames(recording, labelled.n_frames), (FRAMES,)),
        **{one: Array(np.array(text), ()) for one, text in texts.items()},
        target.name.removesuffix(SUFFIX): Array(
            _as_floating(labelled.activity),
            (CELLS, FRAMES),
            _attributes(labelled) | ({"coordinates": named} if named else {}),
        ),
    }
    write_store(target, arrays, zarr_format)
    return target


def _refuse_store(place: Path) -> None:
    """Refuse to write into an array or group, whose readers would find what is not of it."""
    if zarr_documents.is_array(place, "") or zarr_documents.is_group(place, ""):
        raise ValueError(
            f"folder: expected the folder in which the store is to be, got {place}, which is a "
            f"zarr store itself; name {place.parent}, and the store by name='S_calab{SUFFIX}'"
        )


def _checked_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name: expected the name of a store, got {name!r}")
    stem = name.removesuffix(SUFFIX)
    if not (name.endswith(SUFFIX) and stem.isidentifier()):
        expected = f"a name of letters, digits and _ that ends with {SUFFIX}"
        raise ValueError(f"name: expected {expected}, got {name!r}")
    if stem in (CELLS, FRAMES, *LABELS):
        raise ValueError(f"name: expected another than {stem}, which is that of a coordinate")
    return name


def _refuse_existing(target: Path, overwrite: bool) -> None:
    """Refuse to replace a store, unless that is wanted and CaLab wrote it."""
    if not target.exists():
        return
    if not is_ours(target):
        raise FileExistsError(
            f"{target}: is there already and not CaLab's; give another name, such as "
            f"'{target.stem}_calab{SUFFIX}', or another folder"
        )
    if not overwrite:
        raise FileExistsError(f"{target}: is there already; overwrite=True replaces it")


def _texts(recording: Recording | None) -> dict[str, str]:
    """Return what Minian says of the session."""
    if recording is None or recording.format != "minian":
        return {}
    store = Path(recording.provenance["store"])
    found = {name: label_of(store, name) for name in LABELS}
    return {name: text for name, text in found.items() if text is not None}


def _frames(recording: Recording | None, n_frames: int) -> NDArray[np.int64]:
    """Return which frames of the movie they are."""
    known = None
    if recording is not None and recording.format == "minian":
        known = recording.provenance["frames"]
    if known is None:
        return np.arange(n_frames)
    if isinstance(known, dict):
        return np.array(known["first"] + known["step"] * np.arange(n_frames), dtype=np.int64)
    return np.array(known, dtype=np.int64)


def _as_floating(activity: NDArray[Any]) -> NDArray[Any]:
    dtype = np.float32 if activity.dtype == np.float32 else np.float64
    return np.asarray(activity, dtype=dtype)


def _attributes(labelled: Labelled) -> dict[str, Any]:
    """Describe the activity."""
    return {
        "long_name": "activity that CaLab inferred",
        "units": " or ".join(np.unique(labelled.units).tolist()[::-1]),
        f"units_by_{CELLS}": labelled.units.tolist(),
        "sampling_rate_hz": labelled.fs,
        "calab_io_version": version("calab-io"),
    }
