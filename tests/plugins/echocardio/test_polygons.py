"""Polygons as masks, against hand-drawn masks and matplotlib."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kdkit_echocardio.geometry import chords_polygon, polygon_mask
from matplotlib.path import Path


def drawn(*rows: str) -> list[list[bool]]:
    return [[character == "#" for character in row] for row in rows]


def test_pixels_whose_centres_lie_inside() -> None:
    square = [(0.6, 0.6), (3.4, 0.6), (3.4, 2.4), (0.6, 2.4)]
    assert polygon_mask(np.array(square), (4, 5)).tolist() == drawn(".....", ".###.", ".###.", ".....")
    triangle = [(0, -0.5), (4.9, -0.5), (0, 4.4)]
    assert polygon_mask(np.array(triangle), (4, 5)).tolist() == drawn("#####", "####.", "###..", "##...")


def test_a_centre_on_the_left_or_upper_edge_belongs_to_the_polygon() -> None:
    square = np.array([(1, 1), (3, 1), (3, 3), (1, 3)])
    assert polygon_mask(square, (4, 5)).tolist() == drawn(".....", ".##..", ".##..", ".....")


def test_where_the_outline_crosses_itself_the_even_odd_rule_holds() -> None:
    hourglass = np.array([(-1, -0.5), (5, -0.5), (-1, 3.5), (5, 3.5)])
    assert polygon_mask(hourglass, (4, 5)).tolist() == drawn("#####", "..#..", "..#..", "#####")
    twice = np.array([(0.5, 0.5), (3.5, 0.5), (3.5, 3.5), (0.5, 3.5)] * 2)
    assert not polygon_mask(twice, (5, 5)).any()


def test_points_may_lie_outside_the_frame() -> None:
    assert polygon_mask(np.array([(-1e6, -50), (1e6, -50), (1e6, 1.5), (-1e6, 1.5)]), (3, 2)).tolist() == drawn(
        "##", "##", ".."
    )
    assert not polygon_mask(np.array([(10, 10), (20, 10), (20, 20)]), (5, 5)).any()


@pytest.mark.parametrize("points", [[], [(2, 2)], [(0, 0), (4, 4)], [(0, 0), (2, 2), (4, 4)], [(1, 1)] * 5])
def test_what_encloses_nothing_is_empty(points: list) -> None:
    mask = polygon_mask(np.array(points), (5, 6))
    assert mask.shape == (5, 6) and mask.dtype == bool and not mask.any()


@pytest.mark.parametrize("points", [np.zeros((4, 3)), np.zeros(4), np.zeros((2, 4, 2))])
def test_what_is_no_list_of_points_is_refused(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        polygon_mask(points, (5, 5))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        polygon_mask(np.array([(0, 0), (4, 0), (4, value)]), (5, 5))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40))
def test_simple_polygons_against_matplotlib(seed: int, count: int) -> None:
    # Ascending angles around a centre: the outline never crosses itself, where other rules would differ.
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(3, 40, count)
    points = np.stack([30 + radius * np.cos(angles), 24 + radius * np.sin(angles)], 1)
    rows, columns = np.mgrid[:48, :56]
    centres = np.stack([columns.ravel(), rows.ravel()], 1)
    expected = Path(points).contains_points(centres).reshape(48, 56)
    assert (polygon_mask(points, (48, 56)) == expected).all()
    assert (polygon_mask(points[::-1], (48, 56)) == expected).all()


@given(st.integers(0, 2**32 - 1))
def test_polygons_that_share_edges_share_no_pixel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Whole numbers: corners and edges run through pixel centres.
    centre, corners = rng.integers(4, 8, 2), np.array([(0, 0), (12, 0), (12, 12), (0, 12)])
    parts = [polygon_mask(np.array([corners[i - 1], corners[i], centre]), (12, 12)) for i in range(4)]
    assert (np.sum(parts, axis=0) == 1).all()


def test_the_outline_of_chords_runs_down_one_side_and_up_the_other() -> None:
    chords = np.array([[(3, 1), (5, 1)], [(2, 4), (6, 4)], [(1, 7), (7, 7)]])
    assert chords_polygon(chords).tolist() == [[3, 1], [2, 4], [1, 7], [7, 7], [6, 4], [5, 1]]
    assert chords_polygon(np.empty((0, 2, 2))).shape == (0, 2)


def test_rows_of_a_tracing_as_chords() -> None:
    # X1, Y1, X2, Y2: the long axis, then discs of a cone; any number of them.
    heights = np.linspace(10, 90, 33)
    axis = [50, 10, 50, 90]
    rows = np.array([axis, *[(50 - y / 4, y, 50 + y / 4, y) for y in heights]])
    mask = polygon_mask(chords_polygon(rows[1:].reshape(-1, 2, 2)), (112, 112))
    assert mask.sum() == pytest.approx((5 + 45) / 2 * 80, rel=0.01)
