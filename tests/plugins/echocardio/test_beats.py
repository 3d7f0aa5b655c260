"""Beats of synthetic area curves whose beats are known, over the whole range that is promised."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from kdkit_echocardio.beats import Beats, find_beats

# Systole's share of a beat.
SYSTOLE = 0.35
# The same examples each time: the promise is about nearly all curves, and a rare one may fail.
PROPERTY = settings(max_examples=200)


class Heart(NamedTuple):
    """An area curve float64 (T,), its true ED and ES times in frames (outside the clip as well), frames a beat."""

    curve: np.ndarray
    ed: np.ndarray
    es: np.ndarray
    beat: float
    fps: float


def heart(fps: float, rate: float, beats: float, phase: float, swing: float = 300.0) -> Heart:
    """``rate`` beats a minute, for so many ``beats``, beginning ``phase`` of a beat after an ED."""
    beat = 60 / rate * fps
    frames = round(beats * beat)
    within = (np.arange(frames) / beat + phase) % 1
    falling = 0.5 + 0.5 * np.cos(np.pi * within / SYSTOLE)
    rising = 0.5 - 0.5 * np.cos(np.pi * (within - SYSTOLE) / (1 - SYSTOLE))
    curve = 700 + swing * np.where(within < SYSTOLE, falling, rising)
    first = np.arange(-2, beats + 3)
    return Heart(curve, (first - phase) * beat, (first + SYSTOLE - phase) * beat, beat, fps)


def count_faults(found: Beats, true: Heart) -> tuple[int, int, int]:
    """Events well inside the clip, those of them that were missed, and those that were found where there is none."""
    tolerance, margin, last = max(1.5, 0.12 * true.beat), 0.2 * true.beat, len(true.curve) - 1
    faults = np.zeros(3, int)
    for frames, events in ((found.ed, true.ed), (found.es, true.es)):
        apart = np.abs(np.subtract.outer(events, frames))
        inside = (events >= margin) & (events <= last - margin)
        near = (events >= -margin) & (events <= last + margin)
        missed = apart[inside].min(1, initial=np.inf) > tolerance
        extra = apart[near].min(0, initial=np.inf) > max(tolerance, margin)
        faults += inside.sum(), missed.sum(), extra.sum()
    return tuple(faults.tolist())


def assert_found(found: Beats, true: Heart) -> None:
    """Each event well inside the clip is found in its place, and nothing is found elsewhere."""
    _, missed, extra = count_faults(found, true)
    assert not missed
    assert not extra


RATES, FRAME_RATES = st.floats(40, 180), st.floats(10, 140)
PHASES, SEEDS = st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1)


@PROPERTY
@given(FRAME_RATES, RATES, st.floats(1.5, 6), PHASES, st.floats(0, 0.02), SEEDS)
def test_all_beats_are_found(fps: float, rate: float, beats: float, phase: float, noise: float, seed: int) -> None:
    assume(60 / rate * fps >= 7)
    true = heart(fps, rate, beats, phase)
    trembling = np.random.default_rng(seed).normal(0, noise * 300, len(true.curve))
    assert_found(find_beats(true.curve + trembling, fps), true)


@PROPERTY
@given(FRAME_RATES, RATES, st.floats(2.5, 6), PHASES, st.floats(-0.2, 0.2))
def test_a_drift_does_not_matter(fps: float, rate: float, beats: float, phase: float, drift: float) -> None:
    assume(60 / rate * fps >= 7)
    true = heart(fps, rate, beats, phase)
    assert_found(find_beats(true.curve + drift * 300 * np.linspace(0, 1, len(true.curve)), fps), true)


@pytest.mark.parametrize("drift", [0.5, 0.8, 1.0])
def test_a_strong_drift_costs_no_beat_at_the_ends_of_a_clip(drift: float) -> None:
    true = heart(30, 60, 5.6, 0.2)
    assert_found(find_beats(true.curve + drift * 300 * np.linspace(0, 1, len(true.curve)), 30), true)


def test_a_notch_in_diastole_is_no_beat() -> None:
    true = heart(30, 60, 5, 0.3)
    within = (np.arange(len(true.curve)) / true.beat + 0.3) % 1
    notch = 0.4 * 300 * np.exp(-(((within - 0.72) / 0.06) ** 2))
    found = find_beats(true.curve - notch, 30)
    assert (len(found.ed), len(found.es)) == (5, 5)


@PROPERTY
@given(st.floats(18, 80), st.floats(50, 120), PHASES, SEEDS, st.sampled_from([0.0, 3000.0]))
def test_a_lost_or_leaking_frame_does_not_matter(
    fps: float, rate: float, phase: float, seed: int, area: float
) -> None:
    true = heart(fps, rate, 4, phase)
    # Not at the very ends: there it cannot be told from an event that the clip cut off.
    frame = np.random.default_rng(seed).integers(3, len(true.curve) - 3)
    areas = true.curve.copy()
    areas[frame] = area
    assert_found(find_beats(areas, fps), true)


@PROPERTY
@given(st.floats(30, 100), st.floats(60, 100), st.floats(0.5, 1.5), PHASES)
def test_an_assumed_frame_rate_may_be_wrong(fps: float, rate: float, factor: float, phase: float) -> None:
    true = heart(fps, rate, 3, phase)
    assert_found(find_beats(true.curve, factor * fps), true)


@PROPERTY
@given(FRAME_RATES, RATES, st.floats(0.1, 8), PHASES, SEEDS, st.floats(0.01, 100))
def test_events_take_turns_at_any_scale(
    fps: float, rate: float, beats: float, phase: float, seed: int, scale: float
) -> None:
    curve = heart(fps, rate, beats, phase).curve
    areas = curve + np.random.default_rng(seed).normal(0, 10, len(curve))
    found = find_beats(areas, fps)
    assert all(0 <= frame < len(areas) for frame in (*found.ed, *found.es))
    assert np.array_equal(found.ed, find_beats(scale * areas, fps).ed)
    events = sorted([(frame, "ed") for frame in found.ed] + [(frame, "es") for frame in found.es])
    assert all(one[1] != other[1] for one, other in pairwise(events))


@pytest.mark.parametrize("fps", [15, 30, 50, 100])
@pytest.mark.parametrize("rate", [45, 60, 75])
def test_half_a_cycle_has_one_event_at_either_end(fps: float, rate: float) -> None:
    curve, beat = heart(fps, rate, 1.2, 0).curve, 60 / rate * fps
    systole, end = round(SYSTOLE * beat), round(beat)
    for stretch, first in ((curve[: systole + 1], "ed"), (curve[systole : end + 1], "es")):
        found = find_beats(stretch, fps)
        begins, ends = (found.ed, found.es) if first == "ed" else (found.es, found.ed)
        assert begins == pytest.approx([0], abs=1) and ends == pytest.approx([len(stretch) - 1], abs=1)


@pytest.mark.parametrize("areas", [[], [700.0], [900.0, 700.0], [900.0, 700.0, 900.0]])
@pytest.mark.parametrize("fps", [1e-3, 0.5, 10, 140])
def test_clips_of_a_few_frames_are_no_fault(areas: list[float], fps: float) -> None:
    found = find_beats(np.array(areas), fps)
    assert all(0 <= frame < len(areas) for frame in (*found.ed, *found.es))


@pytest.mark.parametrize(("noise", "missed", "extra"), [(0.1, 0.01, 0.005), (0.2, 0.05, 0.01), (0.3, 0.13, 0.025)])
def test_most_beats_are_found_where_masks_tremble_strongly(noise: float, missed: float, extra: float) -> None:
    rng = np.random.default_rng(0)
    counts = np.zeros(3, int)
    for _ in range(400):
        fps = rng.uniform(20, 140)
        true = heart(fps, rng.uniform(40, min(180, 60 * fps / 7)), rng.uniform(1.5, 6), rng.uniform(0, 1))
        trembling = rng.normal(0, noise * 300, len(true.curve))
        counts += count_faults(find_beats(true.curve + trembling, fps), true)
    assert counts[1] <= missed * counts[0]
    assert counts[2] <= extra * counts[0]


@pytest.mark.parametrize(("frames", "most"), [(9, 0.07), (14, 0.07), (32, 0.1), (50, 0.07), (100, 0.01)])
def test_white_noise_hardly_ever_has_beats(frames: int, most: float) -> None:
    rng = np.random.default_rng(0)
    shown = [len(find_beats(1000 + rng.normal(0, 100, frames), 20).es) > 0 for _ in range(200)]
    assert np.mean(shown) <= most


@pytest.mark.parametrize("trembling", [1.0, 5.0])
def test_a_ventricle_that_only_trembles_has_no_beats(trembling: float) -> None:
    rng = np.random.default_rng(0)
    for fps in (18, 50, 140):
        for _ in range(50):
            found = find_beats(1000 + rng.normal(0, trembling, 4 * fps).round(), fps)
            assert len(found.ed) == len(found.es) == 0


def test_a_ventricle_found_in_single_frames_only_has_no_beats() -> None:
    areas = np.zeros(100)
    areas[[20, 50, 81]] = 900
    assert len(find_beats(areas, 50).es) == len(find_beats(areas, 50).ed) == 0
