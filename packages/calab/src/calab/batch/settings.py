"""The settings of a batch: how sessions are read, deconvolved and reported."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from calab_core import CadeconSettings
from calab_core.cadecon.settings import in_words
from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["BatchSettings", "OutputSettings", "ReadSettings", "load_settings"]


class ReadSettings(BaseModel):
    """How sessions are read; a manifest may say otherwise of single ones.

    Attributes
    ----------
    format, trace, cells, fs, key, transpose, plane, skip_rows
        As for `calab.read`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: str = "auto"
    trace: Literal["auto", "raw", "dff", "denoised", "deconvolved"] = "auto"
    cells: Literal["accepted", "all"] = "accepted"
    fs: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    key: str | None = None
    transpose: bool | None = None
    plane: Annotated[int, Field(ge=0)] | None = None
    skip_rows: Annotated[int, Field(ge=0)] | None = None


class OutputSettings(BaseModel):
    """What is written of each session beside its results.

    Attributes
    ----------
    report : bool
        A page with figures; needs matplotlib.
    dff : bool
        Whether the traces are dF/F as a fraction, so that noise is given in %/sqrt(Hz).
    save : {"zarr", "h5"}, optional
        Also everything in one file of this kind, which `calab.load` and xarray read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    report: bool = False
    dff: bool = False
    save: Literal["zarr", "h5"] | None = None


class BatchSettings(BaseModel):
    """Everything that decides what a batch computes.

    Attributes
    ----------
    read : ReadSettings
        How sessions are read.
    deconvolve : CadeconSettings
        How they are deconvolved.
    output : OutputSettings
        What is written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    read: ReadSettings = ReadSettings()
    deconvolve: CadeconSettings = CadeconSettings()
    output: OutputSettings = OutputSettings()


def load_settings(path: Path) -> BatchSettings:
    """Read settings from a TOML or JSON file.

    Parameters
    ----------
    path : Path
        With the tables ``read``, ``deconvolve`` and ``output``, each of which may lack.

    Returns
    -------
    BatchSettings

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not TOML or JSON, or a setting is unknown, of the wrong kind or out of range.
    """
    return checked(_document(path), str(path))


def checked(document: Any, source: str) -> BatchSettings:
    """Check settings.

    Parameters
    ----------
    document : dict or BatchSettings
        What was read.
    source : str
        Where it comes from, for errors.

    Returns
    -------
    BatchSettings
    """
    if isinstance(document, BatchSettings):
        return document
    try:
        return BatchSettings.model_validate(document)
    except ValidationError as error:
        raise ValueError(f"{source}: {in_words(error)}") from None


def fingerprint(settings: BaseModel) -> str:
    """Name settings by their content.

    Parameters
    ----------
    settings : pydantic.BaseModel
        Any settings.

    Returns
    -------
    str
        The same for the same values, on every machine.
    """
    text = json.dumps(settings.model_dump(mode="json"), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _document(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix not in {".toml", ".json"}:
        raise ValueError(
            f"{path}: expected settings in .toml or .json, got {suffix or 'no suffix'}"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text) if suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}: expected {suffix[1:].upper()}: {error}") from error
