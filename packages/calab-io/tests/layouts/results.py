"""Small results of every kind, with all that is hard to keep: NaN, -0, no spikes, odd types."""

import numpy as np
from calab_core import (
    CaDeconDetails,
    CaDeconResult,
    DeconvolutionDetails,
    DeconvolutionResult,
)

FS = 20.0


def cadecon(ids=("a", "b", "ç"), *, details=True, n_frames=6):
    """Make a result of three cells, of which the last one was excluded."""
    counts = np.zeros((3, n_frames), np.float32)
    counts[0, 1], counts[1, 4], counts[1, 5] = 1, 2, -0.0
    ramp = np.arange(3 * n_frames, dtype=np.float32).reshape(3, n_frames) / 7
    ramp[2] = np.nan
    nan = np.nan
    known = CaDeconDetails(
        rate=ramp * 3,
        reconvolution=ramp + 1,
        removed_baseline=ramp + 2,
        spike_times=(np.array([0.0512]), np.array([0.21, 0.21]), np.empty(0)),
        noise=np.array([0.1, 0.2, nan]),
        alpha_sd=np.array([0.01, 0.02, nan]),
        scale_known=np.array([True, False, False]),
        converged=np.array([True, True, False]),
        tau_rise=np.array([0.02, 0.02, nan]),
        tau_decay=np.array([0.4, 0.4, nan]),
        cell_ids=np.asarray(ids),
        excluded={2: "constant: every recorded frame is 0"},
        masked_fraction=np.array([0.0, 1 / 3, 0.0]),
        segments=(0, 3),
        units=np.array(["spikes", "arbitrary", "arbitrary"]),
        subset_kernels=(np.array([0.0, 1.0, 0.5]), np.array([0.25, 1.0])),
        kernel_fs=2 * FS,
        drift={1: "slow trend: taken off"},
    )
    return CaDeconResult(
        counts,
        np.array([1.5, 0.7, nan]),
        np.array([10.0, 11.0, nan]),
        np.array([0.9, -0.1, nan]),
        np.array([0.0, 1.0, 0.6, 0.3], np.float32),
        np.empty(0, np.float32),
        FS,
        {
            "tau_rise": 0.02,
            "h_free": [0.1, None],
            "settings": {"seed": 1, "kernel": "shared"},
            "unit of µ": "µm",
            "residual": float("inf"),
        },
        details=known if details else None,
    )


def deconvolution(*, single=False, details=True):
    """Make a result of two traces, or of one without an axis of cells."""
    frames = np.arange(10, dtype=np.float64).reshape(2, 5) / 3
    numbers = np.array([0.25, np.nan])
    values = {
        "activity": frames.astype(np.float32),
        "baseline": numbers + 1,
        "reconvolution": frames + 2,
        "iterations": np.array([12, 40]),
        "converged": np.array([True, False]),
    }
    inner = {
        "gap": numbers / 1e6,
        "objective": numbers * 7,
        "lam": numbers * 2,
        "lam_rule": np.array(["target", "no events"]),
        "noise": numbers,
        "masked_fraction": np.array([0.0, 1.0]),
        "removed_baseline": frames - 4,
        "offset": numbers / 3,
    }
    if single:
        values, inner = (
            {name: one[0] if one.ndim == 2 else one[0].item() for name, one in group.items()}
            for group in (values, inner)
        )
    known = DeconvolutionDetails(**inner, method="exact") if details else None
    return DeconvolutionResult(**values, details=known)


def assert_same(found, expected):
    """Compare what was read with what was saved, types and NaN and the sign of 0 included."""
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, strict=True)
        if expected.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
    elif isinstance(expected, tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, float):
        np.testing.assert_equal(found, expected)
    else:
        assert found == expected
    if hasattr(expected, "details"):
        assert_same(vars(found.details), vars(expected.details))
    else:
        assert not hasattr(found, "details")
