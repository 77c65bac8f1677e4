"""The kernel of some stretches by averaging over all that could explain them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._parameters import as_count, as_number
from ._spike_batch import as_spike_batch, as_values
from ._traces import as_real

__all__ = ["SampledKernel", "sample_kernel"]


@dataclass(frozen=True, eq=False)
class SampledKernel:
    """What :func:`sample_kernel` found.

    Attributes
    ----------
    tau_rise, tau_decay : float
        Time constants in seconds: means of their logarithms over the later half of the sweeps
        that were made.
    history : numpy.ndarray, shape (n_sweeps, 2)
        Rise and decay after each sweep that moved them.
    rested : bool
        Whether the kernel came to rest before the sweeps ran out: means over the quarters of the
        later half deviate by less than 1 % in decay and 2 % in rise, and nothing pulls it anywhere.
    n_events : int
        Events of all windows after the last sweep.
    amplitude : numpy.ndarray, shape (n_windows,)
        Mean amplitude of an event after the last sweep, in units of the traces.
    excess : float
        Standard deviation of the residual in the tenth of the frames with most calcium over that
        in the half with least. 1 where the model holds, more where transients vary.
    autocorrelation : float
        Correlation of residuals one frame apart; 0 where the model holds.
    """

    tau_rise: float
    tau_decay: float
    history: NDArray[np.float64]
    rested: bool
    n_events: int
    amplitude: NDArray[np.float64]
    excess: float
    autocorrelation: float


def sample_kernel(
    traces: ArrayLike,
    fs: float,
    noise: ArrayLike,
    tau_rise: float,
    tau_decay: float,
    *,
    baseline: ArrayLike | None = None,
    upsample_factor: int = 2,
    sweeps: int = 120,
    least: int | None = None,
    burn_in: int = 10,
    spread: float = 0.4,
    seed: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> SampledKernel:
    r"""Find the kernel that windows share, whatever their events and baselines are.

    .. math:: y_i = b_i + \sum_k a_k\, h(i/f_s - t_k; \tau) + \varepsilon_i, \qquad
              a_k \sim N^+(m, (\text{spread} \cdot m)^2), \qquad
              b_{i+1} - b_i \sim N(0, q)

    The best explanation under a kernel makes one event of two spikes near each other, which a
    slower rise pays for. So explanations are drawn instead by a Markov chain: events appear,
    vanish, shift, split and merge, baselines are drawn by a Kalman smoother, and after every
    sweep the kernel moves up the likelihood given what was drawn: along Newton's step, lengthened
    as far as its noise allows, for events give way to most changes of the kernel.

    Parameters
    ----------
    traces : array_like, shape (n_windows, n_frames) or (n_frames,)
        Stretches of traces, not connected to one another; NaN marks frames that were not recorded.
    fs, n_threads
        As :func:`calab_solver.find_events` takes them.
    noise : float or array_like, shape (n_windows,)
        Standard deviation of the white noise, at least a millionth of the largest sample taken.
    tau_rise, tau_decay : float
        Time constants in seconds with which the chain begins.
    baseline : array_like, shape of `traces`, optional
        What stands below them as far as is known, with which the chain begins; 0 by default.
    upsample_factor : int
        Bins per frame, in each of which is one event or none.
    sweeps : int
        Sweeps after each of which the kernel moves, at most. The chain ends at once where its decay
        has left a factor of five around where it began.
    least : int, optional
        Sweeps from which on it ends where the kernel rests; a quarter of `sweeps` by default. The
        later half of the way is averaged, so a longer one knows the kernel better.
    burn_in : int
        Sweeps before it moves.
    spread : float
        Standard deviation of amplitudes as a share of their mean.
    seed : int
        Seed of the random numbers; every window has a stream of its own.
    progress : callable, optional
        Called with the number of sweeps done and in total, which it comes to at once where the
        chain ends early.

    Returns
    -------
    SampledKernel

    Raises
    ------
    ValueError
        As :func:`calab_solver.find_events`, and for a baseline that is not finite where the trace
        is.
    TypeError
        As :func:`calab_solver.find_events`.
    KeyboardInterrupt
        On Ctrl-C, within about a twentieth of a second.

    References
    ----------
    Pnevmatikakis EA, Merel J, Pakman A, Paninski L (2013). Bayesian spike inference from calcium
    imaging data. Asilomar Conference, doi:10.1109/ACSSC.2013.6810519.

    Green PJ (1995). Reversible jump Markov chain Monte Carlo computation and Bayesian model
    determination. Biometrika 82:711-732, doi:10.1093/biomet/82.4.711.

    Delyon B, Lavielle M, Moulines E (1999). Convergence of a stochastic approximation version of
    the EM algorithm. Annals of Statistics 27:94-128, doi:10.1214/aos/1018031103.
    """
    batch = as_spike_batch(
        traces, fs, tau_rise, tau_decay, 1, upsample_factor, None, n_threads, progress
    )
    sweeps = as_count("sweeps", sweeps, 1)
    found = _native.sample_kernel(
        batch,
        _baselines(baseline, batch["traces"]),
        as_values("noise", noise, len(batch["traces"])),
        sweeps=sweeps,
        least=-(-sweeps // 4) if least is None else as_count("least", least, 1),
        burn_in=as_count("burn_in", burn_in, 0),
        spread=as_number("spread", spread),
        seed=as_count("seed", seed, 0),
    )
    taus, history, rested, n_events, amplitude, excess, autocorrelation = found
    return SampledKernel(*taus, history, rested, n_events, amplitude, excess, autocorrelation)


def _baselines(baseline: ArrayLike | None, traces: NDArray[np.float64]) -> NDArray[np.float64]:
    if baseline is None:
        return np.zeros_like(traces)
    below = np.atleast_2d(as_real("baseline", baseline))
    if below.shape != traces.shape:
        raise ValueError(f"baseline: expected shape {traces.shape}, got {below.shape}")
    if not np.isfinite(below[np.isfinite(traces)]).all():
        raise ValueError("baseline: expected finite values in recorded frames")
    return np.require(np.where(np.isfinite(below), below, 0.0), np.float64, "C")
