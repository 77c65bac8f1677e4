"""Readers and writers of calcium-imaging traces and of CaLab's exports."""

from .errors import CalabFormatError, MissingKeyError
from .export import deconvolve_from_export, load_export_params
from .formats import FORMATS
from .lazy import LazyTraces
from .loaders import load_caiman, load_minian
from .read import read
from .recording import Recording
from .saved import load, save
from .to_minian import to_minian
from .to_nwb import to_nwb
from .to_pynapple import PynappleData, to_pynapple
from .to_suite2p import to_suite2p
from .to_xarray import to_xarray
from .traces import read_csv, read_npy, read_traces
from .tuning import load_tuning_data, save_for_tuning

__all__ = [
    "FORMATS",
    "CalabFormatError",
    "LazyTraces",
    "MissingKeyError",
    "PynappleData",
    "Recording",
    "deconvolve_from_export",
    "load",
    "load_caiman",
    "load_export_params",
    "load_minian",
    "load_tuning_data",
    "read",
    "read_csv",
    "read_npy",
    "read_traces",
    "save",
    "save_for_tuning",
    "to_minian",
    "to_nwb",
    "to_pynapple",
    "to_suite2p",
    "to_xarray",
]
