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

__all__ = [
    "FORMATS",
    "CalabFormatError",
    "LazyTraces",
    "MissingKeyError",
    "Recording",
    "deconvolve_from_export",
    "load_caiman",
    "load_export_params",
    "load_minian",
    "load_tuning_data",
    "read",
    "read_csv",
    "read_npy",
    "read_traces",
    "save_for_tuning",
]
