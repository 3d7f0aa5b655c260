"""Size of the predicted beside the true cavity at end-diastole and end-systole."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from kdkit import Sample

from ..geometry import binarize
from .clip_metric import ClipMetric
from .truth import traced_events


class AreaBias(ClipMetric):
    """Mean of ``100 (A_P - A_T) / A_T`` over the clip's ED and ES frames that have a mask; one case per clip.

    A_P and A_T are the predicted and the true area; frames with an empty true mask are left out.
    """

    unit = "%"
    higher_is_better: ClassVar[bool | None] = None

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        values = [
            self.error(100 * (float(binarize(prediction[frame]).sum()) / float(mask.sum()) - 1))
            for frame, mask in traced_events(sample, prediction, ("ed", "es"))
            if mask.any()
        ]
        return [(float(np.mean(values)),)] if values else []

    def error(self, percent: float) -> float:
        """What counts of one frame's relative difference in percent."""
        return percent


class AreaError(AreaBias):
    """Mean of ``100 |A_P - A_T| / A_T`` over the clip's ED and ES frames that have a mask; one case per clip.

    A_P and A_T are the predicted and the true area; frames with an empty true mask are left out.
    """

    higher_is_better = False

    def error(self, percent: float) -> float:
        return abs(percent)
