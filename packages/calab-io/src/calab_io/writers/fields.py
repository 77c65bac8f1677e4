"""The arrays of results: on which axes they stand, in which unit, and what they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from calab_core.labelled import is_labelled
from calab_core.slabs import is_source

if TYPE_CHECKING:
    from calab_core import CaDeconResult, DeconvolutionResult

__all__ = [
    "CADECON",
    "CELL",
    "DECONVOLUTION",
    "FRAME",
    "Field",
    "as_stored",
    "check_shapes",
    "fields_of",
]

#: Names of axes.
CELL, FRAME = "cell", "frame"
TRACES, CELLS = (CELL, FRAME), (CELL,)


@dataclass(frozen=True)
class Field:
    """An array of a result.

    Attributes
    ----------
    name : str
        Of the attribute of the result.
    axes : tuple of str
        `CELL` and `FRAME` are those of the activity.
    unit : str
        With ``{trace}`` for the unit of the traces, ``{activity}`` for that of the activity and
        ``{rate}`` for that of a rate; empty for what has none, such as text.
    long_name : str
        What it is, in words.
    in_details : bool
        Whether it is an attribute of `details`.
    """

    name: str
    axes: tuple[str, ...]
    unit: str
    long_name: str
    in_details: bool = True

    def of(self, result: CaDeconResult | DeconvolutionResult) -> Any:
        """Return the array, not read if it is not in memory.

        Parameters
        ----------
        result : CaDeconResult or DeconvolutionResult
            With details, if that is where the array is.

        Returns
        -------
        numpy.ndarray or calab_core.slabs.Source
            As `as_stored` has it.
        """
        return as_stored(getattr(result.details if self.in_details else result, self.name))


def as_stored(values: Any) -> Any:
    """Leave cells x frames that are not in memory where they are, and make an array of all else.

    Parameters
    ----------
    values : array_like or Source
        An array of a result.

    Returns
    -------
    numpy.ndarray or calab_core.slabs.Source
        The latter for real numbers that are read by slices of cells.
    """
    is_elsewhere = is_source(values) and not is_labelled(values)
    if is_elsewhere and values.dtype.kind in "fiu" and math.prod(values.shape):
        return values
    return np.asarray(values)


ACTIVITY = "{activity}"
FIT = "fit to the trace, baseline included"
REMOVED = "what was taken off the trace before the activity was inferred"
NOISE = "standard deviation of the white noise"
MASKED = "share of the frames that were not recorded"

#: Arrays of a CaDeconResult; its spike times and free-form kernels have other lengths each.
CADECON = (
    Field("activity", TRACES, ACTIVITY, "spikes per frame", False),
    Field("alphas", CELLS, "{trace}", "amplitude of one spike", False),
    Field("baselines", CELLS, "{trace}", "mean of what stands below the fit", False),
    Field("pves", CELLS, "1", "share of the variance that the fit explains", False),
    Field("kernel_slow", ("lag",), "1", "response to one spike, of peak 1", False),
    Field("kernel_fast", ("lag_fast",), "1", "fast component of the response", False),
    Field("rate", TRACES, "{rate}", "graded rate of spikes"),
    Field("reconvolution", TRACES, "{trace}", FIT),
    Field("removed_baseline", TRACES, "{trace}", REMOVED),
    Field("noise", CELLS, "{trace}", NOISE),
    Field("alpha_sd", CELLS, "{trace}", "standard error of the amplitude of one spike"),
    Field("scale_known", CELLS, "", "whether the amplitude of one spike could be determined"),
    Field("converged", CELLS, "", "whether the search for spikes ended by itself"),
    Field("tau_rise", CELLS, "s", "rise time constant of the kernel"),
    Field("tau_decay", CELLS, "s", "decay time constant of the kernel"),
    Field("cell_ids", CELLS, "", "how the result knows the cells"),
    Field("masked_fraction", CELLS, "1", MASKED),
    Field("units", CELLS, "", "unit of the activity"),
)
#: Arrays of a DeconvolutionResult.
DECONVOLUTION = (
    Field("activity", TRACES, ACTIVITY, "height of the transient that starts", False),
    Field("baseline", CELLS, "{trace}", "mean of what stands below the activity", False),
    Field("reconvolution", TRACES, "{trace}", FIT, False),
    Field("iterations", CELLS, "1", "iterations of the method", False),
    Field("converged", CELLS, "", "whether the fit is certified", False),
    Field("gap", CELLS, "({trace})^2", "certified bound on the objective less its optimum"),
    Field("objective", CELLS, "({trace})^2", "half the squared residual plus weighted activity"),
    Field("lam", CELLS, "{trace}", "sparsity weight"),
    Field("lam_rule", CELLS, "", "what decided the sparsity weight"),
    Field("noise", CELLS, "{trace}", NOISE),
    Field("masked_fraction", CELLS, "1", MASKED),
    Field("removed_baseline", TRACES, "{trace}", REMOVED),
    Field("offset", CELLS, "{trace}", "constant between removed baseline and foot of the fit"),
)


def fields_of(result: CaDeconResult | DeconvolutionResult) -> list[Field]:
    """List the arrays that a result has.

    Parameters
    ----------
    result : CaDeconResult or DeconvolutionResult
        With or without details.

    Returns
    -------
    list of Field
    """
    from calab_core import CaDeconResult

    fields = CADECON if isinstance(result, CaDeconResult) else DECONVOLUTION
    has_details = hasattr(result, "details")
    return [field for field in fields if has_details or not field.in_details]


def check_shapes(result: CaDeconResult | DeconvolutionResult) -> None:
    """Refuse a result whose arrays do not belong together.

    Parameters
    ----------
    result : CaDeconResult or DeconvolutionResult
        Of an activity with one axis (one trace) or two.

    Raises
    ------
    ValueError
        If an array has another shape than the activity says; the message names it.
    """
    from calab_core import CaDeconResult

    shape = np.shape(result.activity)
    if isinstance(result, CaDeconResult) and len(shape) != 2:
        raise ValueError(f"result: expected activity of cells x frames, got shape {shape}")
    sizes = {CELL: shape[:-1], FRAME: shape[-1:]}
    for field in fields_of(result):
        got = field.of(result).shape
        if CELL not in field.axes:
            if len(got) != len(field.axes):
                raise ValueError(f"result: expected {field.name} with one axis, got shape {got}")
            continue
        expected = tuple(size for axis in field.axes for size in sizes[axis])
        if got != expected:
            raise ValueError(
                f"result: expected {field.name} of shape {expected} as the activity of shape "
                f"{shape} says, got {got}"
            )
    times = getattr(getattr(result, "details", None), "spike_times", None)
    if times is not None and len(times) != shape[0]:
        raise ValueError(
            f"result: expected spike_times of {shape[0]} cells as the activity has, got "
            f"those of {len(times)}"
        )
