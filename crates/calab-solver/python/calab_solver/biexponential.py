"""Two time constants from a kernel in free form."""

from __future__ import annotations

from typing import NamedTuple

from numpy.typing import ArrayLike

from . import _native
from ._parameters import as_count, as_flag, as_number
from ._traces import as_real

__all__ = ["BiexpFitResult", "fit_biexponential"]


class BiexpFitResult(NamedTuple):
    """A slow component and, where there is one, a fast component.

    Attributes
    ----------
    tau_rise, tau_decay : float
        Time constants of the slow component in seconds.
    beta : float
        Its amplitude, of the difference of exponentials, which is not normalised to its peak.
    residual : float
        Sum of the squared residuals over all samples.
    tau_rise_fast, tau_decay_fast, beta_fast : float
        The same of the fast component; 0 without one.
    fit_mode : str
        ``"SlowOnly"``; ``"TwoComponent"``; ``"Degenerate"`` where no amplitude above 0 fits; or
        ``"Empty"`` where there was nothing to fit. In the last two cases the time constants are
        placeholders, 0.02 s and 0.4 s, and `beta` is 0; the residual of an empty fit is infinite.
    """

    tau_rise: float
    tau_decay: float
    beta: float
    residual: float
    tau_rise_fast: float
    tau_decay_fast: float
    beta_fast: float
    fit_mode: str = "SlowOnly"


def fit_biexponential(
    h_free: ArrayLike,
    fs: float,
    *,
    refine: bool = True,
    skip: int = 0,
    warm: BiexpFitResult | None = None,
) -> BiexpFitResult:
    r"""Fit one or two differences of exponentials to a kernel.

    .. math::

        h(t) \approx \beta \left(e^{-t/\tau_d} - e^{-t/\tau_r}\right)
        + \beta_f \left(e^{-t/\tau_{df}} - e^{-t/\tau_{rf}}\right), \qquad t = i / f_s

    Parameters
    ----------
    h_free : array_like, shape (n_samples,)
        The kernel from the spike on, in any unit.
    fs : float
        Its sampling rate in hertz; of the bins, for a kernel on a finer grid than the frames.
    refine : bool
        Whether to refine the fit with a fast second component, where one is there.
    skip : int
        Leading samples that do not count in the fit; `residual` counts them.
    warm : BiexpFitResult, optional
        An earlier fit, from which the search starts as well as from its grid.

    Returns
    -------
    BiexpFitResult
        A tuple of eight.

    Raises
    ------
    TypeError
        If `h_free` does not hold real numbers, a parameter is not of its kind, or `warm` is no
        such tuple.
    ValueError
        If `h_free` has more than one axis, more than 65,536 samples or values that are not
        finite, `fs` is not finite and above 0, `skip` is negative, or the time constants of
        `warm` make no kernel.

    Notes
    -----
    For given time constants the amplitudes follow by least squares; the time constants are found
    by a Levenberg-Marquardt search over their logarithms from each valley of a grid. They lie
    within these bounds, :math:`\Delta` being a sample: :math:`\tau_r` from
    :math:`0.02\,\Delta` to :math:`0.99\,\tau_d`; :math:`\tau_d` from :math:`0.5\,\Delta` to 5 s or
    :math:`20\,\Delta`; :math:`\tau_{df}` from :math:`0.5\,\Delta` to :math:`8\,\Delta` and
    :math:`0.15\,\tau_d`; :math:`\tau_{rf}` from :math:`0.02\,\Delta` to :math:`2\,\Delta` and
    :math:`0.99\,\tau_{df}`.

    A rise within a sample shows as :math:`e^{-\Delta/\tau_r}` in the first sample after the
    spike. Single precision hides rises below :math:`\Delta/15`; what is returned then is some such
    rise.

    The fast component may neither outweigh the slow one nor exceed twice the amplitude that fits
    what the slow one alone leaves. It is kept where it lowers the Bayesian information criterion
    of the residual, which must exceed the rounding of single precision.

    References
    ----------
    Golub and Pereyra (1973), "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", SIAM Journal on Numerical Analysis,
    https://doi.org/10.1137/0710036

    Marquardt (1963), "An algorithm for least-squares estimation of nonlinear parameters", Journal
    of the Society for Industrial and Applied Mathematics, https://doi.org/10.1137/0111030

    Schwarz (1978), "Estimating the dimension of a model", Annals of Statistics,
    https://doi.org/10.1214/aos/1176344136

    Examples
    --------
    >>> from calab_solver import build_kernel
    >>> fit = fit_biexponential(build_kernel(0.02, 0.4, 30.0), 30.0)
    >>> round(fit.tau_rise, 4), round(fit.tau_decay, 4), fit.fit_mode
    (0.02, 0.4, 'SlowOnly')
    """
    kernel = as_real("h_free", h_free)
    if kernel.ndim != 1:
        raise ValueError(f"h_free: expected one axis, got shape {kernel.shape}")
    if kernel.size > _MOST_SAMPLES:
        raise ValueError(f"h_free: expected at most {_MOST_SAMPLES} samples, got {kernel.size}")
    fit = _native.fit_biexponential(
        kernel,
        as_number("fs", fs),
        two_components=as_flag("refine", refine),
        skip=as_count("skip", skip, 0),
        warm=None if warm is None else _as_start(warm),
    )
    return BiexpFitResult(*fit)


#: Half an hour at 30 Hz; the fit cannot be interrupted.
_MOST_SAMPLES = 2**16

_Component = tuple[float, float, float]


def _as_start(warm: BiexpFitResult) -> tuple[_Component, _Component | None]:
    if not isinstance(warm, tuple) or len(warm) not in (7, 8):
        raise TypeError(f"warm: expected a BiexpFitResult, got {warm!r}")
    rise, decay, beta, _, fast_rise, fast_decay, fast_beta = (
        as_number("warm", field) for field in warm[:7]
    )
    if not 0 < rise < decay < float("inf"):
        raise ValueError(
            f"warm: expected 0 < tau_rise < tau_decay, got tau_rise={rise} and tau_decay={decay}"
        )
    if fast_rise == fast_decay == 0:
        return (rise, decay, beta), None
    if not 0 < fast_rise < fast_decay < float("inf"):
        raise ValueError(
            "warm: expected 0 < tau_rise_fast < tau_decay_fast, or 0 for both, "
            f"got tau_rise_fast={fast_rise} and tau_decay_fast={fast_decay}"
        )
    return (rise, decay, beta), (fast_rise, fast_decay, fast_beta)
