"""Readers and writers of calcium-imaging traces and of CaLab's exports."""

from .errors import CalabFormatError, MissingKeyError
from .export import deconvolve_from_export, load_export_params
from .formats import FORMATS
from .lazy import LazyTraces
from .loaders import load_caiman, load_minian
from .read import read
from .recording import Recording
from .traces import read_csv, read_npy, read_traces
from .tuning import load_tuning_data, save_for_tuning
from .writers.saved import load, save
from .writers.to_minian import to_minian
from .writers.to_nwb import to_nwb
from .writers.to_pynapple import PynappleData, to_pynapple
from .writers.to_suite2p import to_suite2p
from .writers.to_xarray import to_xarray

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
