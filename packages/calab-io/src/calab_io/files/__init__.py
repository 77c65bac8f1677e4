"""Kinds of files that several formats are written in: HDF5, zarr, MATLAB, npy, pickles, tables.

Each is read with errors that name the file and the key, and nothing that it claims is believed.
"""
