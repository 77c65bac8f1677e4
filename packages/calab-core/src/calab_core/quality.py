"""Figures that tell good cells from bad ones, and flags that say what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from calab_solver._parameters import as_choice
from calab_solver.clipping import is_clipped
from numpy.typing import ArrayLike, NDArray

from ._residual import autocorrelation, explained, joined

if TYPE_CHECKING:
    from .cadecon.result import CaDeconResult

__all__ = ["Quality", "quality"]

# Thresholds of the flags; the docstring of `quality` names them.
_LOW_SNR = 2.0
_LOW_PEAK_SNR = 5.0
_CORRELATED = 0.25
_HIGH_RATE = 2.0
_MOSTLY = 0.5


@dataclass(frozen=True, eq=False)
class Quality:
    """Quality figures, one number per cell; NaN where a figure is not defined.

    Attributes
    ----------
    cell_ids : numpy.ndarray, shape (n_cells,), of int or str
        How the caller knows the cells.
    flags : tuple of tuple of str
        What is wrong with each cell, most serious first; empty for a good one.
    snr : numpy.ndarray, shape (n_cells,), float64
        Peak of one spike over the noise; NaN where the amplitude of one spike is unknown.
    peak_snr : numpy.ndarray, shape (n_cells,), float64
        Highest sample of the working trace over the noise; noise alone reaches about 4.
    noise : numpy.ndarray, shape (n_cells,), float64
        Standard deviation of the white noise in units of the traces.
    noise_dff : numpy.ndarray, shape (n_cells,), float64
        Noise in % per square root of a hertz, comparable between frame rates; NaN unless the
        traces were declared to be dF/F.
    pve : numpy.ndarray, shape (n_cells,), float64
        Share of the working trace's variance that the fit explains.
    residual_autocorrelation : numpy.ndarray, shape (n_cells,), float64
        Of trace less fit, at a lag of one frame.
    residual_autocorrelation_max : numpy.ndarray, shape (n_cells,), float64
        That of largest magnitude at lags from one frame to one decay time, with its sign.
    event_rate : numpy.ndarray, shape (n_cells,), float64
        Inferred spikes per second of recorded time (counts of unknown unit where the amplitude of
        one spike is unknown).
    n_events : numpy.ndarray, shape (n_cells,), float64
        Inferred spikes.
    alpha, alpha_sd : numpy.ndarray, shape (n_cells,), float64
        Amplitude of one spike and its standard error, in units of the traces.
    drift : numpy.ndarray, shape (n_cells,), float64
        Range of the baseline over recorded frames, in units of the traces.
    missing : numpy.ndarray, shape (n_cells,), float64
        Share of the frames that were not recorded.
    """

    cell_ids: NDArray[Any]
    flags: tuple[tuple[str, ...], ...]
    snr: NDArray[np.float64]
    peak_snr: NDArray[np.float64]
    noise: NDArray[np.float64]
    noise_dff: NDArray[np.float64]
    pve: NDArray[np.float64]
    residual_autocorrelation: NDArray[np.float64]
    residual_autocorrelation_max: NDArray[np.float64]
    event_rate: NDArray[np.float64]
    n_events: NDArray[np.float64]
    alpha: NDArray[np.float64]
    alpha_sd: NDArray[np.float64]
    drift: NDArray[np.float64]
    missing: NDArray[np.float64]

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the figures as plain lists.

        Returns
        -------
        dict of str to list
            One entry per cell under each attribute's name (``cell_id`` for the ids), fit for JSON:
            None stands for NaN.
        """
        columns = {"cell_id": _plain(self.cell_ids), "flags": [list(f) for f in self.flags]}
        figures = list(self.__dataclass_fields__)[2:]
        return columns | {name: _plain(getattr(self, name)) for name in figures}

    def table(self) -> list[dict[str, Any]]:
        """Return the figures as one record per cell.

        Returns
        -------
        list of dict
            The columns of `to_dict`, row by row, as data-frame libraries take them.
        """
        columns = self.to_dict()
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]


