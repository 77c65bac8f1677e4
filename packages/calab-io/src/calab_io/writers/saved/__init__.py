"""Results in a file of their own, to be read again without a loss, or by xarray."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calab_solver._parameters import as_flag
from numpy.typing import ArrayLike, NDArray

from ...documents import as_path
from ...errors import CalabFormatError
from ...folders import recover, whereabouts
from ...recording import Recording
from ..labels import label
from . import hdf5, zarr
from .layout import FORMAT
from .pack import pack
from .unpack import unpack

if TYPE_CHECKING:
    from calab_core import CaDeconResult, DeconvolutionResult

__all__ = ["load", "save"]

#: Kinds of files by their suffix.
KINDS = {".zarr": zarr, ".h5": hdf5, ".hdf5": hdf5}
#: Times that a result is read which is replaced meanwhile.
TRIES = 20


def save(
    result: CaDeconResult | DeconvolutionResult | ArrayLike,
    path: str | os.PathLike[str],
    *,
    recording: Recording | None = None,
    fs: float | None = None,
    cell_ids: ArrayLike | None = None,
    overwrite: bool = False,
) -> None:
    """Save a result so that `load` returns it as it was, and xarray opens it as a Dataset.

    Parameters
    ----------
    result : CaDeconResult, DeconvolutionResult or array_like, shape (n_cells, n_frames)
        What is to be saved. An array is activity. Arrays of zarr, h5py and the like, as a run with
        `out` makes them, are copied some cells at a time.
    path : str or PathLike
        A zarr group if it ends in ``.zarr``, an HDF5 file if in ``.h5`` or ``.hdf5``. It appears
        when it is complete.
    recording : Recording, optional
        What the result was made from; names of the cells, times of the frames and the source are
        saved with it.
    fs : float, optional
        Sampling rate in hertz; required where neither result nor recording say it.
    cell_ids : sequence of int or str, optional
        How the cells are known; as in the recording, the result, or by their rows by default.
    overwrite : bool, optional
        Whether a saved result may be replaced. Nothing else ever is.

    Raises
    ------
    ValueError
        For another suffix, a rate that is not known, what was given twice and differs, shapes that
        do not agree, or the path of the recording itself.
    TypeError
        For what is no result, or metadata that JSON cannot express.
    FileExistsError
        If there is something at `path` that may not be replaced.
    NotADirectoryError
        If the folder of `path` is not there.
    ImportError
        If h5py or zarr is not installed.

    See Also
    --------
    load : Reads it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> save([[0.0, 1.0, 0.0]], f"{folder}/activity.h5", fs=30.0)
    >>> load(f"{folder}/activity.h5")
    array([[0., 1., 0.]])
    """
    target = as_path(path)
    suffix = target.suffix.lower()
    if suffix not in KINDS:
        raise ValueError(f"path: expected a name that ends in {' or '.join(KINDS)}, got {target}")
    labelled = label(result, recording=recording, fs=fs, cell_ids=cell_ids, in_memory=False)
    content = pack(labelled)
    _check_free(target, recording, as_flag("overwrite", overwrite))
    KINDS[suffix].write(content, target)


def load(
    path: str | os.PathLike[str],
) -> CaDeconResult | DeconvolutionResult | NDArray[Any]:
    """Read what `save` wrote.

    A result that is being replaced is read as it was before or as it is then, never parts of both,
    and nothing on the disk changes.

    Parameters
    ----------
    path : str or PathLike
        The file or folder.

    Returns
    -------
    CaDeconResult, DeconvolutionResult or numpy.ndarray
        What was saved: the same numbers of the same types, NaN included. Of an array the activity
        alone.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    MissingKeyError
        If something is not in the file.
    CalabFormatError
        If it is no saved result, is damaged, or was saved by a newer version that this one does
        not read.
    ImportError
        If h5py or zarr is not installed.

    See Also
    --------
    calab_io.read : With ``key="activity"`` returns the activity, or by its name another array of
        cells x frames, as a `Recording`: with rate, names of the cells and times of the frames,
        which an array and a DeconvolutionResult do not have.
    """
    target = as_path(path)
    for _ in range(TRIES):
        found = whereabouts(target)
        before = _identity(found)
        if before is None:
            # Or it is between its going and the other's coming.
            continue
        try:
            result = _loaded(found)
        except (CalabFormatError, OSError):
            if _identity(found) == before:
                raise
            continue
        # Of a folder that was replaced meanwhile there may be parts of both.
        if _identity(found) == before:
            return result
    if before is None:
        raise FileNotFoundError(f"{target}: no such file or folder")
    raise CalabFormatError(target, "is replaced while it is read", "read it when it is written")


def _identity(path: Path) -> tuple[int, ...] | None:
    """Tell a file or folder from what takes its name, and perhaps inode, later; None for none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_ctime_ns


def _loaded(path: Path) -> CaDeconResult | DeconvolutionResult | NDArray[Any]:
    with (zarr if path.is_dir() else hdf5).opened(path) as stored:
        return unpack(stored)


def _check_free(target: Path, recording: Recording | None, overwrite: bool) -> None:
    """Refuse to write over anything but a result that may be replaced."""
    recover(target)
    if not os.path.lexists(target):
        return
    if recording is not None:
        source = recording.source.resolve()
        if target.resolve() in (source, *source.parents):
            raise ValueError(f"path: the recording was read from {target}; give another name")
    if not overwrite:
        raise FileExistsError(f"{target}: exists; give another name or overwrite=True")
    if not _is_saved(target):
        raise FileExistsError(
            f"{target}: exists and is no result that calab saved; remove it first"
        )


def _is_saved(target: Path) -> bool:
    kind = KINDS[target.suffix.lower()]
    try:
        with kind.opened(target) as stored:
            return FORMAT in stored.attributes
    except (CalabFormatError, FileNotFoundError):
        return False
