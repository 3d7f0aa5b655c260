"""Steadiness of a prediction from frame to frame, which needs no truth."""

from __future__ import annotations

import math

import numpy as np

from kdkit import Sample

from ..geometry import area_curve, binarize, clean
from .clip_metric import ClipMetric


class Flicker(ClipMetric):
    """Mean of ``|A(t+1) - 2 A(t) + A(t-1)|`` over a clip, in percent of the mean of A; no truth is needed.

    A is the area of the largest component in each frame. The second difference tells trembling from beating, as in
    Painchaud et al. (2022); its mean relative to the mean area is our own measure. A beating heart has some too, and
    the more the lower the frame rate: compare models on the same clips. A constant mask has none, so read it with
    an overlap. A clip of fewer than three frames, or without any ventricle, is not counted.
    """

    unit = "%"
    higher_is_better = False
    value_range = (0, math.inf)
    needs_truth = False

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        areas = area_curve(clean(binarize(prediction)))
        if len(areas) < 3 or not areas.any():
            return []
        return [(float(100 * np.abs(np.diff(areas, 2)).mean() / areas.mean()),)]
