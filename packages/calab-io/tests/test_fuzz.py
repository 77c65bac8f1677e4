"""Damaged files give a recording or one clear sentence; ``nox -s soak`` does ten thousand."""

import warnings

import numpy as np
import pytest
from calab_io import FORMATS, read
from layouts.fuzz import SAMPLES, run


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_valid(tmp_path, name):
    file, write = SAMPLES[name]
    path = write(tmp_path / file)
    with warnings.catch_warnings():
        # What a source says of its own rate is not what is asked here.
        warnings.simplefilter("ignore", UserWarning)
        recording = read(path, fs=20.0)
    assert recording.format == name.split()[0]
    assert np.isfinite(np.asarray(recording.traces)).all()


def test_every_format_has_a_sample():
    assert {name.split()[0] for name in SAMPLES} == set(FORMATS)


def test_damaged_files(tmp_path):
    wrong = run(range(200), tmp_path)
    assert not wrong, "\n".join(wrong.values())
