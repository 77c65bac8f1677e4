"""Score an inferred activity against the spikes that were recorded beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Lags in seconds at which a data set is scored; positive: the activity comes after the spikes.
LAGS = np.arange(-50, 51) / 100


def spike_rate(times: Array, fs: float, n_frames: int) -> Array:
    """Count the spikes of each frame, the one that begins at ``i / fs``.

    Parameters
    ----------
    times : numpy.ndarray, shape (n_spikes,)
        Seconds from the first frame.
    fs : float
        Imaging rate in hertz.
    n_frames : int
        Frames of the recording; spikes outside are left out.

    Returns
    -------
    numpy.ndarray, shape (n_frames,)
    """
    frames = np.floor(times * fs).astype(np.int64)
    inside = frames[(frames >= 0) & (frames < n_frames)]
    return np.bincount(inside, minlength=n_frames).astype(np.float64)


def smoothed(signal: Array, sigma: float, fs: float) -> Array:
    """Convolve with a Gaussian of ``sigma`` seconds, cut at four of them; zero beyond the ends."""
    reach = max(1, int(np.ceil(4 * sigma * fs)))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (sigma * fs)) ** 2)
    padded = np.convolve(signal, weights / weights.sum())
    return padded[reach : reach + signal.size]


def correlation(inferred: Array, true: Array, lag: int) -> float:
    """Return Pearson's correlation once ``inferred`` was moved ``lag`` frames earlier.

    A constant has no correlation; it counts as 0, for a method that finds nothing.
    """
    n = inferred.size
    early = inferred[max(lag, 0) : n + min(lag, 0)]
    late = true[max(-lag, 0) : n - max(lag, 0)]
    early, late = early - early.mean(), late - late.mean()
    # Sums rather than dot products, whose threads wait for each other on a busy machine.
    norm = np.sqrt(np.sum(early**2) * np.sum(late**2))
    return float(np.sum(early * late) / norm) if norm > 0 else 0.0


def lag_profile(inferred: Array, times: Array, fs: float, sigma: float) -> Array:
    """Correlate activity and true rate, both smoothed, at each of ``LAGS``.

    Parameters
    ----------
    inferred : numpy.ndarray, shape (n_frames,)
        Activity in any unit.
    times : numpy.ndarray, shape (n_spikes,)
        Spike times in seconds.
    fs, sigma : float
        Imaging rate in hertz, width of the Gaussian in seconds.

    Returns
    -------
    numpy.ndarray, shape (n_lags,)
    """
    rate = smoothed(spike_rate(times, fs, inferred.size), sigma, fs)
    activity = smoothed(inferred, sigma, fs)
    frames = np.rint(LAGS * fs).astype(int)
    # At slow rates several lags are the same number of frames.
    known = {frame: correlation(activity, rate, frame) for frame in np.unique(frames)}
    return np.array([known[frame] for frame in frames])


@dataclass(frozen=True)
class Score:
    """Mean correlation over neurons, as is and at the data set's best lag.

    Attributes
    ----------
    neurons : int
    as_is, best : float
    lag : float
        Best lag in seconds, common to the data set; NaN for a mean over data sets.
    """

    neurons: int
    as_is: float
    best: float
    lag: float


def score_data_set(neurons: Mapping[str, Sequence[Array]]) -> Score:
    """Average segments to neurons and neurons to the data set, all with the same weight.

    Parameters
    ----------
    neurons : mapping of str to sequence of numpy.ndarray, shape (n_lags,)
        Lag profiles of the segments of each neuron.
    """
    profiles = np.array([np.mean(segments, axis=0) for segments in neurons.values()])
    mean = profiles.mean(axis=0)
    best = int(mean.argmax())
    unmoved = int(np.abs(LAGS).argmin())
    return Score(len(profiles), float(mean[unmoved]), float(mean[best]), float(LAGS[best]))


def overall(scores: Sequence[Score]) -> Score:
    """Average data sets, weighted by their neurons: the mean over all neurons."""
    neurons = [score.neurons for score in scores]
    as_is = np.average([score.as_is for score in scores], weights=neurons)
    best = np.average([score.best for score in scores], weights=neurons)
    return Score(sum(neurons), float(as_is), float(best), float("nan"))
