"""Measure the peak memory of the automatic pipeline in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# VmHWM belongs to the child alone, while ru_maxrss may start at what its parent held when it split.
CODE = """
import json, resource, sys
import numpy as np
from calab import run_cadecon

def peak():
    try:
        lines = open("/proc/self/status").read().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

traces = np.load(sys.argv[1])
before = peak()
result = run_cadecon(traces, float(sys.argv[2]))
assert result.activity.shape == traces.shape
print(json.dumps([before, peak()]))
"""


def peak_memory(traces: NDArray[Any], fs: float) -> tuple[float, float]:
    """Return the highest resident memory in bytes before and at the end of ``run_cadecon``.

    Parameters
    ----------
    traces : numpy.ndarray, shape (n_cells, n_frames)
        Handed over in a file, so that making them does not count; reading them does.
    fs : float
        Imaging rate in hertz.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "traces.npy")
        np.save(path, traces)
        command = [sys.executable, "-c", CODE, str(path), str(fs)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    before, after = json.loads(done.stdout.splitlines()[-1])
    return float(before), float(after)
