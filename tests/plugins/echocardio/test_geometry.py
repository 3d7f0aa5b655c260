"""Shapes and beats against closed forms and hand-computed values."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from kdkit_echocardio.beats import find_beats
from kdkit_echocardio.geometry import (
    THRESHOLD,
    area_curve,
    area_ejection_fraction,
    binarize,
    biplane_ejection_fraction,
    biplane_volume,
    clean,
    discs,
    discs_ejection_fraction,
    ejection_fraction,
    largest_component,
    long_axis,
    polygon_mask,
    volume,
)

SIDE = 112


def ellipse(
    long: float, short: float, degrees: float = 0.0, centre: tuple[float, float] = (55.3, 56.8)
) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    angle = np.deg2rad(degrees)
    down, right = rows - centre[0], columns - centre[1]
    along = down * np.cos(angle) + right * np.sin(angle)
    across = right * np.cos(angle) - down * np.sin(angle)
    return (along / long) ** 2 + (across / short) ** 2 <= 1


def polygon(*corners: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.array([(x, y) for y, x in corners], np.int32)], 1)
    return mask.astype(bool)


# --- masks -------------------------------------------------------------------------------------------------------


def test_a_pixel_belongs_to_the_ventricle_from_the_threshold_on() -> None:
    below = np.nextafter(np.float32(THRESHOLD), np.float32(0))
    assert binarize(np.array([below, THRESHOLD, 1.0], np.float32)).tolist() == [False, True, True]


def test_the_area_curve_counts_pixels() -> None:
    masks = np.zeros((3, 4, 5), np.uint8)
    masks[1, :2, :3] = 1
    masks[2] = 1
    assert area_curve(masks).tolist() == [0, 6, 20]


def test_only_the_largest_component_stays() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:8, 2:8] = True
    mask[8, 8] = True  # touches by a corner only
    mask[15:18, 15:18] = True
    expected = np.zeros((20, 20), bool)
    expected[2:8, 2:8] = True
    assert (largest_component(mask) == expected).all()
    assert (clean(np.stack([mask, ~mask & False]))[1] == 0).all()


# --- long axis and discs -----------------------------------------------------------------------------------------

ROTATIONS = [0, 17, 30, 45, 60, 90, 111, 135, 170]


@pytest.mark.parametrize("degrees", ROTATIONS)
@pytest.mark.parametrize(("long", "short"), [(20, 12), (25, 13), (32, 20)])
def test_ellipse_of_any_rotation(long: float, short: float, degrees: float) -> None:
    mask = ellipse(long, short, degrees)
    axis = long_axis(mask)
    assert axis is not None
    assert axis.length == pytest.approx(2 * long, rel=0.02)
    assert volume(mask) == pytest.approx(4 / 3 * np.pi * long * short**2, rel=0.02)


@pytest.mark.parametrize("degrees", ROTATIONS)
def test_the_axis_has_the_direction_of_the_ellipse(degrees: float) -> None:
    axis = long_axis(ellipse(30, 14, degrees))
    assert axis is not None
    found = (axis.end - axis.start) / axis.length
    true = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    assert abs(found @ true) > np.cos(np.deg2rad(2))
    assert (axis.start + axis.end) / 2 == pytest.approx([55.3, 56.8], abs=0.6)


def test_a_bullet_is_measured_from_apex_to_the_middle_of_its_base() -> None:
    # Half an ellipse, cut at its widest: the furthest points would run to a corner of the base.
    rows, _ = np.mgrid[:SIDE, :SIDE]
    bullet = ellipse(60, 16, 0, centre=(90.0, 56.0)) & (rows <= 90)
    axis = long_axis(bullet)
    assert axis is not None
    assert axis.length == pytest.approx(60.5, abs=1)
    assert axis.start[1] == pytest.approx(56, abs=0.5) and axis.end[1] == pytest.approx(56, abs=0.5)
    assert volume(bullet) == pytest.approx(2 / 3 * np.pi * 60 * 16**2, rel=0.03)


def test_discs_of_an_upright_rectangle() -> None:
    mask = polygon((20, 30), (20, 49), (79, 49), (79, 30))  # 60 rows of 20 pixels
    diameters, length = discs(mask)
    assert length == pytest.approx(59.5)
    assert diameters.shape == (20,)
    assert diameters[1:-1] == pytest.approx(20, rel=0.1)
    assert diameters.sum() * length / 20 == pytest.approx(1200), "the discs keep the area"
    assert volume(mask) == pytest.approx(np.pi / 4 * 20**2 * 60, rel=0.02)


def test_discs_of_a_triangle_follow_the_cone() -> None:
    mask = polygon((10, 50), (90, 70), (90, 30))
    diameters, length = discs(mask)
    widths = diameters if diameters[0] < diameters[-1] else diameters[::-1]
    expected = 41 * (np.arange(20) + 0.5) / 20
    assert widths[1:-1] == pytest.approx(expected[1:-1], abs=1.5)
    assert volume(mask) == pytest.approx(np.pi / 12 * 41**2 * length, rel=0.08)


def ventricle(length: float, width: float, degrees: float, centre: tuple[float, float] = (56.0, 56.0)) -> np.ndarray:
    """An apical view's cavity, turned: half an ellipse, two thirds of the length, on a trapezium that ends flat."""
    angles = np.linspace(0, np.pi, 60)
    apex = np.stack([width / 2 * np.cos(angles), -length * 2 / 3 * np.sin(angles)], 1)
    base = [(-0.425 * width, length / 3), (0.425 * width, length / 3)]
    outline = np.concatenate([apex, base]) + np.array([0, length / 6])
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return polygon_mask(outline @ np.array([[cosine, sine], [-sine, cosine]]) + centre, (SIDE, SIDE))


