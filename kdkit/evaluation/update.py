"""What a metric is told beside a model's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kdkit.contracts.metric import Metric
from kdkit.runs.folder import TEACHER
from kdkit.sample import Sample


def update(
    metric: Metric,
    model: str,
    answer: np.ndarray | None,
    sample: Sample,
    teacher: np.ndarray | None,
    probes: Sequence[np.ndarray] = (),
) -> np.ndarray | None:
    """Have the metric take a model's answer into account; it finds the teacher's and those to its probes as truth.

    People, who are no model, have no answer: of them the metric takes what the sample itself tells. Returns what
    :meth:`Metric.update` does; None for the teacher by a metric that compares with the teacher.
    """
    if answer is None:
        return metric.update_humans(sample)
    if metric.reads_teacher and model == TEACHER:
        return None
    known = dict(sample.truth)
    if metric.reads_teacher and teacher is not None:
        known["teacher"] = teacher
    if probes:
        known["probes"] = np.stack(probes)
    return metric.update(answer, replace(sample, truth=known))
