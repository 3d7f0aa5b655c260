"""Masks of the left ventricle from probabilities, and their areas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# From this probability on a pixel belongs to the ventricle: everywhere, for every model and every metric.
THRESHOLD = 0.5

Masks = NDArray[np.bool_]


def binarize(probability: np.ndarray) -> Masks:
    """The masks of a prediction: bool, true where the probability is at least :data:`THRESHOLD`."""
    return np.asarray(probability) >= THRESHOLD


def largest_component(mask: np.ndarray) -> Masks:
    """The largest 4-connected component of a mask (H, W), bool; an empty mask stays empty."""
    import cv2

    pixels = np.asarray(mask, np.uint8)
    left, top, width, height = cv2.boundingRect(pixels)
    box = slice(top, top + height), slice(left, left + width)
    largest = np.zeros(pixels.shape, bool)
    if width and height:
        # A ventricle fills a small part of its frame.
        _, labels, stats, _ = cv2.connectedComponentsWithStats(pixels[box], connectivity=4)
        largest[box] = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return largest


def clean(masks: np.ndarray) -> Masks:
    """:func:`largest_component` of each frame of (T, H, W): there is one left ventricle."""
    return np.stack([largest_component(mask) for mask in masks])


def area_curve(masks: np.ndarray) -> NDArray[np.float64]:
    """Foreground pixels of each frame of (T, H, W): float64 (T,)."""
    return np.asarray(masks, bool).sum((1, 2)).astype(np.float64)
