"""Many sessions: what is done, skipped, failed, resumed."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calab import BatchSettings, load, read, run_batch, run_cadecon, simulate
from calab.batch import ledger
from calab.batch.session import Outcome, Task, run_session
from calab.batch.sessions import Session, find_sessions
from calab.batch.settings import ReadSettings, load_settings
from calab.batch.workers import DIED, local
from layouts.deadly import Deadly

FS = 30.0
CALAB = [sys.executable, "-m", "calab"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Three sessions as CaTune opens them, each in a folder of its own."""
    from calab import save_for_tuning

    folder = tmp_path_factory.mktemp("recordings")
    for seed in range(3):
        made = simulate(num_cells=3, num_timepoints=1200, seed=seed, fs_hz=FS)
        (folder / f"mouse{seed}").mkdir()
        save_for_tuning(made.traces, FS, folder / f"mouse{seed}" / "traces")
    return folder


@pytest.fixture
def sessions(recordings, tmp_path):
    """A copy that may be changed."""
    return Path(shutil.copytree(recordings, tmp_path / "in"))


@pytest.fixture(scope="module")
def finished(recordings, tmp_path_factory):
    """The sessions, done once, and a fourth that cannot be."""
    out = tmp_path_factory.mktemp("batch") / "out"
    broken = recordings / "broken"
    broken.mkdir()
    (broken / "traces.npy").write_bytes(b"nothing")
    calls = []
    outcomes = run_batch(
        recordings / "*" / "traces.npy", out, progress=lambda *call: calls.append(call)
    )
    shutil.rmtree(broken)
    return out, outcomes, calls


