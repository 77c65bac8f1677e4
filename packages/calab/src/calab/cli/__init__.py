"""The command `calab`.

Each module holds one group of commands and loads the numerical packages inside them only, so
that `calab --help` answers at once.
"""

from __future__ import annotations

import typer

from . import batch, deconvolve, demo, files, simulate, versions
from ._errors import OneLineErrors

__all__ = ["app", "main"]

app = typer.Typer(
    cls=OneLineErrors,
    help="From calcium-imaging traces to neural activity.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    demo.demo,
    simulate.simulate,
    deconvolve.deconvolve,
    batch.batch,
    files.convert,
    files.info,
    versions.versions,
):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    app()
