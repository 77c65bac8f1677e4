"""Sessions on a dask cluster of separate processes, one of which is killed."""

import os
import signal

import distributed
import numpy as np
import pytest
from calab import run_batch, save_for_tuning, simulate

FS = 30.0


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for seed in range(4):
        made = simulate(num_cells=2, num_timepoints=1500, seed=seed, fs_hz=FS)
        save_for_tuning(made.traces, FS, folder / f"mouse{seed}")
    return folder


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as made:
        yield made


def test_a_lost_worker_changes_nothing(cluster, recordings, tmp_path):
    pids = []

    def kill_one(outcome, done, total):
        if done == 1:
            with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
                pids.extend(client.run(os.getpid).values())
            os.kill(pids[0], signal.SIGKILL)

    source = recordings / "*.npy"
    there = run_batch(
        source, tmp_path / "there", scheduler=cluster.scheduler_address, progress=kill_one
    )
    here = run_batch(source, tmp_path / "here")
    assert len(pids) == 2
    assert [one.status for one in there] == ["done"] * 4, [one.reason for one in there]
    assert [one.name for one in there] == [one.name for one in here]
    for one in here:
        for name in ("activity.npy", "rate.npy"):
            mine, theirs = (tmp_path / place / one.name / name for place in ("here", "there"))
            assert mine.read_bytes() == theirs.read_bytes()
        assert np.load(mine).shape == (2, 1500)
    again = run_batch(source, tmp_path / "here", scheduler=cluster.scheduler_address)
    assert [one.status for one in again] == ["skipped"] * 4


def test_no_scheduler(recordings, tmp_path):
    with pytest.raises(ConnectionError, match=r"^tcp://127\.0\.0\.1:9: expected a dask scheduler"):
        run_batch(recordings / "*.npy", tmp_path / "out", scheduler="tcp://127.0.0.1:9")
