"""The metrics that need the diagnosis; those against the teacher come with kdkit."""

from __future__ import annotations

import numpy as np

from kdkit import Metric, Sample


class Accuracy(Metric):
    """Share of rows whose more probable class is the true one, ``truth["label"]``."""

    unit = ""
    higher_is_better = True
    value_range = (0, 1)

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        if "label" not in sample.truth:
            return []
        return [(float(prediction.argmax() == int(sample.truth["label"])),)]


class AUC(Metric):
    """Area under the ROC curve of the probability of malignant; NaN where all rows are of one class."""

    unit = ""
    higher_is_better = True
    value_range = (0, 1)

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        if "label" not in sample.truth:
            return []
        return [(float(prediction[1]), float(sample.truth["label"]))]

    def summarize(self, cases: np.ndarray) -> float:
        """The share of pairs of rows, one of each class, in the right order (Mann & Whitney 1947)."""
        from scipy.stats import rankdata

        malignant = cases[:, 1] == 1
        count = int(malignant.sum())
        if count in (0, len(cases)):
            return float("nan")
        ranks = rankdata(cases[:, 0])[malignant].sum()
        return float((ranks - count * (count + 1) / 2) / (count * (len(cases) - count)))
