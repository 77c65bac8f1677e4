"""Agreement of inferred activity with a known ground truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from calab_core import DeconvolutionDetails
    from numpy.typing import NDArray

__all__ = ["correlate_rows", "largest_relative_gap", "measure_kernel", "smooth"]


def smooth(rows: NDArray[np.floating[Any]], sigma: float) -> NDArray[np.float64]:
    """Smooth rows with a Gaussian, with nothing beyond their ends.

    Parameters
    ----------
    rows : numpy.ndarray, shape (n_cells, n_frames)
        Activity or spike counts.
    sigma : float
        Standard deviation in frames.

    Returns
    -------
    numpy.ndarray, shape (n_cells, n_frames), float64
    """
    reach = int(np.ceil(4 * sigma))
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-9)) ** 2)
    window /= window.sum()
    n_frames = rows.shape[1]
    size = n_frames + 2 * reach
    spectrum = np.fft.rfft(rows, size, axis=1) * np.fft.rfft(window, size)
    return np.asarray(np.fft.irfft(spectrum, size, axis=1)[:, reach : reach + n_frames])


def correlate_rows(
    a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Pearson correlation of each row of `a` with the same row of `b`.

    Parameters
    ----------
    a, b : numpy.ndarray, shape (n_cells, n_frames)
        To be compared.

    Returns
    -------
    numpy.ndarray, shape (n_cells,), float64
        NaN where a row is constant, such as a cell that never spiked.
    """
    a = a - a.mean(axis=1, keepdims=True)
    b = b - b.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    product = np.einsum("ij,ij->i", a, b)
    correlation = np.full(len(a), np.nan)
    np.divide(product, norm, out=correlation, where=norm > 0)
    return correlation


def measure_kernel(
    calcium: NDArray[np.floating[Any]], spikes: NDArray[np.floating[Any]], n_lags: int
) -> NDArray[np.float64]:
    """Measure the response to one spike by least squares, without assuming its shape.

    Solves the normal equations of calcium[t] = sum over k of kernel[k] spikes[t - k], pooled
    over cells.

    Parameters
    ----------
    calcium : numpy.ndarray, shape (n_cells, n_frames)
        Traces without baseline, each divided by the cell's amplitude.
    spikes : numpy.ndarray, shape (n_cells, n_frames)
        True spike counts per frame.
    n_lags : int
        Length of the kernel in frames.

    Returns
    -------
    numpy.ndarray, shape (n_lags,), float64
        NaN where there are too few spikes to tell.
    """
    size = 2 * spikes.shape[1]
    spectrum = np.fft.rfft(spikes, size, axis=1)
    power = np.fft.irfft((spectrum * spectrum.conj()).sum(axis=0), size)[:n_lags]
    centred = calcium - calcium.mean(axis=1, keepdims=True)
    cross_spectrum = (np.fft.rfft(centred, size, axis=1) * spectrum.conj()).sum(axis=0)
    cross = np.fft.irfft(cross_spectrum, size)[:n_lags]
    # The traces are centred, so the mean of the spikes has to leave the normal equations too.
    mean_power = (spikes.mean(axis=1) ** 2).sum() * spikes.shape[1]
    lags = np.arange(n_lags)
    system = power[np.abs(lags[:, None] - lags)] - mean_power
    try:
        return np.asarray(np.linalg.solve(system, cross))
    except np.linalg.LinAlgError:
        return np.full(n_lags, np.nan)


def largest_relative_gap(details: DeconvolutionDetails) -> float:
    """Find the worst certificate among all cells.

    Parameters
    ----------
    details : DeconvolutionDetails
        Of any number of cells.

    Returns
    -------
    float
        Largest duality gap as a share of its objective; cells whose objective is zero or
        unknown are left out.
    """
    gap, objective = np.asarray(details.gap), np.asarray(details.objective)
    share = np.zeros(gap.shape)
    np.divide(gap, objective, out=share, where=objective > 0)
    return float(np.fmax.reduce(share, axis=None, initial=0.0))
