"""Ejection fractions with their intervals, and clips that allow none."""

import numpy as np
import pytest
from kdkit_echocardio import ejection
from kdkit_echocardio.beats import Beats, find_beats
from kdkit_echocardio.ejection import LEAST_DEVIATION, LOWER, OWN_SHARE, UPPER, WIDEST, area_ejection, discs_ejection


def squares(*sides, inner=None, outer=None):
    """Frames of squares with these sides, sure; of probability 0.7 and 0.3 where ``inner`` and ``outer`` ones end."""
    frames = np.zeros((len(sides), 64, 64), np.float32)
    for frame, side in enumerate(sides):
        for size, value in (((outer or sides)[frame], 0.3), (side, 0.7), ((inner or sides)[frame], 0.99)):
            frames[frame, :size, :size] = value
    return frames


def beats(ed, es):
    return Beats(np.array(ed, int), np.array(es, int))


# The clip goes on before its ED, and after its ES.
ONE_BEAT = beats([1], [2])


def one_beat(*sides, inner=None, outer=None):
    """:func:`squares` of an ED and an ES, and of each once more, beyond it."""
    first, second = squares(*sides, inner=inner, outer=outer)
    return np.stack([first, first, second, second])


def test_sure_masks_of_one_beat_leave_the_least_interval():
    measured = area_ejection(one_beat(40, 32), ONE_BEAT)
    assert measured.value == pytest.approx(36)
    assert (measured.low, measured.high) == pytest.approx(
        (36 + LOWER * LEAST_DEVIATION, 36 + UPPER * LEAST_DEVIATION)
    )
    assert measured.reason == ""


def test_beats_that_differ_widen_the_interval():
    # Beats of 36 and of 51 %: their variance is 112.5, of their mean half of that.
    measured = area_ejection(squares(40, 32, 40, 28), beats([0, 2], [1, 3]))
    assert measured.value == pytest.approx(43.5)
    deviation = np.sqrt(112.5 / 2 + LEAST_DEVIATION**2)
    assert measured.low == pytest.approx(43.5 + LOWER * deviation)
    assert measured.high == pytest.approx(min(100, 43.5 + UPPER * deviation))


def test_unsure_borders_widen_the_interval():
    # At end-systole the border lies between squares of 31 and 33: a deviation of log(33 / 31) of the area.
    measured = area_ejection(one_beat(40, 32, inner=(40, 31), outer=(40, 33)), ONE_BEAT)
    deviation = np.hypot(64 * OWN_SHARE * np.log(33 / 31), LEAST_DEVIATION)
    assert measured.value == pytest.approx(36)
    assert measured.high == pytest.approx(36 + UPPER * deviation)


def test_volumes_shrink_more_than_areas():
    # The disc's diameters and the axis shrink alike: the cube of the sides' ratio.
    measured = discs_ejection(one_beat(40, 32), ONE_BEAT)
    assert measured.value == pytest.approx(100 * (1 - 0.8**3), abs=1)


def test_an_interval_stays_within_0_and_100():
    measured = area_ejection(one_beat(40, 40), ONE_BEAT)
    assert measured.low == 0
    measured = area_ejection(one_beat(40, 6), ONE_BEAT)
    assert measured.high == 100


@pytest.mark.parametrize(
    ("probability", "events", "reason"),
    [
        (squares(40, 32), beats([], []), "no beat was found"),
        (squares(40, 32), beats([0], []), "no beat was found"),
        (squares(40, 36, 32), beats([0], [2]), "the clip shows less than a beat"),
        (squares(36, 40, 32), beats([1], [2]), "the clip shows less than a beat"),
        (squares(40, 32, 36), beats([0], [1]), "the clip shows less than a beat"),
        (one_beat(40, 32, inner=(40, 0)), ONE_BEAT, "the ventricle is hardly seen in frame 2"),
        (one_beat(40, 0), ONE_BEAT, "the ventricle is hardly seen in frame 2"),
        (one_beat(0, 32), ONE_BEAT, "the ventricle is hardly seen in frame 1"),
    ],
)
def test_no_number_where_there_is_nothing_to_measure(probability, events, reason):
    for measured in (area_ejection(probability, events), discs_ejection(probability, events)):
        assert measured == (None, None, None, reason)


FEW_FRAMES = "at 5 frames a second beats faster than 43 a minute cannot be told apart"
WRONG_RATE = "the frame rate that the file gives may be wrong"


@pytest.mark.parametrize(
    ("frames", "fps", "events", "reason"),
    [
        (30, 30.0, beats([0], [14]), "the clip shows less than a beat"),
        (60, 30.0, beats([0], [14]), "the clip shows less than a beat"),
        (61, 30.0, beats([0], [14]), f"no whole beat was found in 2.03 s: {WRONG_RATE}"),
        (120, 30.0, beats([119], [60]), f"no whole beat was found in 4 s: {WRONG_RATE}"),
        (120, 5.0, beats([0], [14]), f"no whole beat was found in 24 s: {FEW_FRAMES}, or {WRONG_RATE}"),
        (8, 5.0, beats([0], [4]), f"no whole beat was found in 1.6 s: {FEW_FRAMES}"),
        (120, 5.0, beats([], []), f"no beat was found: {FEW_FRAMES}"),
        (120, 12.0, beats([], []), "no beat was found"),
        (120, None, beats([0], [14]), "the clip shows less than a beat"),
        (120, None, beats([], []), "no beat was found"),
    ],
)
def test_the_reason_is_one_that_a_clip_of_this_length_and_frame_rate_can_have(frames, fps, events, reason):
    probability = np.zeros((frames, 4, 4), np.float32)
    for measured in (area_ejection(probability, events, fps), discs_ejection(probability, events, fps)):
        assert measured == (None, None, None, reason)


@pytest.mark.parametrize("fps", [5.0, 8.0, 11.0])
def test_beats_that_are_said_to_be_told_apart_are_found(fps):
    said = area_ejection(np.zeros((9, 4, 4), np.float32), beats([], []), fps).reason
    fastest = int(said.split("faster than ")[1].split()[0])
    for rate in (fastest - 1, max(fastest - 12, 31)):
        frames = np.arange(round(10 * 60 / rate * fps))
        found = find_beats(700 + 150 * np.cos(2 * np.pi * rate / 60 / fps * frames), fps)
        assert len(found.es) >= 9


def test_no_number_where_the_interval_says_nothing(monkeypatch):
    unsure = one_beat(40, 32, inner=(30, 10), outer=(50, 50))
    measured = area_ejection(unsure, ONE_BEAT)
    assert measured.value is None
    assert measured.reason.startswith("the contours are too unsure: ")
    low, high = (int(word) for word in measured.reason.split(": ")[1].removesuffix(" %").split(" to "))
    assert high - low > WIDEST
    monkeypatch.setattr(ejection, "WIDEST", 100.0)
    assert area_ejection(unsure, ONE_BEAT).value == pytest.approx(36)


def test_only_the_largest_part_of_a_mask_counts():
    probability = one_beat(40, 32)
    probability[2, 50:55, 50:55] = 1
    assert area_ejection(probability, ONE_BEAT).value == pytest.approx(36)
