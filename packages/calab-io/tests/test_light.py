"""What is not needed is not loaded."""

import subprocess
import sys

OPTIONAL = ("dask", "distributed", "h5py", "netCDF4", "pandas", "pyarrow", "pynapple", "pynwb")
OPTIONAL += ("scipy", "xarray", "zarr")


def test_importing_loads_no_optional_library():
    code = f"import sys, calab_io; print([m for m in {OPTIONAL} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
