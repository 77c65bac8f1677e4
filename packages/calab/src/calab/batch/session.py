"""One session: read, deconvolved, judged and written, or the reason why not."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calab._results import ARRAYS, RESULT_FILES, finite, save_results, summarize
from calab._scratch import Scratch, scratch_beside
from calab._versions import versions

from .ledger import RECORD, finished, folder_in_place, is_replaceable
from .sessions import Session
from .settings import BatchSettings, fingerprint

if TYPE_CHECKING:
    from calab_core import CaDeconResult, Quality
    from calab_io import Recording

__all__ = ["Outcome", "Task", "run_session"]

SCHEMA_VERSION = 1
REPORT, SAVED = "report.html", "result"
#: Samples that are hashed at a time.
HASHED_SAMPLES = 1 << 22


@dataclass(frozen=True)
class Task:
    """A session and all that decides about it; can be sent to other processes and machines.

    Attributes
    ----------
    session : Session
        What.
    settings : BatchSettings
        How; of `read` the session's own holds.
    folder : Path
        Where its results go.
    n_threads : int or None
        Threads of the deconvolution, all there are by default.
    force : bool
        Whether results of other settings or input are replaced.
    run : str
        Names the run. A cluster that loses what a worker has answered asks again.
    """

    session: Session
    settings: BatchSettings
    folder: Path
    n_threads: int | None = None
    force: bool = False
    run: str = ""

    def effective(self) -> BatchSettings:
        """Return the settings with what the manifest says of this session."""
        return self.settings.model_copy(update={"read": self.session.read})


@dataclass(frozen=True)
class Outcome:
    """What became of a session.

    Attributes
    ----------
    name, source : str
        The session, and its path.
    status : str
        ``"done"``, ``"skipped"`` (was finished before) or ``"failed"``.
    reason : str
        Why it failed.
    seconds : float
        Time it took.
    summary : dict
        What is worth knowing of its result.
    notes : list of str
        What was warned of.
    """

    name: str
    source: str
    status: str
    reason: str = ""
    seconds: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def run_session(task: Task) -> Outcome:
    """Do one session.

    Parameters
    ----------
    task : Task
        The session.

    Returns
    -------
    Outcome
        Also of a session that fails, whatever the reason: the others go on.
    """
    begin = time.perf_counter()
    notes: list[str] = []
    # Notes are gathered by hand, for warnings belong to the process and its other threads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            status, summary = _done(task, notes)
            reason = ""
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever it is, it ends in the table of failures
            status, summary, reason = "failed", {}, _in_words(error)
    seconds = time.perf_counter() - begin
    source = str(task.session.path)
    return Outcome(task.session.name, source, status, reason, seconds, summary, notes)


def _done(task: Task, notes: list[str]) -> tuple[str, dict[str, Any]]:
    import calab_io

    begin = time.perf_counter()
    if not is_replaceable(task.folder):
        raise FileExistsError(f"{task.folder}: is no result of a batch; choose another --out")
    options = task.session.read.model_dump()
    recording = calab_io.read(task.session.path, **options)
    notes += recording.notes
    made_from = {
        "input_hash": input_hash(recording),
        "settings_hash": fingerprint(task.settings.deconvolve),
    }
    before = finished(task.folder)
    if before is not None and _is_done(task, before, made_from):
        if _is_of_run(task, before):
            return "done", before.get("summary", {})
        notes += _what_differs(task, before)
        return "skipped", before.get("summary", {})
    with folder_in_place(task.folder) as draft:
        with scratch_beside(draft / RECORD) as scratch:
            result, judged = _deconvolved(task, recording, scratch)
            _write(task, recording, result, judged, draft)
            for name, file in zip(ARRAYS, RESULT_FILES, strict=False):
                scratch.keep(name, draft / file)
        summary = finite(summarize(result, judged) | {"seconds": time.perf_counter() - begin})
        record = {
            "schema_version": SCHEMA_VERSION,
            "name": task.session.name,
            "run": task.run,
            "session": str(task.session.path),
            **recording.origin(),
            "cells": recording.n_cells,
            "frames": recording.n_frames,
            "fs": recording.fs,
            **made_from,
            "settings": task.effective().model_dump(mode="json"),
            "versions": versions(),
            "summary": summary,
        }
        # Last, so that what holds it is complete even where folders are not renamed at once.
        text = json.dumps(finite(record), indent=1, allow_nan=False)
        (draft / RECORD).write_text(text + "\n", encoding="utf-8")
    doubt = result.metadata["kernel_doubt"]
    notes += [f"the kernel may be wrong: {doubt}"] if doubt else []
    return "done", summary


def _is_done(task: Task, before: dict[str, Any], made_from: dict[str, str]) -> bool:
    """Tell whether results that are there are those that are wanted."""
    source = str(task.session.path)
    if before.get("session") != source and before.get("input_hash") != made_from["input_hash"]:
        raise FileExistsError(
            f"{task.folder}: holds results of {before.get('session')}; name both in a manifest"
        )
    if task.force and not _is_of_run(task, before):
        return False
    if all(before.get(name) == value for name, value in made_from.items()):
        return True
    changed = "settings" if before.get("input_hash") == made_from["input_hash"] else "input"
    raise FileExistsError(
        f"{task.folder}: holds results of other {changed}; --force replaces them, or choose "
        "another --out"
    )


def _is_of_run(task: Task, before: dict[str, Any]) -> bool:
    """Tell whether results that are there were made by the run that asks."""
    return bool(task.run) and before.get("run") == task.run


def _what_differs(task: Task, before: dict[str, Any]) -> list[str]:
    """Say what finished results lack of what is wanted now."""
    notes, made, here = [], before.get("versions", {}), versions()
    for part in ("calab-core", "calab-solver"):
        if made.get(part) != here.get(part):
            notes.append(f"was made by {part} {made.get(part)}, here is {here.get(part)}")
    output = task.settings.output
    wanted = {"a report": REPORT if output.report else None}
    wanted["a saved result"] = None if output.save is None else f"{SAVED}.{output.save}"
    for what, name in wanted.items():
        if name is not None and not (task.folder / name).exists():
            notes.append(f"was finished without {what}; --force makes it, and all else, anew")
    return notes


def _deconvolved(
    task: Task, recording: Recording, scratch: Scratch
) -> tuple[CaDeconResult, Quality]:
    from calab_core import quality, run_cadecon

    result = run_cadecon(
        recording.traces,
        recording.fs,
        config=task.settings.deconvolve,
        cell_ids=recording.cell_ids,
        n_threads=task.n_threads,
        out=scratch.make,
    )
    dff = task.settings.output.dff
    return result, quality(result, recording.traces, units="dff" if dff else None)


def _write(
    task: Task, recording: Recording, result: CaDeconResult, judged: Quality, folder: Path
) -> None:
    name = task.session.name
    files = [folder / file for file in RESULT_FILES]
    save_results(result, judged, name, files, recording.clock)
    if task.settings.output.save is not None:
        from calab_io import save

        save(result, folder / f"{SAVED}.{task.settings.output.save}", recording=recording)
    if task.settings.output.report:
        from calab.report import write_report

        write_report(
            result,
            recording.traces,
            folder / REPORT,
            quality=judged,
            title=f"CaLab: {name}",
        )


def input_hash(recording: Recording) -> str:
    """Name a recording by what is deconvolved: traces, rate and ids, not the file around them.

    Parameters
    ----------
    recording : Recording
        As it was read.

    Returns
    -------
    str
    """
    import numpy as np

    digest = hashlib.blake2b(digest_size=16)
    times = recording.timestamps
    kind = [
        (recording.clock.start or None) if times is None else times.tolist(),
        recording.traces.dtype.name,
        list(recording.traces.shape),
        recording.fs,
        recording.trace,
    ]
    digest.update(json.dumps([*kind, recording.cell_ids.tolist()]).encode())
    rows = max(1, HASHED_SAMPLES // max(1, recording.n_frames))
    for first in range(0, recording.n_cells, rows):
        digest.update(np.ascontiguousarray(recording.traces[first : first + rows]).data)
    return digest.hexdigest()


def _in_words(error: BaseException) -> str:
    """Say in one line what went wrong; of a mistake of ours also where."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ValueError | OSError | ImportError | MemoryError):
        return text if not isinstance(error, MemoryError) else f"not enough memory: {text}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
    return f"{type(error).__name__}: {text}{where}"