def table(out, name):
    with (out / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def copied(finished, tmp_path):
    return Path(shutil.copytree(finished[0], tmp_path / "out"))


def test_each_session_gets_what_it_would_get_alone(finished, recordings):
    out, outcomes, _ = finished
    assert [(one.name, one.status) for one in outcomes] == [
        ("broken", "failed"),
        ("mouse0", "done"),
        ("mouse1", "done"),
        ("mouse2", "done"),
    ]
    recording = read(recordings / "mouse1" / "traces.npy")
    with warnings.catch_warnings():
        # That so few spikes say little is not what is asked here.
        warnings.simplefilter("ignore", UserWarning)
        alone = run_cadecon(recording.traces, recording.fs, cell_ids=recording.cell_ids)
    np.testing.assert_array_equal(np.load(out / "mouse1" / "activity.npy"), alone.activity)
    record = json.loads((out / "mouse1" / "session.json").read_text())
    assert record["settings"] == BatchSettings().model_dump(mode="json")
    assert record["cells"] == 3
    assert record["trace"] == "raw"
    assert record["versions"]["calab"]
    assert {entry.name for entry in (out / "mouse1").iterdir()} == {
        "activity.npy",
        "rate.npy",
        "spikes.npz",
        "results.json",
        "session.json",
    }


def test_progress_and_tables(finished):
    out, outcomes, calls = finished
    assert [(done, total) for _, done, total in calls] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {one.name for one, _, _ in calls} == {one.name for one in outcomes}
    rows = table(out, "sessions.csv")
    assert [row["name"] for row in rows] == ["broken", "mouse0", "mouse1", "mouse2"]
    assert rows[1]["cells"] == "3"
    (failure,) = table(out, "failures.csv")
    assert failure["name"] == "broken"
    assert "expected a .npy file" in failure["reason"]
    page = (out / "summary.html").read_text("utf-8")
    for text in ("mouse0", "expected a .npy file", "Decay time", "4</dd><dt>sessions"):
        assert text in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_nothing_is_computed_twice(finished, recordings, tmp_path):
    out = copied(finished, tmp_path)
    before = (out / "mouse0" / "activity.npy").stat().st_mtime_ns
    outcomes = run_batch(recordings / "*" / "traces.npy", out, jobs=2)
    assert [one.status for one in outcomes] == ["skipped"] * 3
    assert (out / "mouse0" / "activity.npy").stat().st_mtime_ns == before
    # What is known of them is shown again.
    assert table(out, "sessions.csv")[0]["cells"] == "3"


@pytest.mark.parametrize("what", ["settings", "input"])
def test_other_settings_or_input_do_not_replace_results_unasked(sessions, tmp_path, what):
    out, source = tmp_path / "out", sessions / "mouse0" / "traces.npy"
    run_batch(source, out)
    before = (out / "mouse0-traces" / "session.json").read_bytes()
    settings = {"deconvolve": {"seed": 7}} if what == "settings" else None
    if what == "input":
        np.save(source, np.load(source) + 1)
    (failed,) = run_batch(source, out, settings=settings)
    assert failed.status == "failed"
    assert f"holds results of other {what}; --force replaces them" in failed.reason
    assert (out / "mouse0-traces" / "session.json").read_bytes() == before
    (done,) = run_batch(source, out, settings=settings, force=True)
    assert done.status == "done"
    assert (out / "mouse0-traces" / "session.json").read_bytes() != before
    assert nothing_half_done(out)


def nothing_half_done(out):
    return {entry.name for entry in out.iterdir() if entry.name.startswith(".")} <= {ledger.LOCK}


def test_another_session_of_the_same_name_is_not_replaced(finished, sessions, tmp_path):
    out = copied(finished, tmp_path)
    before = (out / "mouse0" / "session.json").read_bytes()
    np.save(sessions / "mouse0" / "traces.npy", np.load(sessions / "mouse1" / "traces.npy"))
    (sessions / "one.json").write_text('[{"path": "mouse0/traces.npy", "name": "mouse0"}]')
    (failed,) = run_batch(sessions / "one.json", out, force=True)
    assert failed.status == "failed"
    assert "holds results of" in failed.reason
    assert failed.reason.endswith("name both in a manifest")
    assert (out / "mouse0" / "session.json").read_bytes() == before


@pytest.mark.parametrize("force", [False, True])
def test_what_is_not_a_result_is_never_replaced(sessions, force):
    before = {path: path.read_bytes() for path in sessions.rglob("*") if path.is_file()}
    outcomes = run_batch(sessions / "*" / "traces.npy", sessions, force=force)
    assert [one.status for one in outcomes] == ["failed"] * 3
    assert "mouse0: is no result of a batch; choose another --out" in outcomes[0].reason
    assert {path: path.read_bytes() for path in before} == before


def test_results_are_no_sessions(sessions, tmp_path):
    out = sessions / "results"
    first = run_batch(sessions / "**" / "*.npy", out)
    again = run_batch(sessions / "**" / "*.npy", out)
    assert [one.name for one in again] == [one.name for one in first]
    assert {one.status for one in again} == {"skipped"}
    with pytest.raises(FileNotFoundError, match="no session is there"):
        run_batch(out / "*" / "*.npy", tmp_path / "elsewhere")


def test_what_was_finished_before_stays_in_the_tables(finished, recordings, tmp_path):
    out = copied(finished, tmp_path)
    run_batch(recordings / "mouse[01]" / "traces.npy", out)
    rows = {row["name"]: row["status"] for row in table(out, "sessions.csv")}
    assert rows == {"mouse0": "skipped", "mouse1": "skipped", "mouse2": "earlier"}
    assert "3</dd><dt>sessions" in (out / "summary.html").read_text("utf-8")


def test_what_finished_results_lack_is_noted(finished, recordings, tmp_path):
    out = copied(finished, tmp_path)
    record = json.loads((out / "mouse0" / "session.json").read_text())
    record["versions"]["calab-solver"] = "0.0.1"
    (out / "mouse0" / "session.json").write_text(json.dumps(record))
    settings = {"output": {"report": True}}
    (outcome,) = run_batch(recordings / "mouse[0]" / "traces.npy", out, settings=settings)
    assert outcome.status == "skipped"
    assert outcome.notes[0].startswith("was made by calab-solver 0.0.1, here is ")
    assert "without a report" in outcome.notes[1]


def test_tables_that_cannot_be_written_do_not_end_the_night(recordings, tmp_path, monkeypatch):
    from calab.batch import run

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "write_tables", full)
    with pytest.warns(UserWarning, match=r"out are not up to date: .*No space left"):
        outcomes = run_batch(recordings / "mouse[01]" / "traces.npy", tmp_path / "out")
    assert [one.status for one in outcomes] == ["done", "done"]


