"""How far a predicted border lies from the true one, wall by wall, in an apical four-chamber view.

The view as it is shown nearly everywhere: the apex above, the septum to the left of the cavity, the lateral wall to
its right (Mitchell et al. 2019). Pictures mirrored as some laboratories show them swap the two walls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .discs import long_axis
from .masks import largest_component

WALLS = (
    "septal-basal",
    "septal-mid",
    "septal-apical",
    "apex",
    "lateral-apical",
    "lateral-mid",
    "lateral-basal",
    "mitral",
)
"""The parts of the border, from the septal end of the mitral plane over the apex around to that plane."""

_APEX, _LATERAL_APICAL, _MITRAL = 3, 4, 7
# Where the border turns by more than this from the long axis it is wall; else it caps the cavity.
_CAP = np.cos(np.pi / 4)
# Steps of a pixel's height are smoothed away before the border's direction is taken: share of the cavity's length.
_SMOOTHING = 0.05
# Of the line between two border points, which are a pixel apart at most.
_PARTS = 4


def border_errors(predicted: np.ndarray, true: np.ndarray) -> NDArray[np.float64]:
    """The mean signed distance of each wall of :data:`WALLS` in pixels: float64 (8,); positive: beyond the true one.

    ``predicted``, ``true``: masks (H, W), of which the largest component counts. From each point of the true border
    the distance to the nearest point of the predicted one. Thirds of the true long axis part basal, mid and apical
    walls; the apex and the mitral plane are where the border crosses that axis. Of an empty prediction all borders
    have shrunk to the true cavity's centre. NaN for a wall of which the true border has no point; all are for an
    empty true mask.
    """
    errors = np.full(len(WALLS), np.nan)
    cavity = largest_component(true)
    if not cavity.any():
        return errors
    points = _border_points(cavity)
    distances = _signed_distances(largest_component(predicted), points, cavity)
    walls = _walls(cavity, points)
    for wall in range(len(WALLS)):
        if (walls == wall).any():
            errors[wall] = distances[walls == wall].mean()
    return errors


def _border_points(cavity: np.ndarray) -> NDArray[np.float64]:
    """Points (N, 2), row and column, halfway between the mask's outermost pixels and those outside it."""
    from skimage.measure import find_contours

    outlines = find_contours(np.pad(cavity, 1).astype(np.float64), 0.5)
    return np.asarray(max(outlines, key=len)[:-1] - 1)


def _signed_distances(predicted: np.ndarray, points: np.ndarray, cavity: np.ndarray) -> NDArray[np.float64]:
    """From each point to the predicted border: positive inside the prediction."""
    from scipy.ndimage import map_coordinates
    from scipy.spatial import cKDTree

    if not predicted.any():
        return -np.asarray(np.linalg.norm(points - np.argwhere(cavity).mean(0), axis=1))
    outline = _border_points(predicted)
    # Points in between: the nearest one is then hardly farther than the line itself.
    between = (np.roll(outline, -1, axis=0) - outline)[:, None] * np.linspace(0, 1, _PARTS, endpoint=False)[:, None]
    distances, _ = cKDTree((outline[:, None] + between).reshape(-1, 2)).query(points)
    padded = np.asarray(np.pad(predicted, 1), np.float64)
    inside = map_coordinates(padded, (points + 1).T, order=1) > 0.5
    return np.asarray(np.where(inside, distances, -distances))


def _walls(cavity: np.ndarray, points: np.ndarray) -> NDArray[np.intp]:
    """The place in :data:`WALLS` of each border point."""
    axis = long_axis(cavity)
    assert axis is not None
    apex, base = sorted((axis.start, axis.end), key=lambda end: float(end[0]))
    down = (base - apex) / axis.length
    along = (points - apex) @ down / axis.length
    right = (points[:, 1] - apex[1]) * down[0] - (points[:, 0] - apex[0]) * down[1] > 0
    facing = _normals(cavity, points, axis.length) @ down
    third = np.clip((3 * along).astype(np.intp), 0, 2)
    walls = np.where(right, _LATERAL_APICAL + third, _APEX - 1 - third)
    walls[(facing > _CAP) & (third == 2)] = _MITRAL
    walls[(facing < -_CAP) & (third == 0)] = _APEX
    return np.asarray(walls)


def _normals(cavity: np.ndarray, points: np.ndarray, length: float) -> NDArray[np.float64]:
    """The outward direction of the border at each point: (N, 2), row and column, of length 1."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    sigma = max(1.0, _SMOOTHING * length)
    margin = int(np.ceil(4 * sigma))
    smooth = gaussian_filter(np.pad(cavity, margin).astype(np.float64), sigma)
    slopes = [
        map_coordinates(np.asarray(slope, np.float64), (points + margin).T, order=1) for slope in np.gradient(smooth)
    ]
    outward = -np.stack(slopes, axis=1)
    return np.asarray(outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-12))
