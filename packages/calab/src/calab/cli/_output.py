"""What commands print, and the rules for what they write."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from ._errors import BadInput

__all__ = ["claim_outputs", "print_json", "print_pairs", "progress_bar"]

Progress = Callable[[int, int], None]


def claim_outputs(
    outputs: Iterable[Path], *, force: bool, source: Path | None = None, make_folder: bool = False
) -> None:
    """Refuse, before anything is computed, outputs that could not be written afterwards.

    Parameters
    ----------
    outputs : iterable of Path
        The files that will be written.
    force : bool
        Existing files may be replaced.
    source : Path, optional
        The input, which is never replaced.
    make_folder : bool, optional
        The folder of the outputs will be made where it is missing.

    Raises
    ------
    BadInput
        If a folder is missing or not writeable, or a file is there already.
    """
    for output in outputs:
        _claim_folder(output.parent, make_folder)
        if output.is_dir():
            raise BadInput(f"{output} is a folder: name a file")
        if source is not None and _same_file(output, source):
            raise BadInput(f"{output} is the input itself: give another name with -o")
        if output.exists() and not force:
            raise BadInput(f"{output} exists: give --force to replace it, or another name with -o")


def _same_file(output: Path, source: Path) -> bool:
    return output.exists() and source.exists() and output.samefile(source)


def _claim_folder(folder: Path, make_folder: bool) -> None:
    while make_folder and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist: make it first"
        raise BadInput(f"{folder} {state}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"{folder} is not writeable: give another name with -o")


@contextmanager
def progress_bar(label: str, n_cells: int, *, quiet: bool) -> Iterator[Progress | None]:
    """Show how many cells are done, on a terminal only.

    Parameters
    ----------
    label : str
        What is being done.
    n_cells : int
        How many cells there are.
    quiet : bool
        Show nothing even on a terminal.

    Yields
    ------
    callable or None
        To be called with (cells done, cells total); None where nothing is shown.
    """
    if quiet or not (sys.stderr.isatty() and sys.stdout.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=n_cells)
        yield lambda done, total: bar.update(task, completed=done, total=total)
        # The solver reports now and then, and a short solve may end in between.
        bar.update(task, completed=n_cells)


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document as JSON, with null for what is not a finite number.

    Parameters
    ----------
    document : mapping
        Of str to numbers, strings, lists and mappings.
    """
    typer.echo(json.dumps(finite(document), indent=2, allow_nan=False))


def print_pairs(pairs: Mapping[str, object], *, title: str | None = None) -> None:
    """Print names and values as a table.

    Parameters
    ----------
    pairs : mapping
        Value by name.
    title : str, optional
        Heading of the table.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in pairs.items():
        # As Text, because a path may hold what would be read as markup.
        table.add_row(Text(name, style="bold"), Text(str(value)))
    Console().print(table)


def finite(value: Any) -> Any:
    """Replace what JSON cannot express.

    Parameters
    ----------
    value : object
        Numbers, strings, paths, lists and mappings.

    Returns
    -------
    object
        The same with None for NaN and infinities, and text for paths.
    """
    if isinstance(value, Mapping):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
