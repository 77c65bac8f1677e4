"""What commands print, and the rules for what they write."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from calab._results import finite

from ._errors import BadInput, complain

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

__all__ = [
    "claim_outputs",
    "phase_bars",
    "print_json",
    "print_pairs",
    "progress_bar",
    "session_bar",
    "writing",
]

Progress = Callable[[int, int], None]
#: Exit code of an interruption that left some of the outputs.
PARTLY_WRITTEN = 1

PhaseProgress = Callable[[str, int, int], None]


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
def writing(outputs: Sequence[Path]) -> Iterator[None]:
    """Say truly what an interruption leaves, from the first write to the last word.

    Parameters
    ----------
    outputs : sequence of Path
        The files that are written. Once all are, an interruption only cuts short what is printed.

    Raises
    ------
    KeyboardInterrupt
        If nothing was written.
    typer.Exit
        If only some of the files were.
    """
    before = [_stamp(output) for output in outputs]
    try:
        yield
    except KeyboardInterrupt:
        pairs = zip(outputs, before, strict=True)
        written = [output.name for output, stamp in pairs if _stamp(output) != stamp]
        if not written:
            raise
        if len(written) < len(outputs):
            complain(f"interrupted: of the outputs only {', '.join(written)} are written")
            raise typer.Exit(PARTLY_WRITTEN) from None
        complain("interrupted, but everything was written")


def _stamp(output: Path) -> tuple[int, int] | None:
    """Tell a file from the one that replaces it."""
    try:
        found = output.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


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
    if quiet or not _on_terminal():
        yield None
        return
    with _bars() as bars:
        task = bars.add_task(label, total=n_cells)
        yield lambda done, total: bars.update(task, completed=done, total=total)
        # The solver reports now and then, and a short solve may end in between.
        bars.update(task, completed=n_cells)


@contextmanager
def phase_bars(labels: Mapping[str, str], *, quiet: bool) -> Iterator[PhaseProgress | None]:
    """Show how far each phase is, one bar below the other, on a terminal only.

    Parameters
    ----------
    labels : mapping of str to str
        What is being done in each phase.
    quiet : bool
        Show nothing even on a terminal.

    Yields
    ------
    callable or None
        To be called with (phase, done, total); None where nothing is shown.
    """
    if quiet or not _on_terminal():
        yield None
        return
    with _bars() as bars:
        tasks: dict[str, Any] = {}

        def report(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                # A search may end before the most iterations that it may take, or go on later.
                for earlier in tasks.values():
                    bars.update(earlier, total=bars.tasks[earlier].completed)
                tasks[phase] = bars.add_task(labels.get(phase, phase), total=total)
            bars.update(tasks[phase], completed=done, total=total)

        yield report


@contextmanager
def session_bar(*, quiet: bool) -> Iterator[PhaseProgress]:
    """Show how many sessions are done and which came last, on a terminal only.

    Parameters
    ----------
    quiet : bool
        Show nothing even on a terminal.

    Yields
    ------
    callable
        To be called with (name of the session, sessions done, sessions in total).
    """
    if quiet or not _on_terminal():
        yield lambda name, done, total: None
        return
    with _bars() as bars:
        task = bars.add_task("sessions", total=None)

        def report(name: str, done: int, total: int) -> None:
            bars.update(task, description=name, completed=done, total=total)

        yield report


def _on_terminal() -> bool:
    return sys.stderr.isatty() and sys.stdout.isatty()


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    label = TextColumn("{task.description}", markup=False)
    columns = (label, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Bars(*columns, console=Console(stderr=True), transient=True)


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
