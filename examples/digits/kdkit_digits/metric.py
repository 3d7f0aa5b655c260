"""The metric."""

from __future__ import annotations

import numpy as np

from kdkit import Metric, Sample


class Accuracy(Metric):
    """Share of samples whose most probable class is the true one, ``truth["label"]``."""

    unit = ""
    higher_is_better = True
    value_range = (0, 1)

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        if "label" not in sample.truth:
            return []
        return [(float(prediction.argmax() == int(sample.truth["label"])),)]
