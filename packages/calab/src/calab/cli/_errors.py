"""Bad input ends with exit code 2 and one line that says what to do."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["BadInput", "OneLineErrors", "as_typed", "complain", "user_input"]

_INTERRUPTED = 130


class BadInput(typer.TyperException):
    """What the user gave cannot be used."""

    exit_code = 2


class OneLineErrors(TyperGroup):
    """A command whose errors take one line on stderr, without a box or a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and turn its errors into a line and an exit code.

        Parameters
        ----------
        args, prog_name, complete_var, windows_expand_args, **extra
            As for `typer.core.TyperGroup.main`.
        standalone_mode : bool, optional
            Exit the interpreter at the end.
        """
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as err:
            _explain(err)
            code = err.exit_code
        if code == _INTERRUPTED:
            complain("interrupted: nothing was written")
        if standalone_mode:
            sys.exit(code)
        return code


def _explain(err: typer.TyperException) -> None:
    # Typer checks choices with pydantic, which puts its own words before the message.
    message = err.format_message().replace("Value error, ", "")
    context = getattr(err, "ctx", None)
    # Called without arguments, typer has printed the help and its message is empty.
    if message and context is not None:
        message = f"{message.rstrip('.')} (see {context.command_path} --help)"
    if message:
        complain(message)


@contextmanager
def user_input(flags: Mapping[str, str] | None = None) -> Iterator[None]:
    """Report what the library says about the user's data as `BadInput`, and pass on warnings.

    Only for calls whose errors speak of input and output: a mistake of ours keeps its traceback.

    Parameters
    ----------
    flags : mapping, optional
        Option by the argument that it sets: errors that begin with the one will with the other.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        except KeyError as err:
            raise BadInput(as_typed(str(err.args[0]), flags or {})) from err
        except OSError as err:
            raise BadInput(_describe(err)) from err
        except (ValueError, TypeError) as err:
            raise BadInput(_in_flags(_describe_invalid(err), flags or {})) from err
        except ImportError as err:
            from calab_io.errors import MissingLibraryError

            # A module of ours that is not there keeps its traceback.
            if not isinstance(err, MissingLibraryError):
                raise
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


def _in_flags(message: str, flags: Mapping[str, str]) -> str:
    """Name the options in place of the arguments; pydantic may complain of several."""
    complaints = []
    for complaint in message.split("; "):
        name, colon, rest = complaint.partition(":")
        complaints.append(f"{flags.get(name, name)}{colon}{rest}")
    return as_typed("; ".join(complaints), flags)


def as_typed(message: str, flags: Mapping[str, str]) -> str:
    """Turn remedies for Python, as `cells='all'` or `give fs`, into those for a command line.

    Parameters
    ----------
    message : str
        What the library says.
    flags : mapping
        Option by the argument that it sets.

    Returns
    -------
    str
    """

    def option(found: re.Match[str]) -> str:
        value = found[2].strip("'")
        return flags[found[1]] if value == "True" else f"{flags[found[1]]} {value}"

    names = "|".join(map(re.escape, flags)) or "$^"
    message = re.sub(rf"\b({names})=('[^']*'|\w+)", option, message)
    message = re.sub(
        rf"\b(give|leave out|than) ({names})\b",
        lambda found: f"{found[1]} {flags[found[2]]}",
        message,
    )
    message = re.sub(
        rf"\b({names}) (names)\b", lambda found: f"{flags[found[1]]} {found[2]}", message
    )
    return message.replace("do not transpose it", "leave out --transpose").replace(
        ", transpose it", ", give --transpose"
    )


def _describe(err: OSError) -> str:
    if err.filename is None:
        return str(err)
    return f"{err.filename}: {(err.strerror or 'cannot be used').lower()}"


def _describe_invalid(err: ValueError | TypeError) -> str:
    """Shorten pydantic's report, which takes several lines and a web address per field."""
    report = getattr(err, "errors", None)
    if report is None:
        return str(err)
    return "; ".join(
        f"{'.'.join(map(str, entry['loc'])) or 'configuration'}: {entry['msg']}, "
        f"got {entry['input']!r:.60}"
        for entry in report()
    )
