"""Turn an L1 activity into spikes by simple rules, the yardsticks of spike inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from _spikes import Array, Detection, detect
from numpy.typing import NDArray

#: Least mass of an event of the crude rule, in standard deviations of one spike's amplitude.
CRUDE_THRESHOLD = 8.0
#: Shares of the events between which the oracle looks for threshold and unit.
#: Most events are noise, so the thresholds are close together among the largest.
ORACLE_THRESHOLDS = 1 - np.geomspace(1, 0.003, 30)
ORACLE_UNITS = np.linspace(0, 1, 13)


@dataclass(frozen=True, eq=False)
class Events:
    """Runs of frames with activity.

    Attributes
    ----------
    times : numpy.ndarray, shape (n_events,)
        Centres of mass in seconds from the first frame.
    masses : numpy.ndarray, shape (n_events,)
        Sums of the activity, in the trace's unit: the kernel has peak 1.
    """

    times: Array
    masses: Array

    def spikes(self, threshold: float, unit: float) -> Array:
        """Give every event at or above the threshold its mass in whole units, one at least."""
        kept = self.masses >= threshold
        counts = np.maximum(np.rint(self.masses[kept] / unit), 1).astype(np.int64)
        return np.repeat(self.times[kept], counts)


def events(activity: Array, fs: float) -> Events:
    """Gather neighbouring frames with activity.

    Parameters
    ----------
    activity : numpy.ndarray, shape (n_frames,)
        Non-negative; what is below a millionth of the largest counts as none.
    fs : float
        Imaging rate in hertz.
    """
    active = activity > 1e-6 * activity.max(initial=0.0)
    label = np.cumsum(active & ~np.append(False, active[:-1]))[active] - 1
    weights = activity[active]
    masses = np.bincount(label, weights).astype(np.float64)
    moments = np.bincount(label, weights * np.flatnonzero(active))
    return Events(moments / masses / fs, masses)


def crude(neuron: Sequence[Events], sigma: float) -> list[Array]:
    """Keep events above eight standard deviations; their median is the amplitude of one spike.

    Parameters
    ----------
    neuron : sequence of Events
        One per segment.
    sigma : float
        Standard deviation with which noise of one frame lets the amplitude of a spike at a known
        time be found: that of a frame over the norm of the kernel. In the trace's unit.

    Returns
    -------
    list of numpy.ndarray
        Spike times of each segment in seconds.
    """
    threshold = CRUDE_THRESHOLD * sigma
    masses = np.concatenate([segment.masses for segment in neuron])
    kept = masses[masses >= threshold]
    unit = float(np.median(kept)) if kept.size else 1.0
    return [segment.spikes(threshold, unit) for segment in neuron]


def oracle(neuron: Sequence[Events], true: Sequence[Array]) -> list[Array]:
    """Take the threshold and the unit that give this neuron its best F1.

    Parameters
    ----------
    neuron : sequence of Events
        One per segment.
    true : sequence of numpy.ndarray
        Spike times of each segment in seconds, which no real method knows.
    """
    masses = np.concatenate([segment.masses for segment in neuron])
    best: tuple[float, list[Array]] = (-1.0, [np.empty(0) for _ in neuron])
    if not masses.size:
        return best[1]
    for threshold in _quantiles(masses, ORACLE_THRESHOLDS):
        for unit in _quantiles(masses[masses >= threshold], ORACLE_UNITS):
            spikes = [segment.spikes(threshold, unit) for segment in neuron]
            found: Detection = detect(spikes, true)
            score = found.f1 if found.true else -float(found.inferred)
            if score > best[0]:
                best = score, spikes
    return best[1]


def _quantiles(masses: Array, shares: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in np.unique(np.quantile(masses, shares))]
