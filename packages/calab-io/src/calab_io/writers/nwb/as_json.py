"""What a text of an NWB file says to programs."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["as_json"]


def as_json(name: str, value: Any) -> str:
    """Write a value as JSON, with null for numbers that JSON does not have.

    Parameters
    ----------
    name : str
        The argument that it comes from, for the message.
    value : object
        Numbers, text, lists and dicts.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If JSON cannot express it.
    """
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as err:
        raise TypeError(f"{name}: expected what JSON can express: {err}") from err
    # Python writes NaN and infinity by names that other readers do not know.
    return json.dumps(json.loads(text, parse_constant=lambda _: None))