def test_a_script_needs_no_guard(recordings, tmp_path):
    script = tmp_path / "night.py"
    source, out = recordings / "mouse0" / "traces.npy", tmp_path / "out"
    script.write_text(
        f"import calab\nprint([o.status for o in calab.run_batch({str(source)!r}, {str(out)!r})])\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['done']"


def test_results_do_not_depend_on_jobs(finished, recordings, tmp_path):
    run_batch(recordings / "*" / "traces.npy", tmp_path / "out", jobs=3)
    for seed in range(3):
        for name in ("activity.npy", "rate.npy"):
            one, other = (
                folder / f"mouse{seed}" / name for folder in (finished[0], tmp_path / "out")
            )
            assert one.read_bytes() == other.read_bytes()


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def begin(recordings, out, **options):
    command = [*CALAB, "batch", str(recordings / "*" / "traces.npy"), "-o", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_killed_and_resumed(finished, recordings, tmp_path):
    out = tmp_path / "out"
    process = begin(recordings, out)
    wait_for(lambda: (out / "mouse0" / "session.json").exists())
    process.kill()
    process.communicate()
    stamp = (out / "mouse0" / "activity.npy").stat().st_mtime_ns
    # What a run leaves that was killed between two renames of a replacement.
    os.replace(out / "mouse0", out / ".calab-aside-12345678-mouse0")
    (out / ".calab-draft-12345678-mouse1").mkdir()
    outcomes = run_batch(recordings / "*" / "traces.npy", out)
    assert outcomes[0].status == "skipped"
    assert {one.status for one in outcomes} <= {"skipped", "done"}
    assert (out / "mouse0" / "activity.npy").stat().st_mtime_ns == stamp
    assert nothing_half_done(out)
    for seed in range(3):
        one, other = (folder / f"mouse{seed}" / "activity.npy" for folder in (finished[0], out))
        assert one.read_bytes() == other.read_bytes()


def test_interrupted(recordings, tmp_path):
    out = tmp_path / "out"
    process = begin(recordings, out, start_new_session=True)
    wait_for(lambda: (out / "mouse0" / "session.json").exists())
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"the same command goes on there" in said
    assert b"Traceback" not in said
    assert "mouse0" in (out / "summary.html").read_text("utf-8")
    assert nothing_half_done(out)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_session_that_kills_its_process_fails_alone(recordings, tmp_path, jobs):
    tasks = [
        kind(
            Session(name, recordings / f"mouse{seed}" / "traces.npy", ReadSettings()),
            BatchSettings(),
            tmp_path / name,
            1,
        )
        for kind, name, seed in ((Task, "a", 0), (Deadly, "b", 1), (Task, "c", 2))
    ]
    outcomes = {one.name: one for one in local(tasks, jobs)}
    assert {name: one.status for name, one in outcomes.items()} == {
        "a": "done",
        "b": "failed",
        "c": "done",
    }
    assert outcomes["b"].reason == DIED


def test_two_runs_do_not_share_a_folder(tmp_path, recordings):
    out = tmp_path / "out"
    out.mkdir()
    with (
        ledger.exclusive(out),
        pytest.raises(RuntimeError, match="out: another run works on it; wait for it"),
    ):
        run_batch(recordings / "*" / "traces.npy", out)
    # Let go of, and not by what a killed run leaves.
    with ledger.exclusive(out):
        assert (out / ledger.LOCK).exists()


def find(sources, **read):
    return find_sessions([str(source) for source in sources], ReadSettings(**read))


def names(sources):
    return [session.name for session in find(sources)]


def test_sessions_of_patterns(recordings, tmp_path):
    assert names([recordings / "*" / "traces.npy"]) == ["mouse0", "mouse1", "mouse2"]
    # The same session has the same name beside others and alone.
    assert names([recordings / "*[1]" / "traces.npy"]) == ["mouse1"]
    assert names([recordings / "mouse1" / "*.npy"]) == ["traces"]
    assert names([recordings / "**" / "tr*.npy"])[0] == "mouse0-traces"
    direct = find([recordings / "mouse1", recordings / "mouse0" / "traces.npy"])
    assert [one.name for one in direct] == ["mouse0-traces", f"{recordings.name}-mouse1"]
    assert direct[1].path == recordings / "mouse1"
    with pytest.raises(FileNotFoundError, match="no file or folder is there, or matches"):
        find([tmp_path / "*.h5"])
    with pytest.raises(FileNotFoundError, match="no source: no session is there"):
        find([])


@pytest.mark.parametrize("files", [("a-b/c.npy", "a/b-c.npy"), ("x/C.npy", "X/c.npy")])
def test_names_that_cannot_be_told_apart_are_refused(tmp_path, files):
    for file in files:
        (tmp_path / "in" / file).parent.mkdir(parents=True)
        (tmp_path / "in" / file).touch()
    with pytest.raises(
        ValueError, match=r"a name of its own per session, got .* name them in a man"
    ):
        find([tmp_path / "in" / "*" / "*.npy"])


def test_sessions_of_a_manifest(tmp_path):
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,name,fs,transpose,cells\na/x.npy,one,15,,\n../b/x.npy,,,True,all\n")
    first, second = find([manifest], fs=30.0)
    assert first == Session("one", tmp_path / "a" / "x.npy", ReadSettings(fs=15.0))
    assert second.path == tmp_path.parent / "b" / "x.npy"
    assert second.name == "b-x"
    assert second.read == ReadSettings(fs=30.0, transpose=True, cells="all")
    for mark in ";\t":
        manifest.write_text(f"path{mark}name{mark}fs\na/x.npy{mark}one{mark}15\n")
        assert [(one.name, one.read.fs) for one in find([manifest])] == [("one", 15.0)]
    # A table of traces is no manifest.
    (tmp_path / "traces.csv").write_text("1,2,3\n")
    assert names([tmp_path / "traces.csv"]) == [f"{tmp_path.name}-traces"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "expected a manifest"),
        ("a.json", "{}", "expected a list of sessions"),
        ("a.json", "[]", "expected a session per row, got none"),
        ("a.json", '[{"name": "x"}]', "session 1: expected a path, got None"),
        ("a.json", '[{"path": "x", "frames": 3}]', "session 1: frames: is no setting"),
        ("a.json", '[{"path": "x", "name": "a/b"}]', "name that a folder can have, got 'a/b'"),
        ("a.json", '[{"path": "x", "name": "a."}]', "name that a folder can have, got 'a.'"),
        (
            "a.json",
            '[{"path": "x", "name": "a"}, {"path": "y", "name": "a"}]',
            "for .* and .*y; name them",
        ),
        ("a.csv", "path,fs\nx,fast\n", "session 1: fs: expected a valid number, got 'fast'"),
        ("a.csv", "path,fs\nx,3,4\n", "more fields than columns"),
    ],
)
def test_what_is_wrong_with_a_manifest(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        find([tmp_path / name])


def test_a_manifest_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"list\.csv: no such file"):
        find([tmp_path / "list.csv"])


