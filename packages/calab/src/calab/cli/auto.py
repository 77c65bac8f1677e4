"""`calab deconvolve --auto`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from calab._results import ARRAYS, RESULT_FILES, save_results, summarize

from ._cadecon import FLAGS
from ._errors import BadInput, user_input
from ._input import Input, Reading, read_recording
from ._output import claim_outputs, phase_bars, print_json, print_pairs, writing
from ._summary import shown, warn

if TYPE_CHECKING:
    from calab_core import CaDeconResult, Quality

    from calab._scratch import Scratch

__all__ = ["PHASES", "AutoFiles", "deconvolve_auto"]

#: What the bars call the phases of a run.
PHASES = {
    "drift": "looking for drift",
    "kernel": "finding the kernel",
    "sampling": "averaging over explanations",
    "amplitudes": "amplitudes",
    "spikes": "placing spikes",
}


class AutoFiles(NamedTuple):
    """What is read and written.

    Attributes
    ----------
    source : Path
        The recording.
    stem : Path
        Beginning of the names of the outputs; a suffix `.npy` or `.npz` is taken off.
    report : Path or None
        The page with figures.
    """

    source: Path
    stem: Path
    report: Path | None

    def outputs(self) -> list[Path]:
        """Return the outputs in the order in which they are written."""
        stem = self.stem.with_suffix("") if self.stem.suffix in {".npy", ".npz"} else self.stem
        outputs = [stem.with_name(f"{stem.name}_{name}") for name in RESULT_FILES]
        return outputs if self.report is None else [*outputs, self.report]


def deconvolve_auto(
    files: AutoFiles,
    options: Mapping[str, Any],
    *,
    reading: Reading,
    dff: bool,
    force: bool,
    json: bool,
) -> None:
    """Run the automated deconvolution on a file, write what it finds, and print a summary.

    Parameters
    ----------
    files : AutoFiles
        Input and outputs.
    options : mapping
        Arguments of `run_cadecon` that were given.
    reading : Reading
        How the recording is read.
    dff : bool
        The recording is dF/F as a fraction.
    force, json
        As the command takes them.

    Raises
    ------
    BadInput
        If the recording or an option cannot be used, or an output cannot be written.
    """
    _claim(files, force=force)
    recording = read_recording(files.source, reading)
    from calab._scratch import scratch_beside

    with writing(files.outputs()), scratch_beside(files.stem) as scratch:
        result, seconds = _run(recording, {**options, "out": scratch.make}, quiet=json)
        from calab_core import quality

        judged = quality(result, recording.traces, units="dff" if dff else None)
        summary = summarize(result, judged)
        summary |= {"seconds": seconds, "output": list(map(str, files.outputs()))}
        with user_input():
            _write(files, recording, result, judged, scratch)
        if json:
            print_json(summary)
        else:
            print_pairs({**shown(summary), "written to": "\n".join(summary["output"])})
        warn(summary)


def _claim(files: AutoFiles, *, force: bool) -> None:
    if not files.stem.name:
        raise BadInput(f"{files.stem}: -o needs the beginning of a file's name")
    outputs = files.outputs()
    if len({output.absolute() for output in outputs}) < len(outputs):
        raise BadInput(f"{files.report}: the report needs a name of its own")
    if files.report is not None and find_spec("matplotlib") is None:
        raise BadInput("--report needs matplotlib: install calab with its extra 'plot'")
    claim_outputs(outputs, force=force, source=files.source)


def _run(
    recording: Input, options: Mapping[str, Any], *, quiet: bool
) -> tuple[CaDeconResult, float]:
    fs, ids = recording.rate(), recording.cell_ids
    with user_input(FLAGS), phase_bars(PHASES, quiet=quiet) as progress:
        from calab_core import run_cadecon

        start = time.perf_counter()
        result = run_cadecon(recording.traces, fs, cell_ids=ids, progress=progress, **options)
        return result, time.perf_counter() - start


def _write(
    files: AutoFiles, recording: Input, result: CaDeconResult, judged: Quality, scratch: Scratch
) -> None:
    from calab_io.atomic import atomic_paths

    with atomic_paths(files.outputs()) as drafts:
        save_results(result, judged, files.source.name, drafts[:4], recording.clock())
        for draft in drafts[4:]:
            from calab import write_report

            title = f"CaLab: {files.source.name}"
            write_report(result, recording.traces, draft, quality=judged, title=title)
        # Last, for the report still reads them.
        for name, draft in zip(ARRAYS, drafts, strict=False):
            scratch.keep(name, draft)
