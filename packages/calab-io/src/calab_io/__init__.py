"""Readers and writers of calcium-imaging traces and of CaLab's exports."""

from .export import deconvolve_from_export, load_export_params
from .traces import read_csv, read_npy, read_traces
from .tuning import load_tuning_data, save_for_tuning

__all__ = [
    "deconvolve_from_export",
    "load_export_params",
    "load_tuning_data",
    "read_csv",
    "read_npy",
    "read_traces",
    "save_for_tuning",
]
