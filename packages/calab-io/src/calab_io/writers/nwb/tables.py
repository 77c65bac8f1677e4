"""Tables of the cells of a result, in an NWB file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...clock import Clock
from ...errors import needs
from ...formats.nwb.cells import NAMES
from ...formats.nwb.tree import EXTRA
from ..fields import CELL, fields_of
from ..labels import SPIKES, Labelled
from .as_json import as_json

__all__ = ["cell_table", "own_segmentation", "spike_table"]

PURPOSE = "writing NWB"
NOT_KNOWN = "Not known to CaLab, which only named the cells"
#: Fields that the table has anyway: names as ids, units by a name that says what they are of.
HAS_ANYWAY = {"cell_ids", "units"}


def own_segmentation(file: Any, module: Any, labelled: Labelled, name: str) -> Any:
    """Add a segmentation for cells that are nowhere in the file.

    NWB has no series of cells without it, nor it without masks and a plane: nothing is marked in
    the masks, and what is not known of the plane says so.

    Parameters
    ----------
    file : pynwb.NWBFile
        Its imaging plane is taken if it has just one.
    module : pynwb.ProcessingModule
        Where the table goes.
    labelled : Labelled
        The result.
    name : str
        What names begin with.

    Returns
    -------
    pynwb.ophys.PlaneSegmentation
    """
    ophys = needs("pynwb", EXTRA, PURPOSE).ophys
    planes = list(file.imaging_planes.values())
    masks = np.zeros((labelled.n_cells, 1, 1), dtype=np.float32)
    segmentation = ophys.ImageSegmentation(name=f"{name}ImageSegmentation")
    module.add(segmentation)
    table = ophys.PlaneSegmentation(
        name="PlaneSegmentation",
        description="Names of cells whose pixels CaLab did not know: none are marked",
        imaging_plane=planes[0] if len(planes) == 1 else _own_plane(file, labelled, name),
        id=_numbers(labelled.cell_ids),
        columns=[
            _column("image_mask", "Nothing: the pixels of the cells are not known", masks),
            *_names(labelled.cell_ids),
        ],
    )
    segmentation.add_plane_segmentation(table)
    return table


def cell_table(labelled: Labelled, name: str) -> Any:
    """Make the table of what is known of each cell.

    Parameters
    ----------
    labelled : Labelled
        The result.
    name : str
        What names begin with.

    Returns
    -------
    hdmf.common.DynamicTable
        A row for each cell, in the order of the result; of plain activity only names and units.
    """
    columns = [_column("activity_unit", "Unit of the activity of the cell", labelled.units)]
    units = {"trace": labelled.trace_unit, "activity": "activity"}
    for one in fields_of(labelled.result) if labelled.result is not None else ():
        if one.axes == (CELL,) and one.name not in HAS_ANYWAY:
            unit = one.unit.format(**units)
            said = one.long_name if unit in ("", "1") else f"{one.long_name}, in {unit}"
            # Those of a single trace are numbers.
            values = one.of(labelled.result).reshape(labelled.n_cells)  # type: ignore[arg-type]
            columns.append(_column(one.name, said, values))
    columns += _reasons(labelled)
    description = "What CaLab found of each cell"
    if labelled.provenance:
        description += f"; its trace is from {as_json('recording', dict(labelled.provenance))}"
    return _table(f"{name}Cells", description, labelled.cell_ids, columns)


def spike_table(labelled: Labelled, name: str, clock: Clock) -> Any | None:
    """Make the table of spike times of the cells whose scale is known.

    It is no `Units` table, which says of a file that its spikes were sorted from electrodes.

    Parameters
    ----------
    labelled : Labelled
        The result.
    name : str
        What names begin with.
    clock : Clock
        When its frames were taken.

    Returns
    -------
    hdmf.common.DynamicTable or None
        None where there are no spikes of such cells.
    """
    details = labelled.details
    rows = np.flatnonzero(labelled.units == SPIKES)
    times = [] if details is None or not rows.size else [details.spike_times[row] for row in rows]
    if not sum(one.size for one in times):
        return None
    frames = np.concatenate(times) * labelled.fs
    said = "Seconds on the clock of the file; a time that occurs twice is two spikes"
    column = _column("spike_times", said, clock.at(frames))
    ends = np.cumsum([one.size for one in times])
    common = needs("hdmf.common", EXTRA, PURPOSE)
    index = common.VectorIndex(name="spike_times_index", target=column, data=ends)
    description = (
        "Spikes that CaLab inferred from calcium traces, of the cells in which the amplitude of "
        "one spike could be determined; the others are left out, for their counts have no scale"
    )
    return _table(f"{name}SpikeTimes", description, labelled.cell_ids[rows], [index, column])


def _own_plane(file: Any, labelled: Labelled, name: str) -> Any:
    ophys = needs("pynwb", EXTRA, PURPOSE).ophys
    devices = list(file.devices.values())
    device = (
        devices[0]
        if len(devices) == 1
        else file.create_device(name=f"{name}Device", description=NOT_KNOWN)
    )
    known = labelled.provenance.get("known", {})
    return file.create_imaging_plane(
        name=f"{name}ImagingPlane",
        optical_channel=ophys.OpticalChannel(
            name="OpticalChannel", description=NOT_KNOWN, emission_lambda=np.nan
        ),
        description=NOT_KNOWN,
        device=device,
        excitation_lambda=np.nan,
        indicator=known.get("indicator") or "unknown",
        location="unknown",
        imaging_rate=labelled.fs,
    )


def _reasons(labelled: Labelled) -> list[Any]:
    """List why cells were left out or their baseline is in doubt, where any was."""
    said = {
        "excluded": "Why the cell was not deconvolved, empty for the others",
        "drift": "What the baseline of the cell does, where it moves fast, empty for the others",
    }
    columns = []
    for name, description in said.items():
        reasons = getattr(labelled.details, name, None)
        if reasons:
            values = [reasons.get(row, "") for row in range(labelled.n_cells)]
            columns.append(_column(name, description, values))
    return columns


def _table(name: str, description: str, ids: NDArray[Any], columns: list[Any]) -> Any:
    common = needs("hdmf.common", EXTRA, PURPOSE)
    everything = [*_names(ids), *columns]
    return common.DynamicTable(
        name=name, description=description, id=_numbers(ids), columns=everything
    )


def _column(name: str, description: str, values: Any) -> Any:
    array = np.asarray(values)
    # HDF5 has no fixed-width text of NumPy's kind.
    data = array.tolist() if array.dtype.kind == "U" else array
    common = needs("hdmf.common", EXTRA, PURPOSE)
    return common.VectorData(name=name, description=description, data=data)


def _numbers(ids: NDArray[Any]) -> list[int]:
    """Return ids as NWB can have them: whole numbers, else those of the rows."""
    return list(range(ids.size)) if ids.dtype.kind == "U" else ids.tolist()


def _names(ids: NDArray[Any]) -> list[Any]:
    named = ids.dtype.kind == "U"
    return [_column(NAMES, "How the cell is known", ids)] if named else []
