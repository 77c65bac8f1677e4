"""What every function asks of its scalar arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["as_choice", "as_count", "as_dtype", "as_flag", "as_number", "check_progress"]


def as_choice(name: str, value: str, options: tuple[str, ...]) -> str:
    """Accept one of the options.

    Parameters
    ----------
    name : str
        How the caller knows the argument, for the message.
    value : str
        What came.
    options : tuple of str
        What is accepted.

    Returns
    -------
    str
        The option.

    Raises
    ------
    TypeError
        If it is not a string.
    ValueError
        If it is another string.
    """
    if isinstance(value, str) and value in options:
        return value
    expected = " or ".join(map(repr, options))
    message = f"{name}: expected {expected}, got {value!r}"
    raise ValueError(message) if isinstance(value, str) else TypeError(message)


def as_dtype(name: str, value: str | np.dtype[Any] | type[Any]) -> str:
    """Accept a floating-point type of NumPy, or its name.

    Parameters
    ----------
    name : str
        How the caller knows the argument, for the message.
    value : str, numpy.dtype or type
        What came.

    Returns
    -------
    {"float64", "float32"}
        The name of the type.

    Raises
    ------
    TypeError
        If it is neither a type of NumPy nor a string.
    ValueError
        If it is another type or name.
    """
    named = isinstance(value, np.dtype) or (
        isinstance(value, type) and issubclass(value, np.generic)
    )
    return as_choice(name, np.dtype(value).name if named else value, ("float64", "float32"))  # type: ignore[arg-type]


def as_number(name: str, value: float) -> float:
    """Accept a real number, also as a NumPy scalar or an array without axes.

    Parameters
    ----------
    name : str
        How the caller knows the argument, for the message.
    value : float
        What came; neither text nor a boolean.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If it is not a real number.
    """
    array = None if isinstance(value, list | tuple) else np.asarray(value)
    if array is None or array.ndim or array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected a number, got {value!r}")
    return float(array)


def as_count(name: str, value: int, least: int) -> int:
    """Accept a whole number that is not too small.

    Parameters
    ----------
    name : str
        How the caller knows the argument, for the message.
    value : int
        What came.
    least : int
        Smallest value that is accepted.

    Returns
    -------
    int
        The number, or the largest one that the compiled functions take.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    return min(int(value), 2**31 - 1)


def as_flag(name: str, value: bool) -> bool:
    """Accept a truth value.

    Parameters
    ----------
    name : str
        How the caller knows the argument, for the message.
    value : bool
        What came, also of NumPy; text such as "no", which Python takes for true, is refused.

    Returns
    -------
    bool
        The value.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def check_progress(progress: object) -> None:
    """Refuse what cannot be told how far the work has come.

    Parameters
    ----------
    progress : callable, optional
        What came as the argument of that name.

    Raises
    ------
    TypeError
        If it is neither a function nor None.
    """
    if progress is not None and not callable(progress):
        raise TypeError(f"progress: expected a function or None, got {progress!r}")
