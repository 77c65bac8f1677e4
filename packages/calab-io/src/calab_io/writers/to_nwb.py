"""Results in NWB files: added to the file that the traces came from, or in one of their own."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calab_solver._parameters import as_flag

from ..atomic import atomic_path
from ..clock import clock_of
from ..documents import as_path
from ..errors import MissingKeyError, needs, unreadable
from ..files.hdf5 import open_hdf5
from ..formats.nwb.tree import EXTRA
from ..recording import Recording
from .labels import Labelled, label
from .nwb.series import add_activity, rate_series
from .nwb.session import new_file
from .nwb.tables import cell_table, own_segmentation, spike_table
from .nwb.target import Part, parts_in

if TYPE_CHECKING:
    from calab_core import CaDeconResult, DeconvolutionResult
    from numpy.typing import ArrayLike

__all__ = ["to_nwb"]

PURPOSE = "writing NWB"
#: Processing module of NWB for what is computed from optical recordings.
MODULE = "ophys"
#: What is added beside the container of the series, by what follows its name.
BESIDE = ("", "Cells", "ImageSegmentation", "Rate", "SpikeTimes")
#: Names that are a path nowhere.
NAME = re.compile(r"\w[\w-]*")


def to_nwb(
    result: CaDeconResult | DeconvolutionResult | ArrayLike,
    path: str | os.PathLike[str],
    *,
    recording: Recording | None = None,
    fs: float | None = None,
    cell_ids: ArrayLike | None = None,
    append: bool = True,
    overwrite: bool = False,
    name: str = "CaLab",
    session_start_time: datetime | None = None,
    session_description: str | None = None,
    identifier: str | None = None,
) -> None:
    """Write a result into an NWB file.

    Into its processing module ``ophys`` go, by the default name:

    - ``CaLab/Deconvolved``, the activity (frames x cells), a series of responses of the cells with
      all parameters as JSON in its description; one ``Deconvolved_plane...`` for each plane of a
      recording of several. `calab_io.read` reads it as ``trace="deconvolved"``, where other tools
      left such traces too by ``key="CaLab/Deconvolved"``;
    - ``CaLabRate``, the rates (frames x cells), where the result has them;
    - ``CaLabSpikeTimes``, spike times of the cells whose scale is known, which pynapple reads as a
      TsGroup; it is no ``Units`` table, since that says that spikes were sorted from electrodes;
    - ``CaLabCells``, what is known of each cell, and where the traces come from.

    Cells are rows of the table of the file that the recording was read from, or that has their
    ids. Where there is none, ``CaLabImageSegmentation`` names them, without a pixel marked.

    Parameters
    ----------
    result : CaDeconResult, DeconvolutionResult or array_like, shape (n_cells, n_frames)
        What is to be written.
    path : str or PathLike
        The file. With `append` **it is replaced by its extended copy**: a copy beside it, for
        which there must be room, is added to and takes its place when it is complete, so that
        after an error of any kind the file is as it was.
    recording : Recording, optional
        What the result was made from.
    fs : float, optional
        Sampling rate in hertz; required where neither result nor recording say it.
    cell_ids : sequence of int or str, optional
        How the cells are known: the ids of their rows in the file, or other names.
    append : bool
        Whether to add to a file that is there. False makes a new one.
    overwrite : bool
        Whether a new file may replace another, which is never the one that `recording` came from.
    name : str
        What the names of all that is added begin with; letters, digits, ``_`` and ``-``.
    session_start_time : datetime, optional
        When the session began, with its time zone. Only for a new file, which must have it, from
        here or from `recording`.
    session_description : str, optional
        What was done in the session. Only for a new file; by default it says what is in the file.
    identifier : str, optional
        Of a new file; by default a random one, as NWB recommends.

    Raises
    ------
    FileNotFoundError
        If there is no file to append to.
    FileExistsError
        If a new file would replace one.
    CalabFormatError
        If the file to append to is not NWB 2, or pynwb cannot read it.
    ValueError
        If what is given does not belong together, the file already has something of that name,
        the rate or the start of the session is not known, or cells could be of several tables.
    TypeError
        For an argument of the wrong kind.
    ImportError
        If pynwb is not installed.

    Notes
    -----
    Times are those of the recording: its time stamps, or its start and rate. Without a recording
    they are those of a series of the same cells and as many frames in the file; without that the
    first frame is at 0 s. Time stamps of a steady rate are written as that rate.
    """
    needs("pynwb", EXTRA, PURPOSE)
    labelled = label(result, recording=recording, fs=fs, cell_ids=cell_ids)
    if not labelled.activity.size:
        raise ValueError("result: expected a cell and a frame at least, got none")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"name: expected letters, digits, '_' and '-', got {name!r}")
    target = as_path(path).resolve()
    session = {
        "session_start_time": session_start_time,
        "session_description": session_description,
        "identifier": identifier,
    }
    if as_flag("append", append):
        _check_old(target, session, overwrite)
        with _extended(target) as file:
            _check_free(file, target, name)
            parts, source = parts_in(file, target, labelled, named=cell_ids is not None)
            _add(file, labelled, name, parts, source)
        return
    _check_new(target, recording, overwrite)
    file = new_file(labelled, session)
    _add(file, labelled, name, [], None)
    with atomic_path(target) as draft, _opened(draft, "w") as io:
        io.write(file)


def _add(file: Any, labelled: Labelled, name: str, parts: list[Part], source: Any) -> None:
    """Add a result to a file in memory."""
    module = file.processing.get(MODULE)
    if module is None:
        module = file.create_processing_module(MODULE, "Computed from optical recordings")
    if not parts:
        table = own_segmentation(file, module, labelled, name)
        parts = [Part(table, list(range(labelled.n_cells)))]
    clock = clock_of(labelled, source)
    add_activity(module, labelled, name, parts, clock)
    module.add(cell_table(labelled, name))
    for more in (rate_series(labelled, name, clock), spike_table(labelled, name, clock)):
        if more is not None:
            module.add(more)


@contextmanager
def _extended(target: Path) -> Iterator[Any]:
    """Yield what is in a file, and let what is added to it be in the file in the end."""
    with atomic_path(target) as draft:
        shutil.copy(target, draft)
        with _opened(draft, "r+") as io:
            with unreadable(target):
                file = _read(io)
            yield file
            io.write(file)


def _read(io: Any) -> Any:
    error = needs("hdmf.build", EXTRA, PURPOSE).ConstructError
    # What pynwb finds unusual in a file concerns who wrote that, not what is added to it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return io.read()
        except error as err:
            # Before its message is all that it was made of.
            raise ValueError(err.args[-1]) from err


def _opened(path: Path, mode: str) -> Any:
    return needs("pynwb", EXTRA, PURPOSE).NWBHDF5IO(str(path), mode)


def _check_old(target: Path, session: dict[str, Any], overwrite: bool) -> None:
    given = [option for option, value in session.items() if value is not None]
    given += ["overwrite"] * as_flag("overwrite", overwrite)
    if given:
        raise ValueError(f"{given[0]}: applies to new files; leave it out, or give append=False")
    if not target.exists():
        raise FileNotFoundError(f"{target}: no such file to add to; append=False makes a new one")
    with open_hdf5(target, EXTRA) as file:
        if "nwb_version" not in file.attrs:
            raise MissingKeyError(target, "nwb_version", file.attrs, "name an NWB 2 file")


def _check_free(file: Any, target: Path, name: str) -> None:
    there = file.processing[MODULE].data_interfaces if MODULE in file.processing else {}
    taken = [name + end for end in BESIDE if name + end in there]
    if taken:
        raise ValueError(f"name: {target} already has {taken[0]} in {MODULE}; give another name=")


def _check_new(target: Path, recording: Recording | None, overwrite: bool) -> None:
    if recording is not None and recording.source.resolve() == target:
        remedy = "append=True adds to it, another path makes a new file"
        raise ValueError(f"path: {target} is what the recording was read from; {remedy}")
    if not as_flag("overwrite", overwrite) and target.exists():
        remedy = "append=True adds to it, overwrite=True replaces it"
        raise FileExistsError(f"{target}: is there already; {remedy}")
