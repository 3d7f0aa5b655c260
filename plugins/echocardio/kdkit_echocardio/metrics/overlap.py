"""Overlap of the predicted with the true cavity at end-diastole and end-systole."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from kdkit import Sample

from .mask_metric import MaskMetric, Pairs


class Overlap(MaskMetric):
    """Mean over the clip's ED and ES frames that have a mask; one case per clip."""

    unit = ""
    higher_is_better = True
    value_range = (0, 1)

    @abstractmethod
    def overlap(self, shared: int, predicted: int, true: int) -> float:
        """The overlap of two masks, not both empty, from the pixels that they share and that each has."""

    def cases(self, pairs: Pairs, sample: Sample) -> list[tuple[float, ...]]:
        return [(float(np.mean([self._compare(*pair) for pair in pairs])),)]

    def _compare(self, predicted: np.ndarray, true: np.ndarray) -> float:
        if not predicted.any() and not true.any():
            return 1.0
        return self.overlap(int((predicted & true).sum()), int(predicted.sum()), int(true.sum()))


class Dice(Overlap):
    """``2 |P & T| / (|P| + |T|)``, mean over the clip's ED and ES frames (Dice 1945).

    1 when both masks are empty, 0 when one is.
    """

    def overlap(self, shared: int, predicted: int, true: int) -> float:
        return 2 * shared / (predicted + true)


class DiceED(Dice):
    """``2 |P & T| / (|P| + |T|)`` at end-diastole (Dice 1945); 1 when both masks are empty, 0 when one is."""

    events = ("ed",)


class DiceES(Dice):
    """``2 |P & T| / (|P| + |T|)`` at end-systole (Dice 1945); 1 when both masks are empty, 0 when one is."""

    events = ("es",)


class IoU(Overlap):
    """``|P & T| / |P | T|``, mean over the clip's ED and ES frames (Jaccard 1912).

    1 when both masks are empty, 0 when one is.
    """

    def overlap(self, shared: int, predicted: int, true: int) -> float:
        return shared / (predicted + true - shared)


class PooledDice(MaskMetric):
    """``2 |P & T| / (|P| + |T|)`` of all clips' ED and ES frames with a mask as one set of pixels.

    That is how EchoNet-Dynamic's Dice coefficient is reported (Ouyang et al. 2020).
    Large ventricles count for more than small ones, and one that is missed costs less than in ``dice``. 1 when all
    masks are empty.
    """

    unit = ""
    higher_is_better = True
    value_range = (0, 1)

    def cases(self, pairs: Pairs, sample: Sample) -> list[tuple[float, ...]]:
        return [(float((one & other).sum()), float(one.sum() + other.sum())) for one, other in pairs]

    def summarize(self, cases: np.ndarray) -> float:
        shared, total = cases.sum(0)
        return float(2 * shared / total) if total else 1.0
