"""`calab batch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import BadInput, complain, user_input
from ._options import Json
from ._output import print_json, print_pairs, session_bar

if TYPE_CHECKING:
    from calab.batch.session import Outcome

__all__ = ["batch"]

#: Exit code where some sessions failed.
SOME_FAILED = 1


def batch(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="MANIFEST_OR_GLOB...",
            help="A manifest (.csv with a column path, or .json), or files, folders or patterns.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the results.")],
    settings: Annotated[
        Path | None,
        typer.Option("--settings", "-s", metavar="FILE", help="Settings, .toml or .json."),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Sessions at a time.")
    ] = 1,
    n_threads: Annotated[
        int | None, typer.Option("--n-threads", metavar="N", min=1, help="Threads per session.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="Run on this dask cluster."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace results made from other input or settings."),
    ] = False,
    json: Json = False,
) -> None:
    """Deconvolve many sessions automatically; run it again to go on after a crash.

    Each session gets a folder in DIR; sessions.csv, failures.csv and summary.html say how it went.
    Sessions that are finished are skipped, those that fail do not stop the others; the exit code
    is then 1.
    """
    if scheduler is not None and jobs != 1:
        raise BadInput("--jobs is for this machine: with --scheduler its workers decide")
    with user_input(), session_bar(quiet=json) as progress:
        from calab.batch import run_batch

        def told(outcome: Outcome, done: int, total: int) -> None:
            if outcome.status == "failed":
                complain(f"{outcome.name} failed: {outcome.reason}")
            progress(outcome.name, done, total)

        try:
            outcomes = run_batch(
                sources,
                out,
                settings=settings,
                jobs=jobs,
                n_threads=n_threads,
                scheduler=scheduler,
                force=force,
                progress=told,
            )
        except RuntimeError as error:
            raise BadInput(str(error)) from error
        except KeyboardInterrupt:
            complain(f"interrupted: what is finished is in {out}; the same command goes on there")
            raise typer.Exit(SOME_FAILED) from None
    counts = _counts(outcomes)
    if json:
        rows = [{"name": one.name, "status": one.status, "reason": one.reason} for one in outcomes]
        print_json({**counts, "output": str(out), "outcomes": rows})
    else:
        failures = f", see {out / 'failures.csv'}" if counts["failed"] else ""
        print_pairs(
            {
                "sessions": counts["sessions"],
                "done now": counts["done"],
                "done before": counts["skipped"],
                "failed": f"{counts['failed']}{failures}",
                "summary": str(out / "summary.html"),
            }
        )
    if counts["failed"]:
        raise typer.Exit(SOME_FAILED)


def _counts(outcomes: list[Outcome]) -> dict[str, Any]:
    counts = {"sessions": len(outcomes)}
    for status in ("done", "skipped", "failed"):
        counts[status] = sum(outcome.status == status for outcome in outcomes)
    return counts
