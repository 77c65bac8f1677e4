"""Run other packages in their own interpreter, for they share names and dependencies with ours."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _peer_worker import ABSENT
from numpy.typing import NDArray

WORKER = Path(__file__).with_name("_peer_worker.py")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a peer returned for one array.

    Attributes
    ----------
    seconds, cpu : float
        Wall and processor time of the call in seconds, after a warm-up in the same process.
    values : mapping of str to numpy.ndarray
        ``"activity"`` and what else the method gives.
    """

    seconds: float
    cpu: float
    values: Mapping[str, NDArray[Any]]


def run_peer(
    python: str | None,
    method: str,
    traces: Sequence[NDArray[Any]],
    options: Sequence[Mapping[str, Any]],
) -> list[Outcome] | None:
    """Run one peer's method on each array, in a fresh process.

    Parameters
    ----------
    python : str or None
        Interpreter that has the peer.
    method : str
        One of the names in ``_peer_worker.METHODS``.
    traces : sequence of numpy.ndarray
        One array per call.
    options : sequence of mapping
        Parameters of each call.

    Returns
    -------
    list of Outcome, or None
        None where there is no interpreter or it lacks the peer.

    Raises
    ------
    RuntimeError
        If the peer fails; the message is what it printed.
    """
    if python is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        arrays: dict[str, Any] = {f"trace_{i}": trace for i, trace in enumerate(traces)}
        written = json.dumps([dict(given) for given in options])
        np.savez(source, options=np.array(written), **arrays)
        # Isolated: with our PYTHONPATH the peers' interpreter would import our calab.
        command = [python, "-I", str(WORKER), method, str(source), str(target)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == ABSENT:
            return None
        if done.returncode:
            raise RuntimeError(f"{method} failed:\n{done.stderr}")
        with np.load(target) as stored:
            return [_outcome(stored, i) for i in range(len(traces))]


def _outcome(stored: Mapping[str, NDArray[Any]], index: int) -> Outcome:
    suffix = f"_{index}"
    mine = {key.removesuffix(suffix): stored[key] for key in stored if key.endswith(suffix)}
    return Outcome(float(mine.pop("seconds")), float(mine.pop("cpu")), mine)
