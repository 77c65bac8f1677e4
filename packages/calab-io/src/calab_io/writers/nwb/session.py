"""A new NWB file, and the session that it says it is of."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ...errors import needs
from ...formats.nwb.tree import EXTRA
from ..labels import Labelled

__all__ = ["new_file"]

#: What the session is where nobody says more.
DESCRIPTION = "Activity of cells that CaLab inferred from calcium traces"


def new_file(labelled: Labelled, session: Mapping[str, Any]) -> Any:
    """Make a file with what NWB demands.

    Parameters
    ----------
    labelled : Labelled
        The result, whose recording may say when the session began.
    session : mapping of str to object
        ``session_start_time``, ``session_description`` and ``identifier`` from the user, or None.

    Returns
    -------
    pynwb.NWBFile
        In memory.

    Raises
    ------
    ValueError
        If nothing says when the session began, or in which time zone.
    TypeError
        If one of them is of the wrong kind.
    """
    for option in ("session_description", "identifier"):
        if session[option] is not None and not isinstance(session[option], str):
            raise TypeError(f"{option}: expected text, got {session[option]!r}")
    return needs("pynwb", EXTRA, "writing NWB").NWBFile(
        session_description=session["session_description"] or DESCRIPTION,
        identifier=session["identifier"] or str(uuid.uuid4()),
        session_start_time=_start(labelled, session["session_start_time"]),
    )


def _start(labelled: Labelled, given: datetime | None) -> datetime:
    """Return when the session began; nothing stands in for it."""
    if given is not None and not isinstance(given, datetime):
        raise TypeError(f"session_start_time: expected a datetime, got {given!r}")
    start = _said_start(labelled) if given is None else given
    if start.tzinfo is None:
        raise ValueError(
            f"session_start_time: expected a time with its zone, got {start}; give it as a "
            "datetime with tzinfo"
        )
    return start


def _said_start(labelled: Labelled) -> datetime:
    """Return when the session of the recording began, if it says so."""
    said = labelled.provenance.get("known", {}).get("session_start_time")
    try:
        return datetime.fromisoformat(said or "")
    except ValueError:
        raise ValueError(
            "session_start_time: a new NWB file must say when the session began, and nothing "
            "that was given does; give it as a datetime with its time zone"
        ) from None
