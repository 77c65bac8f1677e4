"""Read recordings with spike times, and lay a neuron's or a population's segments out as cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Rise and decay in seconds, the same for every method that takes them; not fitted to this data.
TIME_CONSTANTS = {
    "GCaMP6f": (0.05, 0.5),
    "GCaMP6s": (0.15, 1.3),
    "GCaMP7f": (0.04, 0.5),
    "GCaMP8f": (0.02, 0.2),
    "GCaMP8m": (0.02, 0.3),
    "GCaMP8s": (0.03, 0.6),
}
#: Relative difference below which frame rates agree: a hundredth of what is asked of a decay.
RATE_TOLERANCE = 5e-4


@dataclass(frozen=True, eq=False)
class Segment:
    """One uninterrupted recording of a neuron: dF/F per frame, and spike times in seconds."""

    data_set: str
    neuron: str
    trace: Array
    spike_times: Array
    fs: float
    indicator: str

    @property
    def time_constants(self) -> tuple[float, float]:
        """Rise and decay in seconds."""
        return TIME_CONSTANTS[self.indicator]


def read(path: Path, quick: bool) -> Iterator[Segment]:
    """Yield every segment of the file; if ``quick``, half a minute of one neuron per data set."""
    with h5py.File(path) as file:
        for data_set, neurons in file.items():
            for neuron in list(neurons)[: 1 if quick else None]:
                for segment in neurons[neuron].values():
                    fs = float(segment.attrs["fs"])
                    end = int(30 * fs) if quick else None
                    trace = segment["trace"][:end].astype(np.float64)
                    spikes = segment["spike_times"][:]
                    yield Segment(
                        data_set=data_set,
                        neuron=neuron,
                        trace=trace,
                        spike_times=spikes[spikes < trace.size / fs],
                        fs=fs,
                        indicator=str(segment.attrs["indicator"]),
                    )


def neurons(segments: Sequence[Segment]) -> list[list[int]]:
    """Return the positions of the segments of each neuron, in order of appearance."""
    found: dict[tuple[str, str], list[int]] = {}
    for i, segment in enumerate(segments):
        found.setdefault((segment.data_set, segment.neuron), []).append(i)
    return list(found.values())


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons recorded at one rate, as one recording of several segments.

    Attributes
    ----------
    traces : numpy.ndarray, shape (n_neurons, n_frames)
        NaN where a neuron has no such segment or a shorter one.
    starts : tuple of int
        First frame of each segment.
    fs : float
        Median rate in hertz.
    members : tuple of tuple of int
        For each neuron the positions of its segments in the list that was given.
    """

    traces: Array
    starts: tuple[int, ...]
    fs: float
    members: tuple[tuple[int, ...], ...]


def together(segments: Sequence[Segment], chosen: Sequence[Sequence[int]]) -> Population:
    """Put the k-th segments of all chosen neurons side by side, one k after the other."""
    most = max(len(mine) for mine in chosen)
    sizes = [
        max(segments[mine[k]].trace.size for mine in chosen if k < len(mine)) for k in range(most)
    ]
    starts = np.append(0, np.cumsum(sizes))
    traces = np.full((len(chosen), int(starts[-1])), np.nan)
    for row, mine in zip(traces, chosen, strict=True):
        for start, i in zip(starts, mine, strict=False):
            row[start : start + segments[i].trace.size] = segments[i].trace
    fs = float(np.median([segments[i].fs for mine in chosen for i in mine]))
    first = tuple(int(start) for start in starts[:-1])
    return Population(traces, first, fs, tuple(tuple(mine) for mine in chosen))


def populations(segments: Sequence[Segment]) -> list[Population]:
    """Group the neurons of each data set by frame rate, within ``RATE_TOLERANCE``.

    A neuron whose rate nobody shares is a population of one.
    """
    groups: list[list[list[int]]] = []
    for mine in sorted(neurons(segments), key=lambda mine: _place(segments, mine)):
        known = _place(segments, groups[-1][0]) if groups else ("", 0.0)
        data_set, fs = _place(segments, mine)
        if data_set == known[0] and fs <= known[1] * (1 + RATE_TOLERANCE):
            groups[-1].append(mine)
        else:
            groups.append([mine])
    return [together(segments, group) for group in groups]


def _place(segments: Sequence[Segment], mine: Sequence[int]) -> tuple[str, float]:
    return segments[mine[0]].data_set, segments[mine[0]].fs


def split_rate(population: Population, rate: Array, sizes: Sequence[int]) -> list[Array]:
    """Cut the rate of one cell into its segments of these sizes; 0 where it is unknown."""
    parts = zip(population.starts, sizes, strict=False)
    return [np.nan_to_num(rate[start : start + size], nan=0.0) for start, size in parts]


def split_times(population: Population, times: Array, sizes: Sequence[int]) -> list[Array]:
    """Give the spikes of one cell to its segments, in frames from the first of each.

    A spike between the last sample of a segment and the first of the next one belongs to the
    nearer of them, since a frame holds what lies within half a frame of its sample; spikes at
    frames that a segment lacks are dropped.
    """
    frames = times * population.fs
    parts = zip(population.starts, sizes, strict=False)
    return [
        frames[(frames >= start - 0.5) & (frames < start + size - 0.5)] - start
        for start, size in parts
    ]
