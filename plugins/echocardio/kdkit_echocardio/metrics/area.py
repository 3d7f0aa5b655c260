"""Size of the predicted against the true cavity at end-diastole and end-systole."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np

from kdkit import Sample

from .mask_metric import MaskMetric, Pairs


class RelativeArea(MaskMetric):
    """Mean over the clip's ED and ES frames that have a mask; one case per clip."""

    unit = "%"

    @abstractmethod
    def error(self, percent: float) -> float:
        """What counts of one frame's relative difference in percent."""

    def cases(self, pairs: Pairs, sample: Sample) -> list[tuple[float, ...]]:
        values = [
            self.error(100 * (float(predicted.sum()) / float(true.sum()) - 1))
            for predicted, true in pairs
            if true.any()
        ]
        return [(float(np.mean(values)),)] if values else []


class AreaBias(RelativeArea):
    """Mean of ``100 (A_P - A_T) / A_T`` over the clip's ED and ES frames that have a mask; one case per clip.

    A_P and A_T are the predicted and the true area; frames with an empty true mask are left out.
    """

    higher_is_better = None

    def error(self, percent: float) -> float:
        return percent

    def humans(self, sample: Sample) -> list[tuple[float, ...]]:
        """None: of two people neither is the one that is biased."""
        return []


class AreaError(RelativeArea):
    """Mean of ``100 |A_P - A_T| / A_T`` over the clip's ED and ES frames that have a mask; one case per clip.

    A_P and A_T are the predicted and the true area; frames with an empty true mask are left out.
    """

    higher_is_better = False
    value_range = (0, math.inf)

    def error(self, percent: float) -> float:
        return abs(percent)
