"""All sessions of a batch."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from calab_io.documents import as_path
from calab_io.folders import clean
from calab_solver._parameters import as_count

from .cluster import clustered
from .ledger import RECORD, exclusive, finished
from .session import Outcome, Task
from .sessions import Session, find_sessions
from .settings import BatchSettings, checked, load_settings
from .summary import write_summary
from .tables import write_tables
from .workers import local

__all__ = ["run_batch"]


def run_batch(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    settings: BatchSettings | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    jobs: int = 1,
    n_threads: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    progress: Callable[[Outcome, int, int], object] | None = None,
) -> list[Outcome]:
    """Deconvolve many sessions automatically, and go on where an earlier run ended.

    Parameters
    ----------
    sources : path or sequence of paths
        A manifest (.csv or .json), or files and folders, or patterns of them; see
        ``docs/how-to/batch.md``.
    out : path
        Folder of the results; made if need be. Each session has a folder in it that is there
        completely or not at all, with ``session.json`` saying what it was made from. Beside them
        are ``sessions.csv``, ``failures.csv`` and ``summary.html``.
    settings : BatchSettings, mapping or path, optional
        How sessions are read, deconvolved and reported; a path names a .toml or .json file.
    jobs : int
        Sessions at a time, in processes of this machine.
    n_threads : int, optional
        Threads per session; by default what there are over `jobs`, and 1 on a cluster. Results do
        not depend on it.
    scheduler : str, optional
        Address (or file) of a dask scheduler that does the sessions instead; its workers must see
        the same files.
    force : bool
        Replace results that were made from other input or with other settings; without it such a
        session fails.
    progress : callable, optional
        Called with each outcome, the sessions done and their total.

    Returns
    -------
    list of Outcome
        In the order of the sessions. A session that fails says why; the others go on.

    Raises
    ------
    FileNotFoundError
        If a source is not there.
    ValueError
        If a manifest or a setting is not valid.
    RuntimeError
        If another run works on the same folder.
    ImportError, ConnectionError
        If a cluster is asked for and cannot be reached.
    KeyboardInterrupt
        On Ctrl-C; what is finished stays, and the tables say so.
    """
    chosen = _settings(settings)
    count = as_count("jobs", jobs, 1)
    listed = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    folder = Path(os.path.abspath(as_path(out)))
    sessions = find_sessions([os.fspath(source) for source in listed], chosen.read)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"out: expected a folder, got the file {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    threads = _threads(n_threads, count, on_cluster=scheduler is not None)
    run = uuid.uuid4().hex
    tasks = [
        Task(session, chosen, folder / session.name, threads, force, run) for session in sessions
    ]
    names = {session.name for session in sessions}
    with exclusive(folder):
        clean(folder, names)
        ends = local(tasks, count) if scheduler is None else clustered(tasks, scheduler)
        found: dict[str, Outcome] = {}
        try:
            # Closed, so that no process writes any more when half done folders are removed.
            with closing(ends):
                for outcome in ends:
                    found[outcome.name] = outcome
                    _tell(folder, sessions, found)
                    if progress is not None:
                        progress(outcome, len(found), len(tasks))
        finally:
            if found:
                _tell(folder, sessions, found, page=True)
            clean(folder, names)
    return _ordered(sessions, found)


def _tell(
    folder: Path, sessions: Sequence[Session], found: Mapping[str, Outcome], *, page: bool = False
) -> None:
    """Write tables, and the page; that one of them is open elsewhere must not end the night."""
    outcomes = [*_ordered(sessions, found), *_earlier(folder, found)]
    begun = {outcome.name for outcome in outcomes}
    try:
        write_tables(folder, outcomes)
        if page:
            waiting = sum(session.name not in begun for session in sessions)
            write_summary(folder, outcomes, waiting)
    except OSError as error:
        warnings.warn(f"the tables of {folder} are not up to date: {error}", stacklevel=3)


def _earlier(folder: Path, found: Mapping[str, Outcome]) -> list[Outcome]:
    """Return what earlier runs have finished in the same folder."""
    outcomes = []
    for record in sorted(folder.glob(f"*/{RECORD}")):
        before = finished(record.parent)
        if before is not None and record.parent.name not in found:
            source, summary = str(before.get("session", "")), before.get("summary", {})
            outcomes.append(Outcome(record.parent.name, source, "earlier", summary=summary))
    return outcomes


def _ordered(sessions: Sequence[Session], found: Mapping[str, Outcome]) -> list[Outcome]:
    return [found[session.name] for session in sessions if session.name in found]


def _settings(settings: Any) -> BatchSettings:
    if settings is None:
        return BatchSettings()
    if isinstance(settings, str | os.PathLike):
        return load_settings(Path(settings))
    return checked(settings, "settings")


def _threads(n_threads: int | None, jobs: int, *, on_cluster: bool) -> int | None:
    if n_threads is not None:
        return as_count("n_threads", n_threads, 1)
    if on_cluster:
        return 1
    return max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else None