def quality(
    result: CaDeconResult, traces: ArrayLike, *, units: Literal["dff"] | None = None
) -> Quality:
    r"""Judge each cell of an automated deconvolution.

    With the working trace :math:`w` (trace less `removed_baseline`), the fit :math:`c` above that
    baseline and the residual :math:`r = w - c`, over recorded frames only:

    .. math:: \mathrm{PVE} = 1 - \frac{\sum_t r_t^2}{\sum_t (w_t - \bar w)^2}, \qquad
              \nu = \frac{100\,\mathrm{median}_t |x_{t+1} - x_t|}{\sqrt{f_s}}

    Parameters
    ----------
    result : CaDeconResult
        With its `details`, as `run_cadecon` returns it.
    traces : array_like, shape (n_cells, n_frames) or (n_frames,)
        The traces it was made from, in memory or read some cells at a time as in `run_cadecon`.
    units : {"dff"}, optional
        Declares the traces to be dF/F as a fraction, so that `noise_dff`, the :math:`\nu` above,
        has a meaning.

    Returns
    -------
    Quality
        Arrays with one number per cell, and the flags.

    Raises
    ------
    TypeError
        If `result` is no `CaDeconResult` or `traces` do not hold numbers.
    ValueError
        If `result` has no details, or `traces` has another shape or holds infinite values.

    Notes
    -----
    The flags, most serious first:

    =====================  ======================================================================
    excluded               the cell was not deconvolved; ``result.details.excluded`` says why
    constant               all recorded samples are equal
    mostly missing         more than half of the frames were not recorded
    saturated              at least three successive samples at the trace's maximum: clipped
    no events              no spike was inferred
    scale unknown          the amplitude of one spike could not be determined
    low SNR                `snr` below 2; where it is unknown, `peak_snr` below 5
    poor fit               `pve` below 0 in spite of spikes: a constant would fit better
    residual correlated    `residual_autocorrelation_max` beyond 0.25 and five standard errors
    drift                  the baseline moves fast, or may do so; ``result.details.drift`` says how
    high rate              more than 2 spikes per second on average, where the scale is known
    =====================  ======================================================================

    A correlated residual means that the kernel, the baseline or the noise of the cell is not as
    modelled (or that its spikes were missed); its counts deserve a look at the trace. How often
    each flag is raised on recordings with known spikes, and how much worse the flagged neurons
    are, is told in ``docs/reference/quality.md``.

    References
    ----------
    Rupprecht P et al. (2021). A database and deep learning toolbox for noise-optimized, generalized
    spike inference from calcium imaging. Nature Neuroscience 24:1324-1337,
    doi:10.1038/s41593-021-00895-5 (the noise in % per square root of a hertz).
    """
    # Here, for it brings pydantic with it, which deconvolution alone does without.
    from .cadecon.result import CaDeconResult
    from .cadecon.rows import Rows

    if not isinstance(result, CaDeconResult):
        raise TypeError(f"result: expected a CaDeconResult, got {type(result).__name__}")
    if not hasattr(result, "details"):
        raise ValueError("result: expected a result with its details, got one made without")
    dff = units is not None and as_choice("units", units, ("dff",)) == "dff"
    rows, shape = Rows(traces, gaps=True), tuple(result.activity.shape)
    if rows.shape != shape:
        raise ValueError(
            f"traces: expected the shape of the activity {shape}, got {np.shape(traces)}"
        )
    measured: list[dict[str, float]] = []
    for cells, slab in rows.slabs():
        inferred = _Inferred.of(result, cells)
        measured += [_measure(result, slab, inferred, row, dff) for row in range(len(slab))]
    columns = {name: np.array([one[name] for one in measured]) for name in _MEASURES}
    details = result.details
    return Quality(
        cell_ids=details.cell_ids,
        flags=tuple(_flags(result, cell, one) for cell, one in enumerate(measured)),
        noise=np.asarray(details.noise, np.float64),
        alpha=np.asarray(result.alphas, np.float64),
        alpha_sd=np.asarray(details.alpha_sd, np.float64),
        **columns,
    )


