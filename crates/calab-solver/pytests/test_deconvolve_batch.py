"""Batches: the same bits however the work is cut, and a caller that stays in charge."""

import _thread
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from calab_solver import deconvolve, instruction_sets

FS, RISE, DECAY = 30.0, 0.1, 0.6
KINDS = {
    "exact": {"lam": 0.1},
    "without sparsity": {"lam": 0.0},
    "automatic": {"lam": "auto", "baseline_mode": "centered"},
    "constant": {"lam": 0.05, "baseline_mode": "constant"},
    "box": {"lam": 0.0, "constraint": "box01"},
    "fista": {"lam": 0.1, "method": "fista", "max_iters": 50},
}
ARRAYS = (
    "activity", "reconvolution", "removed_baseline", "baseline", "offset", "iterations",
    "converged", "gap", "objective", "lam", "lam_rule", "noise", "masked_fraction",
)  # fmt: skip

per_kind = pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)


def solve(traces, options, **more):
    return deconvolve(traces, FS, RISE, DECAY, **options, **more)


def everything(found, rows=slice(None)):
    return {name: getattr(found, name)[rows].tobytes() for name in ARRAYS}


@pytest.fixture
def cells(recording):
    """Cells that differ in all that may end an iteration: noise, silence, gaps, none recorded."""
    traces = recording(21, 700, seed=11)
    traces[2] = recording(1, 700, seed=12, rate=0.0)[0]
    traces[5] *= 100.0
    traces[7, 100:200] = traces[8, ::7] = traces[9, -50:] = np.nan
    traces[10] = np.nan
    traces[11] = 0.0
    return traces


@pytest.mark.installed
@per_kind
def test_the_number_of_threads_changes_nothing(cells, options):
    alone = everything(solve(cells, options, full=True, n_threads=1))
    for n_threads in (2, 3, 7):
        assert everything(solve(cells, options, full=True, n_threads=n_threads)) == alone


@per_kind
def test_neighbours_change_nothing(cells, options):
    found = solve(cells, options, full=True)
    for cell in range(len(cells)):
        alone = everything(solve(cells[cell : cell + 1], options, full=True))
        assert everything(found, slice(cell, cell + 1)) == alone
    order = np.random.default_rng(0).permutation(len(cells))
    assert everything(solve(cells[order], options, full=True)) == everything(found, order)


@pytest.mark.installed
@per_kind
def test_every_instruction_set_gives_the_same_bits(cells, options):
    names = instruction_sets()
    assert names
    found = [everything(solve(cells, options, full=True, instruction_set=name)) for name in names]
    assert all(each == found[0] for each in found)


def test_refuses_an_instruction_set_that_is_not_there(cells):
    with pytest.raises(ValueError, match=r"instruction_set: expected .*, got 'x'"):
        solve(cells, KINDS["exact"], instruction_set="x")


def test_asking_for_the_fit_changes_nothing(cells):
    short, full = (solve(cells, KINDS["exact"], full=full) for full in (False, True))
    assert short.activity.tobytes() == full.activity.tobytes()
    assert short.reconvolution is None
    assert short.removed_baseline is None


@pytest.mark.parametrize("n_threads", [1, 2])
def test_progress_ascends_and_ends_at_the_total(recording, n_threads):
    traces, calls, callers = recording(60, 900), [], set()

    def progress(done, total):
        calls.append((done, total))
        callers.add(threading.get_ident())

    deconvolve(traces, FS, RISE, DECAY, "auto", n_threads=n_threads, progress=progress)
    done = [n for n, _ in calls]
    assert done == sorted(set(done))
    assert calls[-1] == (60, 60)
    assert {total for _, total in calls} == {60}
    assert callers == {threading.get_ident()}


class Enough(Exception):
    """What a progress bar's button might raise."""


def test_an_exception_in_the_progress_callback_ends_the_work(recording):
    def progress(done, total):
        raise Enough(done)

    with pytest.raises(Enough):
        deconvolve(recording(40, 2000), FS, RISE, DECAY, 0.1, n_threads=1, progress=progress)


# Tens of seconds of work in a single job.
LONG = {"method": "fista", "lam": 0.0, "max_iters": 10**9, "tol": 1e-300, "n_threads": 1}


@pytest.fixture(params=["exact", "fista"])
def long_work(request, recording):
    """Work of at least ten seconds, of many short jobs or of a single long one."""
    if request.param == "fista":
        traces = recording(1, 20_000)
        return lambda: deconvolve(traces, FS, RISE, DECAY, **LONG)
    traces = np.broadcast_to(recording(1, 20_000), (3000, 20_000))
    # The rows share their memory, and the activity takes its own only as it is written.
    return lambda: deconvolve(traces, FS, RISE, DECAY, 0.0, n_threads=1, dtype="float32")


def test_the_interpreter_stays_free_and_an_interrupt_is_answered(long_work):
    counted, sent = 0, 0.0
    stop = threading.Event()

    def count_and_interrupt():
        nonlocal counted, sent
        began = time.perf_counter()
        while not stop.is_set() and time.perf_counter() - began < 0.3:
            counted += 1
            time.sleep(0.001)
        sent = time.perf_counter()
        if not stop.is_set():
            _thread.interrupt_main()

    other = threading.Thread(target=count_and_interrupt)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            long_work()
        answered = time.perf_counter() - sent
    finally:
        stop.set()
        other.join()
    # A thread that had to wait for the interpreter's lock would not get beyond a handful.
    assert counted > 20
    # Promised: a twentieth of a second plus an iteration; the rest is for a busy machine.
    assert answered < 0.5


def test_two_threads_may_solve_the_same_traces(cells):
    expected = solve(cells, KINDS["automatic"]).activity.tobytes()
    found = [b""] * 4

    def work(i):
        found[i] = solve(cells, KINDS["automatic"]).activity.tobytes()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


MEASURE = """
import resource, sys
import numpy as np
from calab_solver import deconvolve

n_cells, n_frames = 9, 100_000
lam = 0.1 if sys.argv[1] == "given" else "auto"
rng = np.random.default_rng(0)
traces = rng.standard_normal((n_cells, n_frames))
traces[:, ::50] += 3.0
# Once with little, so that code and thread stacks are there already.
deconvolve(traces[:, :100], 30.0, 0.1, 0.6, lam, n_threads=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = deconvolve(traces, 30.0, 0.1, 0.6, lam, n_threads=1)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
unit = 1 if sys.platform == "darwin" else 1024
print(unit * (after - before) - found.activity.nbytes)
"""
# A process begins with its parent's peak on its account, so the parent has to be a small one.
SMALL = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


@pytest.mark.parametrize("lam", ["given", "auto"])
def test_memory_beyond_input_and_output_is_bounded(lam):
    command = [sys.executable, "-c", SMALL, sys.executable, "-c", MEASURE, lam]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert 0 < int(done.stdout) < 110e6
