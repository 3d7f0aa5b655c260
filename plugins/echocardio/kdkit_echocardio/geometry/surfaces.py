"""Distances between the borders of two masks.

The border of a mask is its own outermost pixels: those with a 4-neighbour outside it, or at the edge of the frame.
Distances run between pixel centres, along straight lines.

Where both masks are empty the distance is 0, where only one is, it is NaN: there is no border to measure to, and the
caller decides what that costs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .masks import Masks


def border(mask: np.ndarray) -> Masks:
    """The outermost pixels of a mask (H, W), bool: all of it where it is one pixel wide, none where it is empty."""
    inside = np.pad(np.asarray(mask, bool), 1)
    core = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return np.asarray(inside[1:-1, 1:-1] & ~core)


def surface_distances(one: np.ndarray, other: np.ndarray, spacing: float = 1.0) -> NDArray[np.float64]:
    """From each border pixel of ``one`` (H, W) to the nearest of ``other`` (H, W): float64 (N,).

    In pixels, or in the unit of ``spacing``, the side of a pixel. Empty when one of the masks is. Raises ValueError
    when they are not of the same size.
    """
    from scipy.ndimage import distance_transform_edt

    if np.shape(one) != np.shape(other):
        raise ValueError(f"masks of {np.shape(one)} and {np.shape(other)} pixels cannot be compared")
    start, goal = border(one), border(other)
    if not goal.any():
        return np.empty(0)
    return np.asarray(distance_transform_edt(~goal, sampling=spacing)[start], np.float64)


def hausdorff95(one: np.ndarray, other: np.ndarray, spacing: float = 1.0) -> float:
    """The 95 % Hausdorff distance: of both directions' 95th percentiles of border distances, the larger one.

    The percentile (linear between ranks) in place of the maximum (Huttenlocher, Klanderman and Rucklidge 1993) keeps
    a single stray pixel from deciding. In pixels, or in the unit of ``spacing``, the side of a pixel. 0 when both
    masks are empty, NaN when one is.
    """
    directed = surface_distances(one, other, spacing), surface_distances(other, one, spacing)
    if any(distances.size == 0 for distances in directed):
        return _without_border(one, other)
    return max(float(np.percentile(distances, 95)) for distances in directed)


def mean_surface_distance(one: np.ndarray, other: np.ndarray, spacing: float = 1.0) -> float:
    """The average symmetric surface distance: the mean over the border pixels of both masks (Heimann et al. 2009).

    In pixels, or in the unit of ``spacing``, the side of a pixel. 0 when both masks are empty, NaN when one is.
    """
    distances = np.concatenate([surface_distances(one, other, spacing), surface_distances(other, one, spacing)])
    return float(distances.mean()) if distances.size else _without_border(one, other)


def _without_border(one: np.ndarray, other: np.ndarray) -> float:
    return float("nan") if np.any(one) or np.any(other) else 0.0
