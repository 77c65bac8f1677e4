"""Options of `calab deconvolve` that go to the solver; `--auto` takes those named common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from ._errors import BadInput

__all__ = [
    "BaselineMode",
    "Constraint",
    "ConvMode",
    "Dtype",
    "Lam",
    "MaxIters",
    "Method",
    "OnNan",
    "Segments",
    "TauDecay",
    "TauRise",
    "Threads",
    "Tol",
    "option",
    "parse_lam",
    "parse_segments",
]

_KERNEL = "Kernel and sparsity, where there is no --params"
_COMMON = "Recording and machine, with or without --auto"
_SOLVER = "Solver (defaults as in calab.run_deconvolution)"


def option(panel: str, text: str, *names: str, **more: Any) -> Any:
    """Declare an option whose default is the library's.

    Parameters
    ----------
    panel : str
        Heading under which the help lists it.
    text : str
        Its help.
    *names, **more
        As for `typer.Option`.
    """
    return typer.Option(*names, rich_help_panel=panel, help=text, show_default=False, **more)


TauRise = Annotated[
    float | None, option(_KERNEL, "Rise time constant in seconds.", "--tau-rise", metavar="S")
]
TauDecay = Annotated[
    float | None, option(_KERNEL, "Decay time constant in seconds.", "--tau-decay", metavar="S")
]
Lam = Annotated[
    str | None,
    option(_KERNEL, "Sparsity weight: a number, or auto (default).", "--lam", metavar="LAM"),
]
Method = Annotated[Literal["exact", "fista"] | None, option(_SOLVER, "Algorithm.", "--method")]
ConvMode = Annotated[
    Literal["fft", "banded"] | None, option(_SOLVER, "Convolution of fista.", "--conv-mode")
]
Constraint = Annotated[
    Literal["nonneg", "box01"] | None, option(_SOLVER, "On the activity.", "--constraint")
]
BaselineMode = Annotated[
    Literal["causal", "centered", "constant", "none"] | None,
    option(_SOLVER, "How the baseline is found.", "--baseline-mode"),
]
OnNan = Annotated[
    Literal["mask", "raise"] | None, option(_COMMON, "On missing samples.", "--on-nan")
]
Segments = Annotated[
    str | None,
    option(_COMMON, "First frames of joined sessions: 0,9000,18000.", "--segments", metavar="N,N"),
]
MaxIters = Annotated[int | None, option(_SOLVER, "Iteration limit.", "--max-iters", metavar="N")]
Tol = Annotated[float | None, option(_SOLVER, "Relative duality gap.", "--tol", metavar="TOL")]
Threads = Annotated[int | None, option(_COMMON, "Number of threads.", "--n-threads", metavar="N")]
Dtype = Annotated[
    Literal["float64", "float32"] | None, option(_SOLVER, "Of the result.", "--dtype")
]


def parse_lam(text: str | None, *, boxed: bool) -> float | Literal["auto"]:
    """Read a sparsity weight.

    Parameters
    ----------
    text : str or None
        A number or `auto`; None for what suits the constraint.
    boxed : bool
        The activity is constrained to a box, which has no weight that could be chosen.

    Returns
    -------
    float or str

    Raises
    ------
    BadInput
        If it is neither.
    """
    if text is None and boxed:
        return 0.0
    if text is None or text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"expected --lam auto or a number, got {text!r}") from None


def parse_segments(text: str | None) -> list[int] | None:
    """Read the start frames of segments.

    Parameters
    ----------
    text : str or None
        Whole numbers with commas between them.

    Returns
    -------
    list of int or None

    Raises
    ------
    BadInput
        If there is anything else in it.
    """
    if text is None:
        return None
    try:
        return [int(frame) for frame in text.split(",")]
    except ValueError:
        raise BadInput(f"expected --segments as in 0,9000,18000, got {text!r}") from None
