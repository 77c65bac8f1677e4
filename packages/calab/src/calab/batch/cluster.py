"""Sessions on a dask cluster, whose workers see the same files."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from calab_io.errors import needs

from .session import Outcome, Task, run_session

__all__ = ["clustered"]

#: Seconds within which a scheduler has to answer.
TIMEOUT_S = 10


def clustered(tasks: Sequence[Task], address: str) -> Generator[Outcome, None, None]:
    """Do sessions on a cluster.

    Parameters
    ----------
    tasks : sequence of Task
        Each is one task of the cluster.
    address : str
        Of the scheduler, such as ``tcp://node:8786``, or the path of its file.

    Yields
    ------
    Outcome
        As sessions end. One whose worker is lost is done again by another; after the number of
        times that the scheduler allows (`distributed.scheduler.allowed-failures`) it has failed.

    Raises
    ------
    ImportError
        If dask's `distributed` is not installed.
    ConnectionError
        If no scheduler answers.
    """
    distributed = needs("distributed", "dask", "a cluster")
    try:
        where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
        client = distributed.Client(**where, timeout=TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        problem = f"{address}: expected a dask scheduler, as `dask scheduler` prints it"
        raise ConnectionError(f"{problem}: {error}") from error
    with client:
        # Not pure: what was done before is known by its folder, not by dask.
        futures = client.map(run_session, tasks, pure=False)
        by_key = {future.key: task for future, task in zip(futures, tasks, strict=True)}
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                yield _outcome(future, by_key[future.key])
        finally:
            client.cancel(futures)


def _outcome(future: object, task: Task) -> Outcome:
    try:
        outcome: Outcome = future.result()  # type: ignore[attr-defined]  # dask has no types
    except Exception as error:  # the worker is lost, or cannot run our code
        reason = f"the cluster gave it up: {type(error).__name__}: {' '.join(str(error).split())}"
        return Outcome(task.session.name, str(task.session.path), "failed", reason)
    return outcome
