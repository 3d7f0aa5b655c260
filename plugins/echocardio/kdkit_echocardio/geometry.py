"""The left ventricle's shape: areas, long axis, discs, volumes and ejection fractions from masks.

Lengths are in pixels, areas in square pixels and volumes in cubic pixels: ejection fractions are ratios, so pixels
need no calibration as long as they are square.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# From this probability on a pixel belongs to the ventricle: everywhere, for every model and every metric.
THRESHOLD = 0.5
DISCS = 20

# Pixels are cut into SUBPIXELS x SUBPIXELS parts when they are dealt out to discs, which are often two pixels thick.
SUBPIXELS = 8

Masks = NDArray[np.bool_]


class LongAxis(NamedTuple):
    """The long axis of a mask: its ``start`` and ``end`` as (row, column) in pixels, and its ``length``."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    length: float


def binarize(probability: np.ndarray) -> Masks:
    """The masks of a prediction: bool, true where the probability is at least :data:`THRESHOLD`."""
    return np.asarray(probability) >= THRESHOLD


def largest_component(mask: np.ndarray) -> Masks:
    """The largest 4-connected component of a mask (H, W), bool; an empty mask stays empty."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.asarray(mask, np.uint8), connectivity=4)
    if count < 2:
        return np.zeros(labels.shape, bool)
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def clean(masks: np.ndarray) -> Masks:
    """:func:`largest_component` of each frame of (T, H, W): there is one left ventricle."""
    return np.stack([largest_component(mask) for mask in masks])


def area_curve(masks: np.ndarray) -> NDArray[np.float64]:
    """Foreground pixels of each frame of (T, H, W): float64 (T,)."""
    return np.asarray(masks, bool).sum((1, 2)).astype(np.float64)


def long_axis(mask: np.ndarray) -> LongAxis | None:
    """The long axis of a mask (H, W) of any orientation; None for an empty mask.

    It is the principal axis of the mask's second moments, through its centroid, and reaches from edge to edge. The
    line between the two furthest points would be simpler, but on the bullet shape of an apical view it runs from the
    apex to one corner of the mitral plane, not to its middle.
    """
    points = np.argwhere(np.asarray(mask, bool)).astype(np.float64)
    if len(points) == 0:
        return None
    centre = points.mean(0)
    moments = (points - centre).T @ (points - centre)
    direction = np.linalg.eigh(moments)[1][:, -1]
    along = (points - centre) @ direction
    # Over all orientations the outermost pixel centre lies a quarter of a pixel inside the edge, on average.
    first, last = along.min() - 0.25, along.max() + 0.25
    return LongAxis(centre + first * direction, centre + last * direction, float(last - first))


def discs(mask: np.ndarray, count: int = DISCS) -> tuple[NDArray[np.float64], float]:
    """Cut a mask (H, W) across its long axis into ``count`` slices of equal height.

    Returns the slices' mean widths, float64 (count,), which are the diameters of the discs, and the length of the
    long axis; zeros for an empty mask.
    """
    axis = long_axis(mask)
    if axis is None:
        return np.zeros(count), 0.0
    direction = (axis.end - axis.start) / axis.length
    offsets = (np.arange(SUBPIXELS) + 0.5) / SUBPIXELS - 0.5
    points = np.argwhere(np.asarray(mask, bool)) - axis.start
    along = (points @ direction)[:, None, None] + (offsets[:, None] * direction[0] + offsets * direction[1])
    height = axis.length / count
    # Corners of the outermost pixels reach beyond the axis; they belong to its first and last disc.
    slices = np.clip(along / height, 0, count - 1).astype(np.intp)
    areas = np.bincount(slices.ravel(), minlength=count) / SUBPIXELS**2
    return areas / height, axis.length


def volume(mask: np.ndarray) -> float:
    """The single-plane method of discs: ``pi / 4 * sum(d_i ** 2) * L / 20`` (Lang et al. 2015), in cubic pixels."""
    diameters, length = discs(mask)
    return float(np.pi / 4 * np.sum(diameters**2) * length / len(diameters))


def ejection_fraction(diastolic: float, systolic: float) -> float:
    """``100 * (diastolic - systolic) / diastolic``, in percent; NaN when the diastolic size is zero."""
    return 100 * (diastolic - systolic) / diastolic if diastolic > 0 else float("nan")


def area_ejection_fraction(masks: np.ndarray, ed: np.ndarray, es: np.ndarray) -> float:
    """The ejection fraction of areas, in percent, from masks (T, H, W) and their ED and ES frames.

    Several ED (or ES) frames are averaged before the ratio is taken. NaN when the ventricle is empty at ED, or when
    there is no frame of one kind. It is smaller than that of volumes, by about a third at normal function.
    """
    areas = area_curve(masks)
    return _mean_ejection_fraction(areas[ed], areas[es])


def discs_ejection_fraction(masks: np.ndarray, ed: np.ndarray, es: np.ndarray) -> float:
    """As :func:`area_ejection_fraction`, of the volumes by the method of discs."""
    return _mean_ejection_fraction(*(np.array([volume(masks[frame]) for frame in frames]) for frames in (ed, es)))


def _mean_ejection_fraction(diastolic: np.ndarray, systolic: np.ndarray) -> float:
    if len(diastolic) == 0 or len(systolic) == 0:
        return float("nan")
    return ejection_fraction(float(diastolic.mean()), float(systolic.mean()))