def test_settings(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text('[read]\nfs = 20\n[deconvolve]\nkernel = "per_cell"\n[output]\ndff = true\n')
    settings = load_settings(path)
    assert settings.read.fs == 20.0
    assert settings.deconvolve.kernel == "per_cell"
    assert settings.output.dff
    (tmp_path / "s.json").write_text(json.dumps(settings.model_dump(mode="json")))
    assert load_settings(tmp_path / "s.json") == settings


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.toml", "[read", r"s\.toml: expected TOML: "),
        ("s.json", "[read", r"s\.json: expected JSON: "),
        ("s.yaml", "", r"expected settings in \.toml or \.json, got \.yaml"),
        ("s.toml", "[deconvolve]\nseed = -1\n", r"deconvolve\.seed: expected at least 0, got -1"),
        ("s.toml", "[deconvolve]\ntau = 1\n", r"deconvolve\.tau: is no setting"),
        ("s.toml", "[read]\nfs = 'a'\n", r"read\.fs: expected a valid number, got 'a'"),
        ("s.toml", "[write]\n", r"s\.toml: write: is no setting"),
    ],
)
def test_what_is_wrong_with_settings(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_settings(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        run_batch(tmp_path, tmp_path / "out", settings=tmp_path / name)


def test_settings_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"s\.toml: no such file"):
        load_settings(tmp_path / "s.toml")


def test_reports_and_units_are_settings(recordings, tmp_path):
    settings = {"output": {"report": True, "dff": True}}
    source = recordings / "mouse0" / "traces.npy"
    (outcome,) = run_batch(source, tmp_path / "out", settings=settings)
    assert outcome.status == "done"
    assert (
        (tmp_path / "out" / "mouse0-traces" / "report.html")
        .read_text("utf-8")
        .startswith("<!DOCTYPE")
    )
    assert outcome.summary["noise_dff_median"] > 0
    assert 'href="mouse0-traces/report.html"' in (tmp_path / "out" / "summary.html").read_text(
        "utf-8"
    )


@pytest.mark.parametrize("kind", ["h5", "zarr"])
def test_everything_in_one_file(recordings, tmp_path, kind):
    source, settings = recordings / "mouse0" / "traces.npy", {"output": {"save": kind}}
    (outcome,) = run_batch(source, tmp_path / "out", settings=settings)
    assert outcome.status == "done", outcome.reason
    folder = tmp_path / "out" / "mouse0-traces"
    saved = load(folder / f"result.{kind}")
    np.testing.assert_array_equal(saved.activity, np.load(folder / "activity.npy"))
    np.testing.assert_array_equal(saved.details.rate, np.load(folder / "rate.npy"))
    settings = {"output": {"save": {"h5": "zarr", "zarr": "h5"}[kind]}}
    (again,) = run_batch(source, tmp_path / "out", settings=settings)
    assert again.status == "skipped"
    assert "without a saved result" in again.notes[0]


def test_spikes_are_on_the_clock_of_the_recording(tmp_path):
    made = simulate(num_cells=3, num_timepoints=1200, seed=1, fs_hz=FS)
    times = 100 + np.arange(1200) / FS
    times[600:] += 40
    np.savez(tmp_path / "a.npz", traces=made.traces, timestamps=times)
    (outcome,) = run_batch(tmp_path / "a.npz", tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    assert any("gaps in the time stamps" in note for note in outcome.notes)
    folder = tmp_path / "out" / outcome.name
    counts, spikes = np.load(folder / "activity.npy"), np.load(folder / "spikes.npz")
    np.testing.assert_array_equal(spikes["timestamps"], times)
    for cell in range(3):
        inside = np.histogram(spikes[f"cell_{cell}"], [times[0], times[599] + 0.1, times[-1] + 1])
        halves = counts[cell, :600].sum(), counts[cell, 600:].sum()
        np.testing.assert_allclose(inside[0], halves, atol=1)
    # Another clock is another input.
    np.savez(tmp_path / "a.npz", traces=made.traces, timestamps=times + 1)
    (again,) = run_batch(tmp_path / "a.npz", tmp_path / "out")
    assert "holds results of other input" in again.reason


@pytest.mark.parametrize("force", [False, True])
def test_a_session_that_is_asked_for_again_in_a_run_is_done_once(recordings, tmp_path, force):
    one = Session("a", recordings / "mouse0" / "traces.npy", ReadSettings())
    task = Task(one, BatchSettings(), tmp_path / "a", force=force, run="r1")
    first = run_session(task)
    before = (tmp_path / "a" / "session.json").stat()
    again = run_session(task)
    assert (first.status, again.status) == ("done", "done")
    assert again.summary == first.summary
    assert (tmp_path / "a" / "session.json").stat().st_ino == before.st_ino
    later = run_session(replace(task, run="r2"))
    assert later.status == ("done" if force else "skipped")


def test_an_outcome_tells_a_mistake_of_ours_from_bad_input(recordings, tmp_path, monkeypatch):
    from calab.batch import session

    def broken(recording):
        raise KeyError("nothing")

    monkeypatch.setattr(session, "input_hash", broken)
    one = Session("a", recordings / "mouse0" / "traces.npy", ReadSettings())
    outcome = session.run_session(Task(one, BatchSettings(), tmp_path / "a"))
    assert isinstance(outcome, Outcome)
    assert outcome.reason.startswith("KeyError: 'nothing' (")
    assert "test_batch.py" in outcome.reason
