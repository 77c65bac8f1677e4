"""Score inferred spikes against the spikes that were recorded beside them, one to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Greatest distance in seconds between an inferred spike and the true one that it stands for.
TOLERANCE = 0.1


def times_of_counts(counts: NDArray[np.floating], fs: float) -> Array:
    """Place the spikes of every frame at the time of its sample.

    Parameters
    ----------
    counts : numpy.ndarray, shape (n_frames,)
        Spikes per frame, rounded to whole ones; NaN counts as none.
    fs : float
        Imaging rate in hertz.

    Returns
    -------
    numpy.ndarray, shape (n_spikes,)
        Seconds from the first frame, in order.
    """
    whole = np.maximum(np.rint(np.nan_to_num(counts, nan=0.0)), 0).astype(np.int64)
    return np.repeat(np.arange(counts.size) / fs, whole)


def matched(
    inferred: Array, true: Array, tolerance: float = TOLERANCE
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair as many inferred spikes with true ones as can be, each with one at most.

    Parameters
    ----------
    inferred, true : numpy.ndarray, shape (n_inferred,) and (n_true,)
        Spike times in seconds, in order.
    tolerance : float
        Greatest distance within a pair, in seconds; included.

    Returns
    -------
    tuple of numpy.ndarray, each of shape (n_pairs,)
        Positions of the pairs in ``inferred`` and in ``true``.
    """
    # Going through both in order and taking the first pair that fits is optimal. Let i and j be
    # the first spikes left. If i lies too early for j it does so for all later true spikes: no
    # matching can use it; the same holds for j. Otherwise some largest matching of what is left
    # pairs i with j: in one that leaves both alone we may add the pair; where only one of them has
    # a partner we may give it the other one instead; and where i goes with j' >= j and j with
    # i' >= i we may pair i with j and i' with j', because i' - j' <= i' - j and j' - i' <= j' - i
    # are both within the tolerance. Induction over what is left proves the claim.
    found, times, truth = [], inferred.tolist(), true.tolist()
    i = j = 0
    while i < len(times) and j < len(truth):
        distance = times[i] - truth[j]
        if distance < -tolerance:
            i += 1
        elif distance > tolerance:
            j += 1
        else:
            found.append((i, j))
            i, j = i + 1, j + 1
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


@dataclass(frozen=True)
class Detection:
    """Spikes of one neuron over all its segments.

    Attributes
    ----------
    true, inferred, hits : int
        Spikes that were recorded, spikes that were inferred, and pairs of them.
    """

    true: int
    inferred: int
    hits: int

    @property
    def precision(self) -> float:
        """Return the share of inferred spikes that are true; 0 where none were inferred."""
        return self.hits / self.inferred if self.inferred else 0.0

    @property
    def recall(self) -> float:
        """Return the share of true spikes that were found."""
        return self.hits / self.true

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall."""
        return 2 * self.hits / (self.inferred + self.true)

    @property
    def count_error(self) -> float:
        """Return what was inferred too much, as a share of the true spikes."""
        return (self.inferred - self.true) / self.true


def detect(
    inferred: Sequence[Array], true: Sequence[Array], tolerance: float = TOLERANCE
) -> Detection:
    """Match each segment of a neuron alone and add them up.

    Parameters
    ----------
    inferred, true : sequence of numpy.ndarray
        Spike times of every segment in seconds.
    tolerance : float
        Greatest distance within a pair, in seconds.
    """
    pairs = zip(inferred, true, strict=True)
    hits = sum(matched(np.sort(mine), np.sort(truth), tolerance)[0].size for mine, truth in pairs)
    return Detection(sum(t.size for t in true), sum(m.size for m in inferred), hits)


@dataclass(frozen=True)
class DetectionScore:
    """Summary over neurons that fired.

    A neuron without a recorded spike has neither recall nor relative count error: it is left out
    of every mean and counted in ``silent``.

    Attributes
    ----------
    neurons, silent : int
        Neurons that count, and those left out.
    f1, precision, recall : float
        Means over neurons.
    count_error : float
        Median of the absolute relative count error.
    count_bias : float
        Median of the signed one; positive: too many spikes.
    """

    neurons: int
    silent: int
    f1: float
    precision: float
    recall: float
    count_error: float
    count_bias: float


def summarise(neurons: Sequence[Detection]) -> DetectionScore:
    """Summarise neurons, each with the same weight; NaN where none of them fired."""
    fired = [neuron for neuron in neurons if neuron.true]
    silent = len(neurons) - len(fired)
    if not fired:
        return DetectionScore(0, silent, *[float("nan")] * 5)
    errors = np.array([neuron.count_error for neuron in fired])
    return DetectionScore(
        len(fired),
        silent,
        float(np.mean([neuron.f1 for neuron in fired])),
        float(np.mean([neuron.precision for neuron in fired])),
        float(np.mean([neuron.recall for neuron in fired])),
        float(np.median(np.abs(errors))),
        float(np.median(errors)),
    )
