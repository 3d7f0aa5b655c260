"""One mask from the masks of several annotators, and how far they agree."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .masks import Masks

# As Warfield et al. start: everyone is nearly always right, which decides that 1 means foreground and not background.
_START = 0.99999
# An annotator who was never wrong in one frame is not infallible: two of them may contradict each other.
_SUREST = 1 - 1e-12
_CHANGE, _ITERATIONS = 1e-8, 1000


class Staple(NamedTuple):
    """What STAPLE estimates from K annotators.

    ``probability``: that a pixel is truly foreground, float64 (H, W). ``sensitivity`` and ``specificity``: each
    annotator's share of the true foreground and of the true background that he marked as such, float64 (K,); NaN
    where there is no foreground, or no background.
    """

    probability: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]

    @property
    def mask(self) -> Masks:
        """The consensus, bool (H, W): where the probability is more than a half."""
        return np.asarray(self.probability > 0.5)


class Agreement(NamedTuple):
    """How far K annotators agree.

    ``dice``: the mean Dice coefficient of all pairs, NaN for a single annotator; two empty masks agree (1).
    ``sensitivity`` and ``specificity``: each annotator's against the consensus, as :class:`Staple` estimates them.
    """

    dice: float
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]


def majority(masks: np.ndarray) -> Masks:
    """The pixels that more than half of the annotators marked: bool (H, W) from masks (K, H, W).

    Of two annotators that is what both marked. Raises ValueError without any annotator.
    """
    marked = _annotations(masks)
    return np.asarray(2 * marked.sum(0) > len(marked))


def staple(masks: np.ndarray) -> Staple:
    """Simultaneous truth and performance level estimation (Warfield, Zou and Wells 2004) of masks (K, H, W), K >= 1.

    Expectation maximisation, for two labels, over the whole frame, without a spatial prior: a pixel's prior
    probability is the share of all marks in all masks. The background of a wide frame makes every specificity high;
    compare annotators of the same frame. A single annotator is the consensus. Raises ValueError without any
    annotator.
    """
    marked = _annotations(masks)
    # Pixels that were marked by the same annotators are alike.
    patterns, pattern_of_pixel, counts = np.unique(
        marked.reshape(len(marked), -1), axis=1, return_inverse=True, return_counts=True
    )
    share = float(marked.mean())
    sensitivity = specificity = np.full(len(marked), _START)
    for _ in range(_ITERATIONS):
        truth = _expected(patterns, share, sensitivity, specificity)
        before = sensitivity, specificity
        sensitivity = _rate(patterns, truth * counts)
        specificity = _rate(~patterns, (1 - truth) * counts)
        if np.nanmax(np.abs(np.subtract((sensitivity, specificity), before)), initial=0.0) < _CHANGE:
            break
    return Staple(truth[pattern_of_pixel.ravel()].reshape(marked.shape[1:]), sensitivity, specificity)


def agreement(masks: np.ndarray) -> Agreement:
    """How far the annotators of one frame agree, from their masks (K, H, W), K >= 1."""
    marked = _annotations(masks)
    pairs = [_dice(one, other) for one, other in combinations(marked, 2)]
    consensus = staple(marked)
    return Agreement(float(np.mean(pairs)) if pairs else float("nan"), consensus.sensitivity, consensus.specificity)


def _annotations(masks: np.ndarray) -> Masks:
    marked = np.asarray(masks, bool)
    if marked.ndim != 3 or len(marked) == 0:
        raise ValueError(f"masks of one or more annotators are an array (K, H, W), not of shape {marked.shape}")
    return marked


def _expected(
    patterns: np.ndarray, share: float, sensitivity: np.ndarray, specificity: np.ndarray
) -> NDArray[np.float64]:
    """The probability of foreground for each pattern of marks, bool (K, P): float64 (P,)."""
    if share in (0.0, 1.0):
        return np.full(patterns.shape[1], share)
    # Where nothing is left of one label, nothing is known of who marks it rightly: as in the beginning.
    rates = (np.nan_to_num(rate, nan=_START) for rate in (sensitivity, specificity))
    hit, right = (np.clip(rate, 1 - _SUREST, _SUREST)[:, None] for rate in rates)
    foreground = np.log(share) + np.where(patterns, np.log(hit), np.log1p(-hit)).sum(0)
    background = np.log1p(-share) + np.where(patterns, np.log1p(-right), np.log(right)).sum(0)
    return np.asarray(np.exp(foreground - np.logaddexp(foreground, background)))


def _rate(marks: np.ndarray, weights: np.ndarray) -> NDArray[np.float64]:
    """The weighted share of marks, bool (K, P), of each annotator: float64 (K,); NaN without any weight."""
    total = weights.sum()
    return np.asarray(marks @ weights / total) if total > 0 else np.full(len(marks), np.nan)


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0
