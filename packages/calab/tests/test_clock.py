"""Spike times in files are on the clock of the recording, also where it only says its start."""

from datetime import UTC, datetime

import h5py
import numpy as np
import pytest
from calab import read, run_batch, run_cadecon, simulate, to_nwb

FS, START = 30.0, 5.0


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """An NWB file whose traces have a rate and a start but no time stamps."""
    path = tmp_path_factory.mktemp("nwb") / "session.nwb"
    made = simulate(num_cells=3, num_timepoints=1200, seed=1, fs_hz=FS)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    to_nwb(made.traces, path, fs=FS, append=False, session_start_time=begin)
    with h5py.File(path, "r+") as file:
        group = file["processing/ophys/CaLab"]
        group.move("Deconvolved", "Fluorescence")
        group["Fluorescence/starting_time"][...] = START
    return path


def spikes_in(path):
    with np.load(path) as spikes:
        return {name: spikes[name] for name in spikes}


def test_start_of_the_recording(calab_command, session, tmp_path):
    result = calab_command("deconvolve", session, "--auto", "-o", tmp_path / "a")
    assert result.exit_code == 0, result.output
    spikes = spikes_in(tmp_path / "a_spikes.npz")
    assert set(spikes) == {"cell_0", "cell_1", "cell_2"}
    recording = read(session)
    result = run_cadecon(recording.traces, recording.fs)
    for cell, seconds in enumerate(result.details.spike_times):
        np.testing.assert_array_equal(spikes[f"cell_{cell}"], START + seconds)
    assert sum(map(len, spikes.values())) > 3
    (outcome,) = run_batch(session, tmp_path / "out")
    assert outcome.status == "done", outcome.reason
    batch = spikes_in(tmp_path / "out" / outcome.name / "spikes.npz")
    for name, found in spikes.items():
        np.testing.assert_array_equal(batch[name], found)