@pytest.mark.parametrize(("length", "width", "tolerance"), [(45, 22, 0.025), (30, 16, 0.045), (20, 12, 0.06)])
def test_turning_and_shifting_changes_nothing_but_the_grid(length: float, width: float, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    measured = []
    for degrees in range(0, 360, 3):
        centre = 55.5 + rng.random(2)
        # End-systole: 85 % of the length and 75 % of the width.
        pair = np.stack([ventricle(s * length, t * width, degrees, centre) for s, t in ((1, 1), (0.85, 0.75))])
        fractions = [f(pair, np.array([0]), np.array([1])) for f in (area_ejection_fraction, discs_ejection_fraction)]
        measured.append([long_axis(pair[0]).length, volume(pair[0]), *fractions])
    lengths, volumes, *fractions = np.array(measured).T
    assert lengths == pytest.approx(length, rel=tolerance)
    assert volumes == pytest.approx(volumes.mean(), rel=tolerance)
    for found, true in zip(fractions, (100 * (1 - 0.85 * 0.75), 100 * (1 - 0.85 * 0.75**2)), strict=True):
        assert found.mean() == pytest.approx(true, abs=0.3)
        assert found == pytest.approx(true, abs=100 * tolerance)


def test_volume_does_not_depend_on_position_or_handedness() -> None:
    mask = ellipse(25, 13, 33)
    assert volume(np.roll(mask, (7, -9), (0, 1))) == pytest.approx(volume(mask))
    assert volume(mask[:, ::-1]) == pytest.approx(volume(mask))


def test_empty_and_tiny_masks() -> None:
    empty = np.zeros((SIDE, SIDE), bool)
    assert long_axis(empty) is None
    assert volume(empty) == 0
    one = empty.copy()
    one[5, 5] = True
    assert discs(one)[0].sum() * discs(one)[1] / 20 == pytest.approx(1)
    assert np.isfinite(volume(one))


# --- ejection fractions ------------------------------------------------------------------------------------------


def test_ejection_fraction() -> None:
    assert ejection_fraction(200, 50) == 75
    assert ejection_fraction(100, 120) == pytest.approx(-20)
    assert np.isnan(ejection_fraction(0, 0))


def test_ejection_fractions_of_shrinking_ellipses() -> None:
    masks = np.stack([ellipse(30, 16, 20), ellipse(27, 12, 20), np.zeros((SIDE, SIDE), bool)])
    ed, es = np.array([0]), np.array([1])
    assert area_ejection_fraction(masks, ed, es) == pytest.approx(100 * (1 - 27 * 12 / (30 * 16)), abs=1)
    assert discs_ejection_fraction(masks, ed, es) == pytest.approx(100 * (1 - 27 * 12**2 / (30 * 16**2)), abs=1)
    for estimate in (area_ejection_fraction, discs_ejection_fraction):
        assert estimate(masks, ed, np.array([2])) == 100
        assert np.isnan(estimate(masks, np.array([2]), es))
        assert np.isnan(estimate(masks, ed, np.array([], np.int64)))


# --- two views -----------------------------------------------------------------------------------------------------


def test_an_ellipsoid_from_two_views() -> None:
    # Semi-axes of 20, 9 and 12 mm, seen with pixels of 0.5 and of 0.8 mm: 4 / 3 * pi * 20 * 9 * 12 mm^3 = 9.048 ml.
    four, two = ellipse(40, 18, 20), ellipse(25, 15, 70)
    assert biplane_volume(four, two, (0.5, 0.8)) == pytest.approx(9.048, rel=0.015)
    assert biplane_volume(two, four, (0.8, 0.5)) == pytest.approx(biplane_volume(four, two, (0.5, 0.8)))


def test_the_longer_axis_counts() -> None:
    # 60 and 40 rows of 20 pixels of 1 mm: discs of 20 mm over 60 mm.
    long, short = (polygon((10, 30), (9 + rows, 30), (9 + rows, 49), (10, 49)) for rows in (60, 40))
    assert biplane_volume(long, short, (1, 1)) == pytest.approx(np.pi / 4 * 20**2 * 60 / 1000, rel=0.02)
    assert biplane_volume(long, long, (1, 1)) == pytest.approx(volume(long) / 1000)


def test_discs_are_paired_from_apex_to_apex() -> None:
    # A cone: paired base to apex, its discs would make little more than half the volume.
    cone = polygon((10, 50), (90, 70), (90, 30))
    for turned in (cone, cone[::-1], cone.T, cone.T[:, ::-1]):
        assert biplane_volume(cone, turned, (1, 1)) == pytest.approx(volume(cone) / 1000)


def test_the_ejection_fraction_of_two_views() -> None:
    four = np.stack([ellipse(40, 18, 20), ellipse(36, 14, 20)])
    two = np.stack([ellipse(25, 15, 70), ellipse(22.5, 10, 70)])
    expected = 100 * (1 - 0.9 * 14 / 18 * 10 / 15)
    assert biplane_ejection_fraction(four, two, (0.5, 0.8)) == pytest.approx(expected, abs=1)
    assert biplane_ejection_fraction(four, two & [[[True]], [[False]]], (0.5, 0.8)) == 100
    assert np.isnan(biplane_ejection_fraction(four, two & [[[False]], [[True]]], (0.5, 0.8)))


def test_a_pixel_without_size_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        biplane_volume(ellipse(40, 18), ellipse(40, 18), (0.5, 0))


def test_several_beats_are_averaged_before_the_ratio() -> None:
    masks = np.zeros((4, 10, 10), bool)
    for frame, pixels in enumerate((80, 40, 60, 30)):
        masks[frame].flat[:pixels] = True
    assert area_ejection_fraction(masks, np.array([0, 2]), np.array([1, 3])) == pytest.approx(50)


# --- beats -------------------------------------------------------------------------------------------------------


def heart(
    frames: int, fps: float, rate: float, phase: float = 0.0, swing: float = 400.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An area curve with systole over 35 % of the cycle, and its ED and ES frames."""
    beat = 60 / rate * fps
    position = np.arange(frames) / beat + phase
    within = position % 1
    falling = 0.5 + 0.5 * np.cos(np.pi * within / 0.35)
    rising = 0.5 - 0.5 * np.cos(np.pi * (within - 0.35) / 0.65)
    curve = 700 + swing * np.where(within < 0.35, falling, rising)
    beats = np.arange(-1, frames / beat + 2)
    ed, es = ((beats + offset - phase) * beat for offset in (0, 0.35))
    return curve, *(e[(e >= 0) & (e <= frames - 1)] for e in (ed, es))


@pytest.mark.parametrize(
    ("fps", "rate"), [(50, 30), (50, 60), (50, 110), (50, 200), (30, 75), (18, 60), (18, 140), (138, 70)]
)
def test_every_beat_is_found(fps: float, rate: float) -> None:
    # Starts and ends away from the extremes, so that no event is ambiguous.
    beat = 60 / rate * fps
    curve, ed, es = heart(round(3.5 * beat), fps, rate, phase=0.7)
    found = find_beats(curve, fps)
    tolerance = max(1.5, 0.02 * fps)
    assert found.ed == pytest.approx(ed, abs=tolerance)
    assert found.es == pytest.approx(es, abs=tolerance)
    systoles = [end - start for start, end in found.pairs()]
    assert systoles == pytest.approx([0.35 * beat] * len(es), abs=2 * tolerance)


def test_noise_on_the_curve_neither_adds_nor_hides_beats() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        curve, ed, es = heart(170, 50, 72, phase=0.7)
        found = find_beats(curve + rng.normal(0, 0.05 * 400, 170), 50)
        assert len(found.ed) == len(ed) and len(found.es) == len(es)
        assert np.abs(found.ed - ed).mean() < 4 and np.abs(found.es - es).mean() < 3


def test_a_clip_may_begin_at_ed_and_end_at_es() -> None:
    curve, _, _ = heart(43, 50, 60 * 50 / 31.5)
    found = find_beats(curve, 50)
    assert np.array(found.pairs()) == pytest.approx(np.array([(0, 11), (31.5, 42)]), abs=1)


def test_no_event_where_the_clip_merely_begins_or_ends() -> None:
    # From the middle of one systole to the middle of a later diastole.
    curve, ed, es = heart(80, 50, 60, phase=0.17)
    found = find_beats(curve, 50)
    assert found.ed == pytest.approx(ed, abs=1.5) and len(ed) == 1
    assert found.es == pytest.approx(es, abs=1.5) and len(es) == 2


def test_curves_without_beats() -> None:
    rng = np.random.default_rng(0)
    nothing = [
        np.full(100, 700.0),
        np.zeros(100),
        700 + np.linspace(0, 5, 100),
        np.array([900.0, 700.0]),
        np.full(100, np.nan),
        np.tile([1200.0, 800.0], 50),
        np.linspace(1200, 800, 400),  # a drift over eight seconds
    ]
    for curve in nothing:
        assert find_beats(curve, 50).pairs() == []
        assert len(find_beats(curve, 50).ed) == len(find_beats(curve, 50).es) == 0
    found = [len(find_beats(rng.normal(800, 200, length), 50).es) for length in (28, 64, 175) for _ in range(100)]
    assert np.mean(found) < 0.05


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_an_impossible_frame_rate_is_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="frame rate"):
        find_beats(np.ones(50), fps)


def test_events_take_turns() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        walk = 1000 + np.cumsum(rng.normal(0, 30, 120))
        found = find_beats(walk, 50)
        kinds = [kind for _, kind in sorted([(f, "d") for f in found.ed] + [(f, "s") for f in found.es])]
        assert all(a != b for a, b in pairwise(kinds))
