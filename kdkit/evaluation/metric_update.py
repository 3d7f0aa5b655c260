"""What a metric measures of a model's prediction, and what else it reads beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kdkit.contracts.metric import Metric, as_cases
from kdkit.plugins.calls import check_answer, name_component
from kdkit.runs.folder import TEACHER
from kdkit.sample import Sample


def empty_metric(metric: Metric) -> Metric:
    """A metric with the same options that has gathered nothing yet."""
    return type(metric)(metric.options)


def update_metric(
    metric: Metric, model: str, prediction: np.ndarray | None, sample: Sample, teacher: np.ndarray | None
) -> np.ndarray | None:
    """Have the metric take a model's prediction into account; see :func:`measure_cases`."""
    cases = measure_cases(metric, model, prediction, sample, teacher)
    metric.add_cases(cases, sample.unit)
    return cases


def measure_cases(
    metric: Metric,
    model: str,
    prediction: np.ndarray | None,
    sample: Sample,
    teacher: np.ndarray | None,
    probes: Sequence[np.ndarray] = (),
) -> np.ndarray | None:
    """The cases that the metric finds in a model's prediction, float64 (cases, tuple length); None without any.

    Of people, who are no model, there is no prediction: the metric finds what the sample itself holds of them.
    ``teacher``, ``probes``: the teacher's prediction and those for the metric's probes, which it finds as truth.
    None for the teacher by a metric that compares with the teacher.
    """
    name = sample.info.get("name", "a sample")
    if prediction is None:
        with name_component(metric, f"failed on people's answers for {name}"):
            return as_cases(check_answer(metric.humans, metric.humans(sample), sample))
    if metric.reads_teacher and model == TEACHER:
        return None
    truth = dict(sample.truth)
    if metric.reads_teacher and teacher is not None:
        truth["teacher"] = teacher
    if probes:
        truth["probes"] = np.stack(probes)
    with name_component(metric, f"failed on the {model}'s prediction for {name}"):
        cases = metric.measure(prediction, replace(sample, truth=truth))
        return as_cases(check_answer(metric.measure, cases, sample))


def sample_value(metric: Metric, cases: np.ndarray | None) -> float | None:
    """The metric on one sample alone; None where it means nothing for one (a correlation)."""
    if cases is None:
        return None
    with name_component(metric, "failed on the values of one sample"):
        value = check_answer(metric.summarize, metric.summarize(cases))
    return float(value) if np.isfinite(value) else None
