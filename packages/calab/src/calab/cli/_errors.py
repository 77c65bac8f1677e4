"""Bad input ends with exit code 2 and one line that says what to do."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["BadInput", "OneLineErrors", "complain", "user_input"]

_INTERRUPTED = 130


class BadInput(typer.TyperException):
    """What the user gave cannot be used."""

    exit_code = 2


class OneLineErrors(TyperGroup):
    """A command whose errors take one line on stderr, without a box or a traceback."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command and turn its errors into a line and an exit code.

        Parameters
        ----------
        *args
            As for `typer.core.TyperGroup.main`.
        standalone_mode : bool, optional
            Exit the interpreter at the end.
        **extra
            As for `typer.core.TyperGroup.main`.
        """
        try:
            code = super().main(*args, standalone_mode=False, **extra)
        except typer.TyperException as err:
            message = err.format_message()
            # Without arguments the "message" is the whole help, already laid out.
            if type(err).__name__ != "NoArgsIsHelpError":
                complain(f"{message} (calab --help lists what there is)"
                         if not isinstance(err, BadInput) else message)
            code = err.exit_code
        except KeyboardInterrupt:
            code = _INTERRUPTED
        if code == _INTERRUPTED:
            complain("interrupted, nothing written")
        if standalone_mode:
            sys.exit(code)
        return code


@contextmanager
def user_input() -> Iterator[None]:
    """Report what the library says about the user's data as `BadInput`, and pass on warnings.

    Only for calls whose errors speak of input and output: a mistake of ours keeps its traceback.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        except KeyError as err:
            raise BadInput(str(err.args[0])) from err
        except OSError as err:
            raise BadInput(_describe(err)) from err
        except (ValueError, TypeError) as err:
            raise BadInput(str(err)) from err
        except MemoryError as err:
            raise BadInput(f"not enough memory: {err}") from err
    for warning in caught:
        complain(f"warning: {warning.message}")


def complain(message: str) -> None:
    """Write one line to stderr.

    Parameters
    ----------
    message : str
        Line breaks in it become blanks.
    """
    typer.echo(f"calab: {' '.join(message.split())}", err=True)


def _describe(err: OSError) -> str:
    if err.filename is None:
        return str(err)
    return f"{err.filename}: {(err.strerror or 'cannot be used').lower()}"
