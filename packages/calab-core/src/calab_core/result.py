"""What a deconvolution returns: the documented tuple, and the details beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["DeconvolutionDetails", "DeconvolutionResult"]


@dataclass(frozen=True, eq=False)
class DeconvolutionDetails:
    """How a deconvolution came about; numbers for one trace, arrays for several.

    Attributes
    ----------
    gap : float or numpy.ndarray, shape (n_cells,)
        Certified upper bound on `objective` minus the optimum; NaN without recorded frames.
    objective : float or numpy.ndarray, shape (n_cells,)
        Half the squared residual over recorded frames plus the weighted sum of the activity.
    lam : float or numpy.ndarray, shape (n_cells,)
        The sparsity weight that was used, in units of the traces.
    lam_rule : str or numpy.ndarray of str, shape (n_cells,)
        What decided it: ``"given"``, ``"target"``, ``"clamp"`` or ``"no events"``.
    noise : float or numpy.ndarray, shape (n_cells,)
        Standard deviation of the white noise in units of the traces.
    masked_fraction : float or numpy.ndarray, shape (n_cells,)
        Share of the frames that were not recorded (NaN).
    removed_baseline : numpy.ndarray, shape of the traces
        What was taken off the traces before the activity was inferred, float64.
    offset : float or numpy.ndarray, shape (n_cells,)
        Constant between `removed_baseline` and the foot of the fit, in units of the traces.
    method : str
        ``"exact"`` or ``"fista"``.
    """

    gap: float | NDArray[np.float64]
    objective: float | NDArray[np.float64]
    lam: float | NDArray[np.float64]
    lam_rule: str | NDArray[np.str_]
    noise: float | NDArray[np.float64]
    masked_fraction: float | NDArray[np.float64]
    removed_baseline: NDArray[np.float64]
    offset: float | NDArray[np.float64]
    method: str


class _Fields(NamedTuple):
    activity: NDArray[Any]
    baseline: float | NDArray[np.float64]
    reconvolution: NDArray[np.float64]
    iterations: int | NDArray[np.int64]
    converged: bool | NDArray[np.bool_]


class DeconvolutionResult(_Fields):
    """Activity and fit, a tuple of five; everything else is in its attribute `details`.

    Parameters
    ----------
    activity, baseline, reconvolution, iterations, converged
        The fields below, in this order.
    details : DeconvolutionDetails, optional
        How it came about.

    Attributes
    ----------
    activity : numpy.ndarray, shape of the traces
        Activity, at least 0: the height of the calcium transient that starts in each frame, in
        units of the traces.
    baseline : float or numpy.ndarray, shape (n_cells,)
        Mean over the frames of what stands below the activity, in units of the traces; NaN without
        recorded frames.
    reconvolution : numpy.ndarray, shape of the traces
        The model's fit to the traces as they were passed in, baseline included, float64.
    iterations : int or numpy.ndarray, shape (n_cells,)
        Iterations of the method.
    converged : bool or numpy.ndarray, shape (n_cells,)
        Whether the fit is certified to lie within the tolerance of the optimum.
    details : DeconvolutionDetails
        How it came about. Results of `run_deconvolution_full` always have it; one that was made
        without it has no such attribute.

    Examples
    --------
    >>> import calab_core
    >>> result = calab_core.run_deconvolution_full([0.0, 0.0, 1.0, 0.5], 30.0, 0.01, 0.05, 0.0)
    >>> activity, baseline, reconvolution, iterations, converged = result
    >>> converged, result.details.lam_rule
    (True, 'given')
    """

    details: DeconvolutionDetails

    def __new__(
        cls,
        activity: NDArray[Any],
        baseline: float | NDArray[np.float64],
        reconvolution: NDArray[np.float64],
        iterations: int | NDArray[np.int64],
        converged: bool | NDArray[np.bool_],
        *,
        details: DeconvolutionDetails | None = None,
    ) -> Self:
        """Make the tuple."""
        self = super().__new__(cls, activity, baseline, reconvolution, iterations, converged)
        if details is not None:
            self.details = details
        return self

    def _replace(self, **fields: Any) -> Self:
        # The tuple's own would forget the details.
        replaced = super()._replace(**fields)
        replaced.__dict__.update(self.__dict__)
        return replaced
