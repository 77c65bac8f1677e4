"""Settings of an automated deconvolution: what may be set, and what holds where nothing is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

__all__ = ["CadeconSettings", "DeconConfig", "in_words"]


#: Fields that are true or false, and the one that is a name; the others are numbers.
FLAGS = {"autorun", "hp_filter_enabled", "lp_filter_enabled", "noise_constrained"}
NAMES = {"kernel"}

_HOUSE_WORDS = {"greater than or equal to": "at least", "less than or equal to": "at most"}

UpsampleTarget = Annotated[int, Field(ge=1, le=1_000_000)]
MaxIterations = Annotated[int, Field(ge=1, le=200)]
ConvergenceTol = Annotated[float, Field(gt=0, lt=1)]
NumSubsets = Annotated[int, Field(ge=1, le=100)]
TargetCoverage = Annotated[float, Field(gt=0, le=1)]
AspectRatio = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class _Strict(BaseModel):
    """Refuses what pydantic would read as a number or a truth value though it is something else."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None or info.field_name in NAMES:
            return value
        truth = isinstance(value, bool | np.bool_)
        if info.field_name in FLAGS:
            if not truth:
                raise PydanticCustomError("flag_type", "Input should be True or False")
            return bool(value)
        if truth or isinstance(value, str | bytes):
            raise PydanticCustomError("number_type", "Input should be a number")
        return value


class CadeconSettings(_Strict):
    """Every setting of an automated deconvolution, with its default.

    Attributes
    ----------
    upsample_target : int
        Rate in hertz of the grid on which spikes are placed; the nearest multiple of the sampling
        rate is taken, at least the sampling rate itself and at most a thousand times it.
    hp_filter_enabled, lp_filter_enabled : bool
        Whether what is slower than the lower edge of `bandpass_filter` is taken from the residual,
        and what is faster than its upper edge from the traces.
    max_iterations : int
        Most iterations of the search for the kernel. Averaging over explanations, which goes on
        from it where its model holds, comes to rest by a rule of its own.
    convergence_tol : float
        The kernel rests where the root mean square of its change, of peak 1, is below this.
    patience : int
        Iterations in a row that it has to rest.
    num_subsets : int
        Rectangles of cells x frames on which the kernel is found, at most 100. Where they hold
        fewer than 20 events the whole recording is one rectangle instead.
    target_coverage : float
        Share of the recording that they cover together.
    aspect_ratio : float
        Their share of the frames over their share of the cells.
    seed : int
        Seed of their places.
    noise_constrained : bool
        A spike must rise above what the trace's structured noise makes, not only lower the squared
        error.
    kernel : {"shared", "per_cell"}
        One kernel for the recording, or one per cell, drawn to the shared one where a cell has few
        events.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    upsample_target: UpsampleTarget = 300
    hp_filter_enabled: bool = True
    lp_filter_enabled: bool = True
    max_iterations: MaxIterations = 20
    convergence_tol: ConvergenceTol = 0.005
    patience: Annotated[int, Field(ge=1)] = 3
    num_subsets: NumSubsets = 4
    target_coverage: TargetCoverage = 0.25
    aspect_ratio: AspectRatio = 1.0
    seed: Seed = 42
    noise_constrained: bool = True
    kernel: Literal["shared", "per_cell"] = "shared"


class DeconConfig(_Strict):
    """Configuration of an automated deconvolution by the app; what is None is left to its default.

    Attributes
    ----------
    autorun : bool
        Whether the run starts as soon as the traces are loaded.
    upsample_target, hp_filter_enabled, lp_filter_enabled, max_iterations, convergence_tol
        As in `CadeconSettings`.
    num_subsets, target_coverage, aspect_ratio, seed
        As in `CadeconSettings`.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    autorun: bool = False
    upsample_target: UpsampleTarget | None = None
    hp_filter_enabled: bool | None = None
    lp_filter_enabled: bool | None = None
    max_iterations: MaxIterations | None = None
    convergence_tol: ConvergenceTol | None = None
    num_subsets: NumSubsets | None = None
    target_coverage: TargetCoverage | None = None
    aspect_ratio: AspectRatio | None = None
    seed: Seed | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return `autorun` and what is set.

        Returns
        -------
        dict of str to object
            Ready for JSON.
        """
        return self.model_dump(exclude_none=True)

    def resolve(self, **more: Any) -> CadeconSettings:
        """Return the settings of a native run: what is set here, and the defaults for the rest.

        Parameters
        ----------
        **more
            Settings that this configuration does not have: `patience`, `noise_constrained` and
            `kernel`; those that are None are left out.

        Returns
        -------
        CadeconSettings

        Raises
        ------
        pydantic.ValidationError
            A ValueError, if one of `more` is unknown or out of range.
        """
        given = self.model_dump(exclude_none=True, exclude={"autorun"})
        given |= {name: value for name, value in more.items() if value is not None}
        return CadeconSettings(**given)


def in_words(error: ValidationError) -> ValueError | TypeError:
    """Turn what pydantic says of settings into the one line that other arguments get.

    Parameters
    ----------
    error : pydantic.ValidationError
        Of settings that were given as arguments.

    Returns
    -------
    ValueError or TypeError
        The latter if every value was of the wrong kind.
    """
    lines, kinds = [], []
    for entry in error.errors():
        expected = entry["msg"].split(",")[0].removeprefix("Input should be ")
        for theirs, ours in _HOUSE_WORDS.items():
            expected = expected.replace(theirs, ours)
        name = ".".join(map(str, entry["loc"]))
        if entry["type"] == "extra_forbidden":
            lines.append(f"{name}: is no setting")
            kinds.append(False)
            continue
        lines.append(f"{name}: expected {expected}, got {_shown(entry['input'])}")
        literal = entry["type"] == "literal_error" and not isinstance(entry["input"], str)
        kinds.append(literal or entry["type"].endswith("_type"))
    return (TypeError if all(kinds) else ValueError)("; ".join(lines))


def _shown(value: Any) -> str:
    """Show what came; Python refuses to write out numbers of thousands of digits."""
    if isinstance(value, int) and abs(value) >= 10**60:
        return "a number of more than 60 digits"
    try:
        return f"{value!r:.60}"
    except ValueError:
        return f"a {type(value).__name__}"
