"""Distances between borders: hand-computed values, and a brute-force reference that shares no code with ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kdkit_echocardio.geometry import hausdorff95, mean_surface_distance, surface_distances
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial import cKDTree

DISTANCES = [hausdorff95, mean_surface_distance]


def box(top: int, left: int, bottom: int, right: int, side: int = 32) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[top:bottom, left:right] = True
    return mask


def blob(seed: int, shape: tuple[int, int] = (40, 48)) -> np.ndarray:
    """Disconnected parts with holes, some of them cut by the frame's edge; now and then everything or nothing."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=shape), rng.uniform(0.5, 6), mode="nearest")
    return field > np.quantile(field, rng.uniform(0, 1))


def nearest(one: np.ndarray, other: np.ndarray, spacing: float) -> list[np.ndarray]:
    """Both directed sets of border distances, by a search tree over the points."""
    points = [spacing * np.argwhere(mask & ~binary_erosion(mask)) for mask in (one, other)]
    return [cKDTree(b).query(a)[0] for a, b in (points, points[::-1])]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.31, 2.5]))
def test_against_a_search_over_all_border_points(seed: int, spacing: float) -> None:
    one, other = blob(seed), blob(seed + 1)
    if not (one.any() and other.any()):
        return
    there, back = nearest(one, other, spacing)
    assert np.sort(surface_distances(one, other, spacing)) == pytest.approx(np.sort(there))
    assert hausdorff95(one, other, spacing) == pytest.approx(max(np.quantile(there, 0.95), np.quantile(back, 0.95)))
    mean = (there.sum() + back.sum()) / (len(there) + len(back))
    assert mean_surface_distance(one, other, spacing) == pytest.approx(mean)


def test_two_pixels_are_as_far_apart_as_their_centres() -> None:
    for distance in DISTANCES:
        assert distance(box(3, 4, 4, 5), box(6, 8, 7, 9)) == 5
        assert distance(box(3, 4, 4, 5), box(6, 8, 7, 9), spacing=0.5) == 2.5


def test_a_shifted_line() -> None:
    # Each of ten pixels in a row lies 3 below its counterpart.
    for distance in DISTANCES:
        assert distance(box(5, 10, 6, 20), box(8, 10, 9, 20)) == 3


def test_nested_boxes() -> None:
    # The border of the 10 x 10 box has 36 pixels, that of the 6 x 6 box inside 20, each of them 2 away. Outwards 24
    # pixels face the inner border at 2, and each corner has three others: itself and its two neighbours.
    outer, inner = box(10, 10, 20, 20), box(12, 12, 18, 18)
    corner, beside = np.sqrt(8), np.sqrt(5)
    assert mean_surface_distance(outer, inner) == pytest.approx((20 * 2 + 24 * 2 + 8 * beside + 4 * corner) / 56)
    assert hausdorff95(outer, inner) == pytest.approx(corner)
    assert hausdorff95(inner, outer) == hausdorff95(outer, inner)


def test_a_stray_pixel_decides_the_mean_little_and_the_percentile_not_at_all() -> None:
    mask = box(10, 10, 20, 20)
    speckled = mask.copy()
    speckled[30, 30] = True  # one of 37 border pixels, 2.7 %
    assert hausdorff95(mask, speckled) == 0
    assert mean_surface_distance(mask, speckled) == pytest.approx(np.hypot(11, 11) / (36 + 37))


def test_the_edge_of_the_frame_is_a_border() -> None:
    full, mask = np.ones((32, 32), bool), box(0, 0, 32, 30)
    assert surface_distances(full, full).shape == (4 * 31,)
    assert hausdorff95(full, mask) == 2
    assert hausdorff95(full, full) == mean_surface_distance(full, full) == 0


@pytest.mark.parametrize("distance", DISTANCES)
def test_empty_masks(distance: object) -> None:
    empty, one = np.zeros((32, 32), bool), box(5, 5, 6, 6)
    assert distance(empty, empty) == 0
    assert np.isnan(distance(empty, one)) and np.isnan(distance(one, empty))
    assert np.isnan(distance(np.ones((32, 32), bool), empty))


@pytest.mark.parametrize("distance", DISTANCES)
def test_masks_of_another_size_are_refused(distance: object) -> None:
    with pytest.raises(ValueError, match=r"\(32, 32\).*\(16, 16\)"):
        distance(box(1, 1, 5, 5), box(1, 1, 5, 5, side=16))
