"""Reading what the user names on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ._errors import user_input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Recording", "read_recording"]


class Recording(NamedTuple):
    """Traces with what is known about them."""

    traces: NDArray[np.floating[Any]]
    fs: float | None
    metadata: dict[str, Any]


def read_recording(file: Path, *, transpose: bool, skip_rows: int) -> Recording:
    """Read traces, and the sampling rate where `save_for_tuning` left it beside them.

    Parameters
    ----------
    file : Path
        A `.npy`, `.csv` or `.tsv` file.
    transpose : bool
        The rows of the file are frames.
    skip_rows : int
        Header lines of a text table.

    Returns
    -------
    Recording
        Its `fs` is None where no sidecar says it.

    Raises
    ------
    BadInput
        If the file cannot be read as traces.
    """
    with user_input():
        from calab_io import load_tuning_data, read_traces

        sidecar = file.with_name(f"{file.stem}_metadata.json")
        if file.suffix == ".npy" and sidecar.is_file() and not transpose:
            traces, metadata = load_tuning_data(file.with_suffix(""))
            rate = metadata.get("sampling_rate_hz")
            return Recording(traces, rate if isinstance(rate, int | float) else None, metadata)
        return Recording(read_traces(file, transpose=transpose, skip_rows=skip_rows), None, {})
