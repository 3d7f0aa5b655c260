"""Border errors by wall, on shapes whose errors are known; and EchoNet's way of drawing a mask."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from kdkit_echocardio.geometry import WALLS, border_errors, chords_polygon, echonet_mask, polygon_mask
from kdkit_echocardio.metrics.borders import BorderBias, BorderBiasMillimetres, BorderSpread
from kdkit_echocardio.wall_map import WallMap

from kdkit import Case, Sample

GOLDEN = Path(__file__).parent / "golden" / "echonet_polygons.json"
SIDE = 112
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(float)


def bullet(left: float = 40, right: float = 70, apex: float = 20, base: float = 85, tilt: float = 0) -> np.ndarray:
    """A cavity with straight flanks, a round apex above and a flat mitral plane below, turned by degrees."""
    turn = np.deg2rad(tilt)
    rows, columns = ROWS - 52, COLUMNS - 55
    y, x = 52 + rows * np.cos(turn) - columns * np.sin(turn), 55 + rows * np.sin(turn) + columns * np.cos(turn)
    half = (right - left) / 2
    centre = (left + right) / 2
    flanks = (np.abs(x - centre) <= half) & (y >= apex + half) & (y <= base)
    return flanks | ((np.hypot(x - centre, y - apex - half) <= half) & (y <= base))


def by_wall(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    return dict(zip(WALLS, border_errors(predicted, true), strict=True))


@pytest.mark.parametrize("tilt", [-25, 0, 20])
def test_a_cavity_that_fits_has_no_error(tilt):
    assert border_errors(bullet(tilt=tilt), bullet(tilt=tilt)) == pytest.approx(np.zeros(8), abs=0.05)


@pytest.mark.parametrize("tilt", [-25, 0, 20])
@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        # The lateral wall moved out by 4: its lower two thirds are straight, and are 4 off; the septum is not.
        ({"right": 74}, {"lateral-basal": 4, "lateral-mid": 4, "septal-basal": 0, "septal-mid": 0, "mitral": 0}),
        ({"left": 44}, {"septal-basal": -4, "septal-mid": -4, "lateral-basal": 0, "lateral-mid": 0, "mitral": 0}),
        ({"base": 90}, {"mitral": 5, "septal-mid": 0, "lateral-mid": 0, "apex": 0}),
        ({"apex": 25}, {"apex": -5, "septal-basal": 0, "lateral-basal": 0, "mitral": 0}),
    ],
)
def test_the_wall_that_is_moved_is_the_one_with_the_error(predicted, expected, tilt):
    errors = by_wall(bullet(**predicted, tilt=tilt), bullet(tilt=tilt))
    for wall, value in expected.items():
        # The apex is a cap, whose flanks move less than its tip; at the corners of the base two walls meet.
        assert errors[wall] == pytest.approx(value, abs=0.4 if wall.endswith("mid") else 1), wall


def test_a_ring_around_a_disc_is_its_width_everywhere():
    distance = np.hypot(ROWS - 55, COLUMNS - 55)
    assert border_errors(distance <= 29, distance <= 25) == pytest.approx(np.full(8, 4.0), abs=0.3)
    assert border_errors(distance <= 22, distance <= 25) == pytest.approx(np.full(8, -3.0), abs=0.3)


def test_specks_do_not_count_and_nothing_counts_as_shrunk_to_the_centre():
    true = bullet()
    specks = true.copy()
    specks[5:8, 5:8] = True
    assert border_errors(specks, true) == pytest.approx(np.zeros(8), abs=0.05)
    shrunk = by_wall(np.zeros_like(true), true)
    assert -18 < shrunk["lateral-mid"] < -14
    assert np.isnan(border_errors(true, np.zeros_like(true))).all()


def test_a_cavity_that_fills_the_frame_is_measured():
    everything = np.ones((SIDE, SIDE), bool)
    assert by_wall(everything, bullet())["lateral-mid"] == pytest.approx(41, abs=1)


def clip(true: list[np.ndarray], spacing: float | None = 0.5) -> Sample:
    truth = {
        "mask": np.array(true).astype(np.uint8),
        "mask_frames": np.array([0, 1]),
        "ed": np.array([0]),
        "es": np.array([1]),
    }
    return Sample(np.zeros((2, SIDE, SIDE), np.uint8), truth, {"spacing_mm": spacing})


TRUE = [bullet(), bullet(apex=30)]
WIDE = np.array([bullet(), bullet(apex=30, right=74)], np.float32)


def test_the_metric_takes_the_wall_and_the_phase_that_it_is_asked_for():
    def value(metric, **options):
        score = metric(metric.Options(**options))
        score.update(WIDE, clip(TRUE))
        return score.compute().value

    assert value(BorderBias, wall="lateral-basal", phase="es") == pytest.approx(4, abs=0.5)
    assert value(BorderBiasMillimetres, wall="lateral-basal", phase="es") == pytest.approx(2, abs=0.25)
    assert value(BorderBias, wall="lateral-basal", phase="ed") == pytest.approx(0, abs=0.05)
    assert value(BorderBias, wall="septal", phase="es") == pytest.approx(0, abs=0.5)


def test_a_clip_without_spacing_is_not_measured_in_millimetres():
    score = BorderBiasMillimetres()
    assert score.update(WIDE, clip(TRUE, None)) is None


def test_the_spread_is_that_of_the_clips():
    score = BorderSpread(BorderSpread.Options(wall="lateral-basal", phase="es"))
    assert score.compute().value is None
    for right in (70, 72, 74):
        prediction = np.array([bullet(), bullet(apex=30, right=right)], np.float32)
        score.update(prediction, clip(TRUE))
    assert score.compute().value == pytest.approx(2, abs=0.3)  # 0, 2 and 4


def test_the_drawing_says_what_was_measured():
    walls = WallMap()
    for right in (73, 75):
        prediction = np.array([bullet(), bullet(apex=30, right=right)], np.float32)
        walls.add(Case("", 0.0, clip(TRUE), {"student": prediction, "control": prediction}))
    walls.add(Case("", 0.0, Sample(np.zeros((2, SIDE, SIDE), np.uint8)), {"student": WIDE}))
    (figure,) = walls.figures()
    assert figure.title == "Border errors by wall, student"
    assert "in mm" in figure.caption and "over 2 clips" in figure.caption
    drawn = figure.data.decode()
    assert "+2.0 ± 0.7" in drawn and "end-systole" in drawn
    assert not list(WallMap().figures())


@pytest.mark.parametrize("number", range(24))
def test_echonet_masks_are_those_of_its_own_loader(number):
    tracing = json.loads(GOLDEN.read_text())[number]
    rows = np.array(tracing["rows"], float)
    points = chords_polygon(rows[1:].reshape(-1, 2, 2))
    mask = echonet_mask(points, (SIDE, SIDE))
    assert mask.sum() == tracing["area"]
    assert mask.sum(1).tolist() == tracing["per_row"]
    first = [int(row.argmax()) if row.any() else -1 for row in mask]
    assert [f for f, row in zip(first, mask, strict=True) if row.any()] == [
        f for f, count in zip(tracing["first_column"], tracing["per_row"], strict=True) if count
    ]
    assert 1.0 < mask.sum() / polygon_mask(points, (SIDE, SIDE)).sum() < 1.1


def test_an_outline_beyond_the_frame_is_cut_off():
    assert echonet_mask(np.array([(-5, -5), (3, -5), (3, 2), (-5, 2)]), (4, 6)).tolist() == [
        [True] * 4 + [False] * 2 if row < 3 else [False] * 6 for row in range(4)
    ]
    assert not echonet_mask(np.array([(20, 20), (30, 20), (30, 30)]), (5, 5)).any()
