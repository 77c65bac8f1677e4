"""When the frames of a recording, and so of a result, were taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .writers.labels import Labelled

__all__ = ["Clock", "clock_of", "said_clock"]

#: Where provenance says when the first frame was taken, in seconds, if no time stamps do.
START = "starting_time_s"

#: Seconds within which time stamps are those of a steady rate, as nwbinspector has it.
STEADY = 1e-9
#: Share by which the rate of time stamps may differ from the user's and still be the same.
SAME_RATE = 0.01
#: Frames by which rounding may put a moment before the frame that it starts.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Clock:
    """Seconds since the reference time of the source, for each frame.

    Attributes
    ----------
    rate : float
        In hertz.
    start : float
        Of the first frame, in seconds.
    stamps : numpy.ndarray, shape (n_frames,), float64, or None
        Of each frame, in seconds; None where the rate says all.
    """

    rate: float
    start: float
    stamps: NDArray[np.float64] | None

    @property
    def arguments(self) -> dict[str, Any]:
        """Return what a TimeSeries is told: its start and rate, or time stamps."""
        if self.stamps is None:
            return {"starting_time": self.start, "rate": self.rate}
        return {"timestamps": self.stamps}

    def times(self, n_frames: int) -> NDArray[np.float64]:
        """Tell when frames were taken.

        Parameters
        ----------
        n_frames : int
            How many, from the first one.

        Returns
        -------
        numpy.ndarray, shape (n_frames,), float64
            In seconds; the time stamps themselves where there are any.
        """
        if self.stamps is not None:
            return self.stamps
        frames: NDArray[np.float64] = np.arange(n_frames) / self.rate
        return self.start + frames

    def since(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Find moments that are given in seconds, as results have them.

        Parameters
        ----------
        seconds : numpy.ndarray, float64
            Since the start of the first frame, as if all frames took equally long.

        Returns
        -------
        numpy.ndarray, float64
            In seconds on this clock.
        """
        # Without time stamps nothing is gained by way of frames but an error of rounding.
        return self.start + seconds if self.stamps is None else self.at(seconds * self.rate)

    def at(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Find moments that are given in frames.

        Parameters
        ----------
        frames : numpy.ndarray, float64
            Since the start of the first frame, with fractions.

        Returns
        -------
        numpy.ndarray, float64
            In seconds. What falls within a frame stays within it, also before a gap.
        """
        if self.stamps is None:
            return self.start + frames / self.rate
        last = self.stamps.size - 1
        within = np.clip(np.floor(frames + ROUNDING), 0, last).astype(np.intp)
        steps = np.append(np.diff(self.stamps), np.inf)
        moments: NDArray[np.float64] = np.minimum((frames - within) / self.rate, steps[within])
        return self.stamps[within] + moments


def said_clock(
    fs: float, timestamps: NDArray[np.float64] | None, known: Mapping[str, Any]
) -> Clock:
    """Find out when frames were taken by what a source says of them.

    Parameters
    ----------
    fs : float
        Sampling rate in hertz.
    timestamps : numpy.ndarray, shape (n_frames,), float64, or None
        When each frame was taken, in seconds, where the source says so.
    known : mapping of str to object
        What else it says, as `Recording.provenance` has it.

    Returns
    -------
    Clock
        With the time stamps as they are, else from the start that is known, else from 0.
    """
    if timestamps is not None and timestamps.size:
        return Clock(fs, float(timestamps[0]), timestamps)
    return Clock(fs, float(known.get(START) or 0.0), timestamps)


def clock_of(labelled: Labelled, source: Any | None = None) -> Clock:
    """Find out when the frames were taken, as an NWB file has it.

    Parameters
    ----------
    labelled : Labelled
        The result.
    source : pynwb.TimeSeries, optional
        Series of the file with the same frames, which says what the result does not.

    Returns
    -------
    Clock
        From the time stamps of the recording, else from the series, else from the start that the
        recording says; without any of these the first frame is at 0. Time stamps of a steady rate
        become that rate, as NWB wants it.
    """
    stamps, start = labelled.timestamps, labelled.clock.start
    if stamps is None and source is not None:
        stamps = _stamps_of(source, labelled.n_frames)
        start = start if source.starting_time is None else float(source.starting_time)
    if stamps is None:
        return Clock(labelled.fs, start, None)
    if np.unique(np.diff(stamps).round(9)).size > 1:
        return Clock(labelled.fs, float(stamps[0]), stamps)
    return Clock(_steady_rate(stamps, labelled.fs), float(stamps[0]), None)


def _stamps_of(source: Any, n_frames: int) -> NDArray[np.float64] | None:
    if source.timestamps is None:
        return None
    stamps = np.asarray(source.timestamps[:], dtype=np.float64)
    # Those that do not increase are left out when the file is read, too.
    return stamps if stamps.size == n_frames and (np.diff(stamps) > 0).all() else None


def _steady_rate(stamps: NDArray[np.float64], fs: float) -> float:
    """Return the rate of time stamps, unless it is the user's, who knows better."""
    steps, length = stamps.size - 1, float(stamps[-1] - stamps[0])
    if abs(steps / fs - length) <= STEADY or abs(steps / (fs * length) - 1) > SAME_RATE:
        return fs
    return steps / length
