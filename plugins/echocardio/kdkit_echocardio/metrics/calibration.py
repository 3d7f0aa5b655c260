"""Whether predicted probabilities are frequencies: calibration at the pixels of the ED and ES frames with a mask."""

from __future__ import annotations

import numpy as np

from kdkit import Sample

from .clip_metric import ClipMetric
from .truth import traced_events

BINS = 15


def labelled_pixels(prediction: np.ndarray, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Probability and truth (0 or 1) of all pixels of the clip's ED and ES frames with a mask: float64 (N,) each."""
    frames, masks = [], []
    for frame, mask in traced_events(sample, prediction, ("ed", "es")):
        frames.append(prediction[frame])
        masks.append(mask)
    return np.array(frames, np.float64).ravel(), np.array(masks, np.float64).ravel()


class Brier(ClipMetric):
    """Mean of ``(p - y)^2`` over the pixels of the clip's ED and ES frames with a mask, y being 0 or 1 (Brier 1950).

    Most pixels lie far from the ventricle, so it is small: compare models on the same clips.
    """

    unit = ""
    higher_is_better = False
    value_range = (0, 1)

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        probability, true = labelled_pixels(prediction, sample)
        return [(float(np.mean((probability - true) ** 2)),)] if len(true) else []


class CalibrationError(ClipMetric):
    """Expected calibration error: ``sum over bins of |sum of p - sum of y| / N`` (Naeini et al. 2015).

    p is the foreground's probability and y the truth, 0 or 1, of the N pixels of all clips' ED and ES frames with a
    mask; the 15 bins are equal parts of 0..1. Most pixels lie far from the ventricle, so it is small: compare models
    on the same clips.
    """

    unit = ""
    higher_is_better = False
    value_range = (0, 1)

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        probability, true = labelled_pixels(prediction, sample)
        if len(true) == 0:
            return []
        bins = np.minimum((probability * BINS).astype(np.intp), BINS - 1)
        excess = np.bincount(bins, probability - true, minlength=BINS)
        return [(float(len(true)), *excess.tolist())]

    def summarize(self, cases: np.ndarray) -> float:
        pixels, excess = cases[:, 0].sum(), cases[:, 1:].sum(0)
        return float(np.abs(excess).sum() / pixels)
