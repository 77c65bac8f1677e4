"""The L1 problem of second order, written down once more to judge every solver alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Rate and time constants of ``docs/explanation/model.md``, for traces of ``n_frames``.

    Attributes
    ----------
    fs : float
        Imaging rate in hertz.
    tau_rise, tau_decay : float
        Time constants in seconds.
    n_frames : int
    """

    fs: float
    tau_rise: float
    tau_decay: float
    n_frames: int

    @property
    def kernel_arguments(self) -> tuple[float, float, float]:
        """Return rate, rise and decay, as the documented functions take them."""
        return self.fs, self.tau_rise, self.tau_decay

    @cached_property
    def _difference(self) -> Array:
        seconds = np.arange(self.n_frames) / self.fs
        return np.exp(-seconds / self.tau_decay) - np.exp(-seconds / self.tau_rise)

    @cached_property
    def kernel(self) -> Array:
        """The response to one unit of activity, peak 1, over the whole trace."""
        return np.asarray(self._difference / self._difference.max())

    @property
    def g(self) -> tuple[float, float]:
        """The autoregressive coefficients."""
        decay, rise = np.exp(-1 / (self.fs * np.array([self.tau_decay, self.tau_rise])))
        return float(decay + rise), float(-decay * rise)

    @property
    def peak(self) -> float:
        """Largest value of the recursion's response to 1, by which OASIS does not divide."""
        return float(self._difference.max() / self._difference[1])

    def objective(self, trace: Array, activity: Array, lam: float) -> float:
        """Half the squared residual plus the weighted sum of the activity.

        Parameters
        ----------
        trace : numpy.ndarray, shape (n_frames,)
            A trace without its baseline.
        activity : numpy.ndarray, shape (n_frames,)
        lam : float
            Weight of the sum, times the kernel's sum.
        """
        length = 2 * self.n_frames
        spectrum = np.fft.rfft(self.kernel, length) * np.fft.rfft(activity, length)
        residual = trace - np.fft.irfft(spectrum, length)[: self.n_frames]
        return float(residual @ residual / 2 + lam * self.kernel.sum() * activity.sum())

    def oasis_lam(self, lam: float) -> float:
        """Our weight in the scale of OASIS, whose kernel is not normalised."""
        return lam * float(self.kernel.sum()) * self.peak

    def from_oasis(self, activity: NDArray[Any]) -> Array:
        """OASIS's activity in our scale and frames, made feasible.

        Its source acts in its own frame and ours one later; so that both solve one problem it gets
        the trace without the first frame, which no source of ours reaches.
        """
        return self.peak * np.append(np.maximum(activity, 0), 0)
