"""Rectangles of cells x frames: formulas, places, seeds."""

import math

import numpy as np
import pytest
from calab_core import CadeconSettings
from calab_core.cadecon.subsets import Subset, place_subsets

CASES = [
    (n_cells, n_frames, CadeconSettings(num_subsets=k, target_coverage=c, aspect_ratio=a))
    for n_cells, n_frames in [(100, 27_000), (7, 500), (1, 1), (1, 9000), (300, 2)]
    for k, c, a in [(4, 0.25, 1.0), (1, 1.0, 1.0), (9, 1.0, 8.0), (20, 0.1, 0.125), (3, 0.9, 2.0)]
]


def sides(n_cells, n_frames, settings):
    """The documented formulas."""
    scale = math.sqrt(settings.target_coverage / settings.num_subsets)
    root = math.sqrt(settings.aspect_ratio)
    height = min(max(math.floor(n_cells * scale / root), 1), n_cells)
    width = min(max(math.floor(n_frames * scale * root), 1), n_frames)
    return height, width


def overlap(one, other):
    cells = min(one.end_cell, other.end_cell) - max(one.first_cell, other.first_cell)
    frames = min(one.end_frame, other.end_frame) - max(one.first_frame, other.first_frame)
    return cells > 0 and frames > 0


@pytest.mark.parametrize(("n_cells", "n_frames", "settings"), CASES)
def test_sides_number_and_places(n_cells, n_frames, settings):
    subsets = place_subsets(n_cells, n_frames, settings)
    height, width = sides(n_cells, n_frames, settings)
    assert len(subsets) == settings.num_subsets
    for subset in subsets:
        assert subset.end_cell - subset.first_cell == height
        assert subset.end_frame - subset.first_frame == width
        assert 0 <= subset.first_cell < subset.end_cell <= n_cells
        assert 0 <= subset.first_frame < subset.end_frame <= n_frames
    # What fits into slots does not overlap.
    slots = max(1, n_cells // height) * max(1, n_frames // width)
    fitting = subsets[:slots]
    assert not any(overlap(a, b) for i, a in enumerate(fitting) for b in fitting[:i])


@pytest.mark.parametrize("coverage", [0.1, 0.25, 0.6])
def test_coverage_is_met(coverage):
    settings = CadeconSettings(target_coverage=coverage)
    seen = np.zeros((200, 5000), bool)
    for subset in place_subsets(200, 5000, settings):
        seen[subset.first_cell : subset.end_cell, subset.first_frame : subset.end_frame] = True
    # Sides are rounded down.
    assert seen.mean() == pytest.approx(coverage, rel=0.06)


def test_the_whole_recording_is_one_subset():
    settings = CadeconSettings(num_subsets=1, target_coverage=1.0)
    assert place_subsets(30, 400, settings) == [Subset(0, 30, 0, 400)]


def test_places_depend_on_the_seed_alone():
    places = [place_subsets(100, 27_000, CadeconSettings(seed=seed)) for seed in (0, 1, 42, 42)]
    assert places[2] == places[3]
    assert len({tuple(place) for place in places}) == 3
    # Written down, so that no machine and no version gives others.
    assert places[2] == [
        Subset(50, 75, 13_500, 20_250),
        Subset(75, 100, 6_750, 13_500),
        Subset(0, 25, 20_250, 27_000),
        Subset(50, 75, 6_750, 13_500),
    ]


def test_more_subsets_than_slots_lie_anywhere_inside():
    settings = CadeconSettings(num_subsets=20, target_coverage=1.0)
    subsets = place_subsets(3, 90, settings)
    # One cell and 20 frames each: 3 x 4 slots, each taken by one of the first twelve.
    assert {(s.first_cell, min(s.first_frame // 22, 3)) for s in subsets[:12]} == {
        (cell, column) for cell in range(3) for column in range(4)
    }
    assert len({s.first_frame for s in subsets[12:]}) > 1
    assert all(s.end_frame <= 90 for s in subsets)


def test_windows_are_one_row_per_cell():
    np.testing.assert_array_equal(Subset(2, 4, 10, 30).windows(), [[2, 10, 30], [3, 10, 30]])
