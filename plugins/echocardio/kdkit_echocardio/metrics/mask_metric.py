"""What the metrics of masks at end-diastole and end-systole have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from kdkit import Sample

from ..geometry import binarize
from .clip_metric import ClipMetric
from .truth import annotator_pairs, traced_events

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]


class MaskMetric(ClipMetric):
    """A metric of pairs of masks of one frame: a model's and a person's, or those of two people."""

    events: tuple[str, ...] = ("ed", "es")

    @abstractmethod
    def cases(self, pairs: Pairs, sample: Sample) -> list[tuple[float, ...]]:
        """What one clip's pairs give, each (measured, true), bool (H, W); never without any pair."""

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        traced = traced_events(sample, prediction, self.events)
        return self._cases([(binarize(prediction[frame]), mask) for frame, mask in traced], sample)

    def humans(self, sample: Sample) -> list[tuple[float, ...]]:
        """Each annotator of a frame against every other one."""
        return self._cases(list(annotator_pairs(sample, self.events)), sample)

    def _cases(self, pairs: Pairs, sample: Sample) -> list[tuple[float, ...]]:
        return self.cases(pairs, sample) if pairs else []
