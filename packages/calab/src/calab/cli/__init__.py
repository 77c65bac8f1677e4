"""The command `calab`.

Each module holds one group of commands and loads the numerical packages inside them only, so
that `calab --help` answers at once.
"""

from __future__ import annotations

import typer

from ._errors import OneLineErrors
from .deconvolve import deconvolve
from .demo import demo
from .files import convert, info
from .simulate import simulate
from .versions import versions

__all__ = ["app", "main"]

app = typer.Typer(
    cls=OneLineErrors,
    help="From calcium-imaging traces to neural activity.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (demo, simulate, deconvolve, convert, info, versions):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    app()
