"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "Cells",
    "File",
    "Force",
    "Format",
    "Fs",
    "Json",
    "Key",
    "Plane",
    "SkipRows",
    "Trace",
    "Transpose",
]

_PANEL = "What is read"

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A file or folder of CaImAn, Minian, suite2p, NWB, MATLAB, ..., or an array or table.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", "-f", help="Of FILE, as in calab_io.FORMATS.", rich_help_panel=_PANEL),
]
Trace = Annotated[
    Literal["auto", "raw", "dff", "denoised", "deconvolved"],
    typer.Option("--trace", help="Kind of trace.", rich_help_panel=_PANEL),
]
Cells = Annotated[
    str,
    typer.Option(
        "--cells",
        metavar="accepted|all|ID,ID,...",
        help="Those that were accepted, or all, or those with these ids.",
        rich_help_panel=_PANEL,
    ),
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="NAME", help="Of the array in FILE.", rich_help_panel=_PANEL),
]
Plane = Annotated[
    int | None,
    typer.Option("--plane", metavar="N", min=0, help="Imaging plane.", rich_help_panel=_PANEL),
]
Force = Annotated[bool, typer.Option("--force", help="Replace existing output.")]
Fs = Annotated[float | None, typer.Option("--fs", metavar="HZ", help="Sampling rate in Hz.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
SkipRows = Annotated[
    int,
    typer.Option(
        "--skip-rows",
        metavar="N",
        min=0,
        help="Header lines of a .csv or .tsv.",
        rich_help_panel=_PANEL,
    ),
]
Transpose = Annotated[
    bool,
    typer.Option(
        "--transpose", help="The rows of FILE are frames, not cells.", rich_help_panel=_PANEL
    ),
]
