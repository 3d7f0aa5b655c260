"""Updating a metric with a model's prediction, and what else the metric reads beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kdkit.contracts.metric import Metric
from kdkit.plugins.guard import name_component
from kdkit.runs.folder import TEACHER
from kdkit.sample import Sample


def empty_metric(metric: Metric) -> Metric:
    """A metric with the same options that has gathered nothing yet."""
    return type(metric)(metric.options)


def update_metric(
    metric: Metric,
    model: str,
    prediction: np.ndarray | None,
    sample: Sample,
    teacher: np.ndarray | None,
    probes: Sequence[np.ndarray] = (),
) -> np.ndarray | None:
    """Have the metric take a model's prediction into account.

    Of people, who are no model, there is no prediction: the metric takes what the sample itself holds of them.
    ``teacher``, ``probes``: the teacher's prediction and those for the metric's probes, which it finds as truth.
    Returns what :meth:`Metric.update` does; None for the teacher by a metric that compares with the teacher.
    """
    name = sample.info.get("name", "a sample")
    if prediction is None:
        with name_component(metric, f"failed on people's answers for {name}"):
            return metric.update_humans(sample)
    if metric.reads_teacher and model == TEACHER:
        return None
    truth = dict(sample.truth)
    if metric.reads_teacher and teacher is not None:
        truth["teacher"] = teacher
    if probes:
        truth["probes"] = np.stack(probes)
    with name_component(metric, f"failed on the {model}'s prediction for {name}"):
        return metric.update(prediction, replace(sample, truth=truth))


def sample_value(metric: Metric, cases: np.ndarray | None) -> float | None:
    """The metric on one sample alone; None where it means nothing for one (a correlation)."""
    if cases is None:
        return None
    with name_component(metric, "failed on the values of one sample"):
        value = metric.summarize(cases)
    return round(value, 6) if np.isfinite(value) else None
