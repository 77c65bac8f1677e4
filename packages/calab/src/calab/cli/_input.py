"""Reading what the user names on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ._errors import complain, user_input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Recording", "read_recording"]


class Recording(NamedTuple):
    """Traces with what is known about them."""

    traces: NDArray[np.floating[Any]]
    fs: float | None
    metadata: dict[str, Any]


def read_recording(
    file: Path, *, transpose: bool, skip_rows: int, fs: float | None = None
) -> Recording:
    """Read traces, and the sampling rate where `save_for_tuning` left it beside them.

    Parameters
    ----------
    file : Path
        A `.npy`, `.csv` or `.tsv` file.
    transpose : bool
        The rows of the file are frames.
    skip_rows : int
        Header lines of a text table.
    fs : float, optional
        Sampling rate in Hz that the user gave; a sidecar that cannot be read is then a warning.

    Returns
    -------
    Recording
        Its `fs` is None where neither the user nor a sidecar says it.

    Raises
    ------
    BadInput
        If the file cannot be read as traces.
    """
    with user_input():
        from calab_io import load_tuning_data, read_traces

        sidecar = file.with_name(f"{file.stem}_metadata.json")
        if file.suffix == ".npy" and sidecar.is_file() and not transpose:
            try:
                traces, metadata = load_tuning_data(file.with_suffix(""))
                return Recording(traces, _rate(metadata, sidecar) if fs is None else fs, metadata)
            except ValueError as err:
                if fs is None:
                    raise
                complain(f"warning: {err}")
        return Recording(read_traces(file, transpose=transpose, skip_rows=skip_rows), fs, {})


def _rate(metadata: dict[str, Any], sidecar: Path) -> float | None:
    rate = metadata.get("sampling_rate_hz")
    if rate is None or (isinstance(rate, int | float) and not isinstance(rate, bool)):
        return rate
    raise ValueError(f"{sidecar}: expected a number in sampling_rate_hz, got {rate!r}")
