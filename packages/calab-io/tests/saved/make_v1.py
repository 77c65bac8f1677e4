"""Wrote the files beside it, when the format was in version 1: ``python make_v1.py``.

They are read by the tests of every later version and never written again.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from calab_io import Recording  # noqa: E402
from calab_io.writers.saved import save  # noqa: E402
from layouts.results import FS, cadecon, deconvolution  # noqa: E402


def recording(n_cells, n_frames):
    """Make what the results are said to come from."""
    return Recording(
        traces=np.zeros((n_cells, n_frames)),
        fs=FS,
        cell_ids=np.array(["7", "é", "long name"])[:n_cells],
        timestamps=np.arange(n_frames) / FS + 100,
        source=Path("session/results.hdf5"),
        format="caiman",
        trace="dff",
        why="F_dff, as asked",
    )


if __name__ == "__main__":
    for suffix in (".h5", ".zarr"):
        save(cadecon(ids=(0, 1, 2)), HERE / f"v1{suffix}", recording=recording(3, 6))
    save(deconvolution(single=True), HERE / "v1_deconvolution.h5", recording=recording(1, 5))
