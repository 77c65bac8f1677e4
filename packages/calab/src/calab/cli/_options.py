"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["File", "Force", "Fs", "Json", "SkipRows", "Transpose"]

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Traces, cells x frames: .npy, .csv or .tsv.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace existing output.")]
Fs = Annotated[float | None, typer.Option("--fs", metavar="HZ", help="Sampling rate in Hz.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
SkipRows = Annotated[
    int, typer.Option("--skip-rows", metavar="N", min=0, help="Header lines of a .csv or .tsv.")
]
Transpose = Annotated[
    bool, typer.Option("--transpose", help="The rows of FILE are frames, not cells.")
]