_MEASURES = (
    "snr",
    "peak_snr",
    "noise_dff",
    "pve",
    "residual_autocorrelation",
    "residual_autocorrelation_max",
    "event_rate",
    "n_events",
    "drift",
    "missing",
)


class _Inferred(NamedTuple):
    """What was found of the cells of a slab, in memory."""

    first: int
    activity: NDArray[Any]
    foot: NDArray[Any]
    fit: NDArray[Any]

    @classmethod
    def of(cls, result: CaDeconResult, cells: slice) -> _Inferred:
        arrays = result.activity, result.details.removed_baseline, result.details.reconvolution
        return cls(cells.start, *(np.asarray(array[cells]) for array in arrays))


def _measure(
    result: CaDeconResult, traces: NDArray[Any], inferred: _Inferred, at: int, dff: bool
) -> dict[str, float]:
    """Measure one cell; what is returned beyond `_MEASURES` is for its flags."""
    details, fs, cell = result.details, result.fs, inferred.first + at
    row = np.asarray(traces[at], np.float64)
    seen = ~np.isnan(row)
    n_seen = int(seen.sum())
    found = dict.fromkeys(_MEASURES, np.nan)
    found |= {"n_seen": n_seen, "clipped": False, "constant": False, "peak": np.nan}
    found["missing"] = 1 - n_seen / row.size if row.size else np.nan
    found["n_events"] = float(inferred.activity[at].sum(dtype=np.float64))
    if not n_seen:
        return found
    foot = inferred.foot[at].astype(np.float64)
    working = row - foot
    residual = row - inferred.fit[at]
    noise, alpha = float(details.noise[cell]), float(result.alphas[cell])
    found["peak"] = float(np.fmax.reduce(working))
    found["drift"] = float(np.ptp(foot[seen]))
    if noise > 0:
        found["peak_snr"] = found["peak"] / noise
        found["snr"] = alpha / noise if details.scale_known[cell] else np.nan
    found["event_rate"] = found["n_events"] / (n_seen / fs)
    found["constant"] = bool(np.ptp(row[seen]) == 0)
    found["clipped"] = is_clipped(row)
    found["pve"] = explained(working[seen], residual[seen])
    if dff:
        steps = np.abs(np.diff(row))[joined(seen, details.segments)]
        found["noise_dff"] = 100 * float(np.median(steps)) / fs**0.5 if steps.size else np.nan
    n_lags = max(1, round(float(np.nan_to_num(details.tau_decay[cell])) * fs))
    lags = autocorrelation(residual, seen, details.segments, n_lags)
    found["residual_autocorrelation"] = float(lags[0])
    if np.isfinite(lags).any():
        found["residual_autocorrelation_max"] = float(lags[np.nanargmax(np.abs(lags))])
    return found


def _flags(result: CaDeconResult, cell: int, one: dict[str, float]) -> tuple[str, ...]:
    details = result.details
    known, excluded = bool(details.scale_known[cell]), cell in details.excluded
    none = not one["n_events"] > 0
    # Comparisons with NaN are false: what could not be measured raises no flag.
    low = one["snr"] < _LOW_SNR if known else one["peak_snr"] < _LOW_PEAK_SNR
    error = 5 / max(one["n_seen"], 1) ** 0.5
    correlated = abs(one["residual_autocorrelation_max"]) > max(_CORRELATED, error)
    raised = {
        "excluded": excluded,
        "constant": one["constant"],
        "mostly missing": one["missing"] > _MOSTLY,
        "saturated": one["clipped"],
        "no events": none and not excluded,
        "scale unknown": not known and not excluded,
        "low SNR": low,
        "poor fit": one["pve"] < 0 and not none,
        "residual correlated": correlated and not excluded,
        "drift": cell in details.drift,
        "high rate": known and one["event_rate"] > _HIGH_RATE,
    }
    return tuple(name for name, up in raised.items() if up)


def _plain(values: NDArray[Any]) -> list[Any]:
    plain: list[Any] = values.tolist()
    return [
        None if isinstance(value, float) and not np.isfinite(value) else value for value in plain
    ]
