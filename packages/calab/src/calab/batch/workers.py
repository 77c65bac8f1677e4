"""Sessions in processes of this machine: one that dies takes only its own session with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from .session import Outcome, Task, run_session

__all__ = ["local"]

DIED = "the process that worked on it was killed, perhaps for want of memory"


def local(tasks: Sequence[Task], jobs: int) -> Generator[Outcome, None, None]:
    """Do sessions, some at a time.

    Parameters
    ----------
    tasks : sequence of Task
        In the order in which they are begun.
    jobs : int
        Sessions at a time.

    Yields
    ------
    Outcome
        As sessions end, in any order.
    """
    waiting = list(tasks)
    while waiting:
        suspects: list[Task] = []
        # A pool that lost a process is of no more use; what it was working on is looked at below.
        with _pool(jobs) as pool:
            yield from _drained(pool, waiting, jobs, suspects)
        for task in suspects:
            yield from _alone(task, sure=len(suspects) == 1)


def _drained(
    pool: ProcessPoolExecutor, waiting: list[Task], jobs: int, suspects: list[Task]
) -> Generator[Outcome, None, None]:
    """Work through the tasks until none is left or a process dies."""
    running: dict[Future[Outcome], Task] = {}
    while waiting or running:
        # No more than can be worked on, so that it is known what a dead process may have held.
        while waiting and len(running) < jobs and not suspects:
            task = waiting.pop(0)
            try:
                with _without_main():
                    running[pool.submit(run_session, task)] = task
            except BrokenProcessPool:
                waiting.insert(0, task)
                break
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task = running.pop(future)
            try:
                yield future.result()
            except BrokenProcessPool:
                suspects.append(task)


def _alone(task: Task, *, sure: bool) -> Generator[Outcome, None, None]:
    """Do what may have killed its process in one of its own, unless it did for sure."""
    died = Outcome(task.session.name, str(task.session.path), "failed", DIED)
    if sure:
        yield died
        return
    with _pool(1) as pool:
        try:
            with _without_main():
                future = pool.submit(run_session, task)
            yield future.result()
        except BrokenProcessPool:
            yield died


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep new processes from running the user's script once more, for they need nothing of it.

    A script that calls us without ``if __name__ == "__main__"`` would otherwise begin anew in each.
    """
    main = sys.modules["__main__"]
    hidden = {name: vars(main).get(name) for name in ("__spec__", "__file__")}
    vars(main)["__spec__"] = None
    vars(main).pop("__file__", None)
    try:
        yield
    finally:
        vars(main).update({name: value for name, value in hidden.items() if value is not None})


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Make processes that end with this one, or where its block is left by an error."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=True)
    pool = ProcessPoolExecutor(jobs, context, initializer=_follow, initargs=(theirs,))
    try:
        yield pool
    except BaseException:
        # Sessions are not waited for: they are done again from their beginning.
        ours.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ours.close()
        theirs.close()


def _follow(parent: Connection[Any, Any]) -> None:
    """Prepare a process: Ctrl-C is for its parent, and without a parent it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Connection[Any, Any]) -> None:
    try:
        parent.recv()
    except (EOFError, OSError):
        os._exit(1)
