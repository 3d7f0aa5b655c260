"""Distance between the borders of the predicted and the true cavity at end-diastole and end-systole."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np

from kdkit import Sample

from ..geometry import hausdorff95, mean_surface_distance
from .mask_metric import MaskMetric, Pairs
from .truth import millimetres


class SurfaceDistance(MaskMetric):
    """Mean over the clip's ED and ES frames that have a mask; one case per clip.

    Whatever the prediction marks counts, specks as well. 0 when both masks are empty. When only one is, it counts as
    the frame's diagonal, the furthest that borders can be apart: left out, a model that finds nothing in the
    difficult clips would be rewarded.
    """

    unit = "pixels"
    higher_is_better = False
    value_range = (0, math.inf)

    @abstractmethod
    def distance(self, predicted: np.ndarray, true: np.ndarray) -> float:
        """The distance of two masks (H, W) in pixels; NaN when one is empty."""

    def pixel(self, sample: Sample) -> float | None:
        """The side of a pixel in the metric's unit; None where unknown."""
        return 1.0

    def cases(self, pairs: Pairs, sample: Sample) -> list[tuple[float, ...]]:
        pixel = self.pixel(sample)
        if not pixel:
            return []
        diagonal = float(np.hypot(*pairs[0][0].shape))
        distances = [self.distance(predicted, true) for predicted, true in pairs]
        return [(pixel * float(np.mean(np.nan_to_num(distances, nan=diagonal))),)]


class InMillimetres(SurfaceDistance):
    """In millimetres, by ``info["spacing_mm"]``; a clip without it is not counted."""

    unit = "mm"

    def pixel(self, sample: Sample) -> float | None:
        return millimetres(sample)


class Hausdorff95(SurfaceDistance):
    """95 % Hausdorff distance: of both directions' 95th percentiles of border distances the larger, in pixels.

    Mean over the clip's ED and ES frames (Huttenlocher, Klanderman and Rucklidge 1993). 0 when both masks are empty,
    the frame's diagonal when one is.
    """

    def distance(self, predicted: np.ndarray, true: np.ndarray) -> float:
        return hausdorff95(predicted, true)


class Hausdorff95Millimetres(InMillimetres, Hausdorff95):
    """``hd95`` in millimetres, over the clips whose pixel spacing is known."""


class MeanSurfaceDistance(SurfaceDistance):
    """Mean distance of either border's pixels from the other border, in pixels.

    Mean over the clip's ED and ES frames (average symmetric surface distance, Heimann et al. 2009). 0 when both masks
    are empty, the frame's diagonal when one is.
    """

    def distance(self, predicted: np.ndarray, true: np.ndarray) -> float:
        return mean_surface_distance(predicted, true)


class MeanSurfaceDistanceMillimetres(InMillimetres, MeanSurfaceDistance):
    """``msd`` in millimetres, over the clips whose pixel spacing is known."""
