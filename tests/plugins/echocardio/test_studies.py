"""Annotators beside each other, events beside a reference's, and limits of agreement: hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
from kdkit_echocardio.annotations import shared_frames
from kdkit_echocardio.beats import Beats, find_beats
from kdkit_echocardio.bland_altman import limits_of_agreement
from kdkit_echocardio.events import true_mask
from kdkit_echocardio.geometry import staple
from kdkit_echocardio.metrics.timing import compare
from kdkit_echocardio.phase import marks, phase_caption, phase_figure

from kdkit import Sample

FPS = 25.0


def beating(frames: int = 76, beat: float = 25.0) -> np.ndarray:
    """Three beats of a second: ED at 0, 25, 50 and 75, ES at 12.5 and so on."""
    return 1000 + 300 * np.cos(2 * np.pi * np.arange(frames) / beat)


def frames(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_limits_of_agreement_by_hand() -> None:
    # Differences -2, 0, 2, 4: mean 1, sum of squares around it 20, so a variance of 20/3.
    found = limits_of_agreement(np.array([38.0, 50.0, 62.0, 44.0]), np.array([40.0, 50.0, 60.0, 40.0]))
    deviation = np.sqrt(20 / 3)
    assert found[:3] == pytest.approx((1, 1 - 1.96 * deviation, 1 + 1.96 * deviation))
    # Student's quantile for three degrees of freedom is 3.1824.
    assert found.bias_reach == pytest.approx(3.1824 * deviation / 2, rel=1e-4)
    assert found.limit_reach == pytest.approx(3.1824 * deviation * np.sqrt(1 / 4 + 1.96**2 / 6), rel=1e-4)


def test_most_differences_lie_within_the_limits() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(-3, 5, 20000)
    found = limits_of_agreement(differences + 50, np.full(20000, 50.0))
    assert found[:3] == pytest.approx((-3, -12.8, 6.8), abs=0.2)
    assert np.mean((differences > found.low) & (differences < found.high)) == pytest.approx(0.95, abs=0.01)


def test_events_are_matched_missed_and_extra() -> None:
    found = find_beats(beating(), FPS)
    reference = Beats(np.array([*(found.ed[1:3] + 1), 38]), frames(int(found.es[0]) - 2, int(found.es[2])))
    seen = marks(beating(), reference, FPS)
    assert sorted(seen.matched) == sorted([*found.ed[1:3], found.es[0], found.es[2]])
    assert sorted(seen.distances) == [0, 1, 1, 2]
    assert seen.missed.tolist() == [38]
    assert seen.extra.tolist() == [found.es[1]], "events before the first and after the last of the reference are not"
    assert seen.summary(FPS) == "4 of 5 events found, 1.0 frames (40 ms) off on average, 1 extra"


def test_a_constant_curve_misses_everything() -> None:
    reference = Beats(frames(25, 50), frames(12, 37))
    seen = marks(np.full(76, 500.0), reference, FPS)
    assert seen.summary(FPS) == "0 of 4 events found, 0 extra"
    assert b"<svg" in phase_figure({"teacher": np.full(76, 500.0), "student": beating()}, reference, FPS)
    assert "Teacher: 0 of 4" in phase_caption({"teacher": np.full(76, 500.0)}, reference, FPS)


def test_counts_are_those_of_the_timing_metrics() -> None:
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:64, :64]
    for _ in range(5):
        areas = np.roll(beating(), rng.integers(0, 25)) * (1 + 0.05 * rng.normal(size=76))
        radius = np.sqrt(areas / np.pi)[:, None, None]
        masks = (np.hypot(rows - 32, columns - 32) < radius).astype(np.float32)
        reference = Beats(frames(24, 51, 70), frames(11, 40, 44))
        wanted, seen = compare(masks, reference, FPS), marks(masks.sum((1, 2)), reference, FPS)
        assert len(seen.extra) == wanted.extra and len(seen.missed) == np.isnan(wanted.distances).sum()
        assert sorted(seen.distances) == sorted(wanted.distances[~np.isnan(wanted.distances)])


def test_the_frames_of_several_annotators() -> None:
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[0, 2:5, 2:5] = masks[1, 2:6, 2:5] = masks[2, 2:5, 2:6] = masks[3, 1:3] = 1
    truth = {"mask": masks, "mask_frames": frames(3, 3, 3, 5)}
    sample = Sample(np.zeros((8, 8, 8), np.uint8), truth)
    shared = shared_frames(sample)
    assert list(shared) == [3] and shared[3].tolist() == masks[:3].astype(bool).tolist()
    np.testing.assert_array_equal(true_mask(sample, 3), staple(masks[:3]).mask)
    np.testing.assert_array_equal(true_mask(sample, 5), masks[3])
    assert true_mask(sample, 4) is None and shared_frames(Sample(sample.inputs)) == {}
