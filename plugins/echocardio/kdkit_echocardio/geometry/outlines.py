"""Outlines that cross themselves, and chords whose ends or order are the cause."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .polygons import chords_polygon

# Chords of one tracing are parallel; at more than 45 degrees to their mean direction one is none of them.
_LEAST_REACH = np.sqrt(0.5)
_TOLERANCE = 1e-6


def crosses_itself(points: np.ndarray) -> bool:
    """Whether two edges of a polygon, real (N, 2), cross between their ends; those that only touch do not."""
    starts = np.asarray(points, np.float64)
    steps = np.roll(starts, -1, axis=0) - starts
    across = _cross(steps[:, None], starts[None] - starts[:, None])
    # Row i, column j: on which side of edge i's line edge j begins and ends.
    sides = np.where(np.abs(across) <= _TOLERANCE, 0.0, np.sign(across))
    opposite = sides * np.roll(sides, -1, axis=1) < 0
    return bool((opposite & opposite.T).any())


class OrderedChords(NamedTuple):
    """Chords as they should stand, and what was done for that.

    ``chords``: float64 (N, 2, 2), first ends on one side, in order along the axis, none twice. ``swapped``: how many
    had their ends on the wrong side; ``moved``: whether the order changed; ``repeated``: how many were left out as
    another's copy. ``certain``: whether the chords are roughly parallel and their outline does not cross itself.
    """

    chords: NDArray[np.float64]
    swapped: int
    moved: bool
    repeated: int
    certain: bool


def order_chords(chords: np.ndarray) -> OrderedChords:
    """The chords, real (N, 2, 2), with first ends on one side, in order across their common direction, none twice.

    Parallel chords in such an order have an outline that cannot cross itself. The direction is the mean of doubled
    angles (Mardia and Jupp 2000), as a line has no front and no back. Which side comes first has no meaning, so the
    fewer ends are swapped. Time and memory grow with N squared.
    """
    lines = np.asarray(chords, np.float64).reshape(-1, 2, 2)
    steps = lines[:, 1] - lines[:, 0]
    lengths = np.hypot(*steps.T)
    angle = np.angle((lengths * np.exp(2j * np.arctan2(steps[:, 1], steps[:, 0]))).sum()) / 2
    along = np.array([np.cos(angle), np.sin(angle)])
    reach = steps @ along
    backwards = reach < -_TOLERANCE
    if backwards.sum() > (reach > _TOLERANCE).sum():
        backwards = reach > _TOLERANCE
    straight = np.where(backwards[:, None, None], lines[:, ::-1], lines)
    places = straight.mean(1) @ np.array([-along[1], along[0]])
    # Most neighbours are in order, whichever way it runs.
    if (np.diff(places) < 0).sum() > (np.diff(places) > 0).sum():
        places = -places
    moved = bool((np.diff(places) < -_TOLERANCE).any())
    straight = straight[np.argsort(places, kind="stable")] if moved else straight
    copies = _copies(straight)
    kept = straight[~copies]
    parallel = np.abs(reach) >= _LEAST_REACH * lengths - _TOLERANCE
    certain = bool(parallel.all()) and not crosses_itself(chords_polygon(kept))
    return OrderedChords(kept, int(backwards.sum()), moved, int(copies.sum()), certain)


def _copies(lines: np.ndarray) -> NDArray[np.bool_]:
    """Which lines, (N, 2, 2), are the same as an earlier one: bool (N,)."""
    same = (np.abs(lines[:, None] - lines[None]) <= _TOLERANCE).all((2, 3))
    return np.asarray(np.tril(same, -1).any(1))


def _cross(one: np.ndarray, other: np.ndarray) -> NDArray[np.float64]:
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])
