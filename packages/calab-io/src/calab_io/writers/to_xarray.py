"""Results as labelled arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import needs
from ..recording import Recording
from .labels import label
from .saved.layout import FORMAT, TYPE
from .saved.pack import pack

if TYPE_CHECKING:
    from calab_core import CaDeconResult, DeconvolutionResult

__all__ = ["to_xarray"]

#: Attributes that only `load` needs.
OF_FILES = (FORMAT, "single", "details")


def to_xarray(
    result: CaDeconResult | DeconvolutionResult | ArrayLike,
    *,
    recording: Recording | None = None,
    fs: float | None = None,
    cell_ids: ArrayLike | None = None,
) -> Any:
    """Make a Dataset of a result, with the variables that xarray opens from what `save` writes.

    Parameters
    ----------
    result : CaDeconResult, DeconvolutionResult or array_like, shape (n_cells, n_frames)
        An array is activity.
    recording : Recording, optional
        What the result was made from; names of the cells and times of the frames are taken from it.
    fs : float, optional
        Sampling rate in hertz; required where neither result nor recording say it.
    cell_ids : sequence of int or str, optional
        How the cells are known; as in the recording, the result, or by their rows by default.

    Returns
    -------
    xarray.Dataset
        Dimensions ``cell`` and ``frame``; coordinates ``cell`` (names, text as objects) and
        ``time`` (seconds: the time stamps of the recording, else by the rate from its start on, 0
        where it says none). Variables are ``activity``, ``reconvolution``, ``removed_baseline``,
        ``rate`` (spikes per second) and what is known of each cell, with ``units`` and
        ``long_name``, in the memory of the result.
        ``spike_times`` are of one cell after the other, each up to its ``spike_times_index``.
        Attributes are text and numbers; ``metadata`` is JSON.

    Raises
    ------
    ValueError
        If the rate is not known, or what was given twice differs, or shapes do not agree.
    TypeError
        For what is no result, or metadata that JSON cannot express.
    ImportError
        If xarray is not installed.
    """
    xarray = needs("xarray", "xarray", "making a Dataset")
    content = pack(label(result, recording=recording, fs=fs, cell_ids=cell_ids))
    variables: dict[str, Any] = {}
    for name, one in content.variables.items():
        # zarr 3 writes text of fixed length only with a warning.
        array = np.asarray(one.values)
        values = array.astype(object) if array.dtype.kind == "U" else array
        described = {key: value for key, value in one.attributes.items() if key != TYPE}
        variables[name] = xarray.Variable(one.axes, values, described)
    attributes = {key: value for key, value in content.attributes.items() if key not in OF_FILES}
    # What is named as an axis is a coordinate by itself.
    return xarray.Dataset(variables, attrs=attributes).set_coords("time")
