"""The series that a result becomes in an NWB file, and what is said of them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...clock import Clock
from ...errors import needs
from ...formats.nwb.tree import EXTRA
from ..labels import ARBITRARY, SPIKES, TRACE_UNIT, Labelled
from .as_json import as_json
from .target import Part

__all__ = ["COUNTS", "add_activity", "rate_series"]

PURPOSE = "writing NWB"
#: What series of activity are called, by which readers know the kind of trace.
COUNTS = "Deconvolved"
#: Frames and cells that are kept together: a cell, and some frames of all, are read fast.
CHUNK = (4096, 64)
#: Entries of the metadata that are a number or a text for each cell: the table of cells has them.
PER_CELL = frozenset(
    {
        "alpha_sd",
        "alphas",
        "cell_ids",
        "cells_converged",
        "drift",
        "excluded",
        "noise",
        "scale_known",
        "thresholds",
        "units",
    }
)


def add_activity(
    module: Any, labelled: Labelled, name: str, parts: list[Part], clock: Clock
) -> None:
    """Add the activity, with a series for each part.

    Parameters
    ----------
    module : pynwb.ProcessingModule
        Where it goes.
    labelled : Labelled
        The result.
    name : str
        Of the container of the series.
    parts : list of Part
        Rows of tables that the cells are.
    clock : Clock
        When the frames were taken.
    """
    container = needs("pynwb", EXTRA, PURPOSE).ophys.Fluorescence(name=name)
    # Before it has series: pynwb warns of those whose table has no file yet.
    module.add(container)
    for part in parts:
        activity = labelled.activity if part.cells is None else labelled.activity[part.cells]
        container.create_roi_response_series(
            name=COUNTS if part.plane is None else f"{COUNTS}_plane{part.plane}",
            data=_stored(activity),
            rois=part.table.create_roi_table_region(
                name="rois", description="The cells, as columns of data", region=part.rows
            ),
            unit=_unit(labelled),
            description=_parameters(labelled),
            comments=_comments(labelled, name),
            **clock.arguments,
        )


def rate_series(labelled: Labelled, name: str, clock: Clock) -> Any | None:
    """Make the series of rates.

    It is no series of responses: whoever looks for the deconvolved one is to find one.

    Parameters
    ----------
    labelled : Labelled
        The result.
    name : str
        What names begin with.
    clock : Clock
        When the frames were taken.

    Returns
    -------
    pynwb.TimeSeries or None
        None where the result has no rates.
    """
    rate = getattr(labelled.details, "rate", None)
    if rate is None:
        return None
    return needs("pynwb", EXTRA, PURPOSE).TimeSeries(
        name=f"{name}Rate",
        data=_stored(rate),
        unit=f"{_unit(labelled)}/s",
        description="Graded rate of spikes of each cell",
        comments=f"Columns are the rows of {name}Cells. {_scale(labelled, name)}".strip(),
        **clock.arguments,
    )


def _stored(values: NDArray[Any]) -> Any:
    """Lay out cells x frames as NWB has it: frames x cells, here in compressed chunks."""
    turned = values.T
    chunks = tuple(np.minimum(CHUNK, turned.shape).tolist())
    pynwb = needs("pynwb", EXTRA, PURPOSE)
    return pynwb.H5DataIO(turned, chunks=chunks, compression="gzip", shuffle=True)


def _unit(labelled: Labelled) -> str:
    units = set(labelled.units.tolist())
    if SPIKES in units:
        return SPIKES
    return "a.u." if units <= {ARBITRARY, TRACE_UNIT} else " or ".join(sorted(units))


def _parameters(labelled: Labelled) -> str:
    """Write how the activity was inferred, as JSON.

    Neither names of cells nor of files are in it: tools are recognised by what descriptions say.
    """
    said: dict[str, Any] = {"written_by": f"calab-io {version('calab-io')}"}
    if labelled.details is not None and hasattr(labelled.details, "method"):
        said["method"] = labelled.details.method
    metadata = getattr(labelled.result, "metadata", {})
    said |= {name: value for name, value in metadata.items() if name not in PER_CELL}
    return as_json("result", said)


def _comments(labelled: Labelled, name: str) -> str:
    if _is_counted(labelled):
        what = "Spikes per frame, inferred by CaLab from calcium traces."
    elif labelled.result is not None:
        what = (
            "Height of the calcium transient that starts in each frame, in the unit of the "
            "traces, inferred by CaLab."
        )
    else:
        what = "Activity per frame as CaLab was given it; its scale is not known."
    return f"{what} {_scale(labelled, name)}".strip()


def _scale(labelled: Labelled, name: str) -> str:
    unknown = int(np.count_nonzero(labelled.units == ARBITRARY))
    if not (_is_counted(labelled) and unknown):
        return ""
    return (
        f"In {unknown} of {labelled.n_cells} cells the amplitude of one spike is not known: their "
        f"numbers are in arbitrary units; {name}Cells says which (activity_unit)."
    )


def _is_counted(labelled: Labelled) -> bool:
    from calab_core import CaDeconResult

    return isinstance(labelled.result, CaDeconResult)
