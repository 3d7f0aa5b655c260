"""Measuring the samples of a user's data, whose predictions lie in a cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.metric import Metric
from kdkit.contracts.vocabulary import Case
from kdkit.errors import DataError
from kdkit.evaluation.grouped_metrics import ALL
from kdkit.evaluation.metric_update import measure_cases
from kdkit.evaluation.prediction_cache import PredictionCache
from kdkit.plugins.calls import call, place_of, title_of
from kdkit.plugins.guard import describe_error, pass_on_interruption
from kdkit.runs.folder import TEACHER
from kdkit.runs.recordings import Recordings, kind_of
from kdkit.sample import Sample

_CasesByModel = dict[str, dict[str, np.ndarray | None]]


@dataclass(frozen=True)
class MeasuredSource:
    """What came of one sample.

    ``groups``: from a group to a model to a metric to cases, None where it could not be measured. Empty where the
    sample could not be read (``reason``), has no label, or was not predicted yet. ``case``: for pictures.
    ``trained``: whether the student was trained on the very sample, or on one of its unit.
    """

    index: int
    info: Mapping[str, Any] = field(default_factory=dict)
    unit: str | None = None
    groups: Mapping[str, _CasesByModel] = field(default_factory=dict)
    reason: str = ""
    is_unlabelled: bool = False
    is_unpredicted: bool = False
    case: Case | None = None
    trained: Literal["", "sample", "unit"] = ""


@dataclass(frozen=True)
class SourceMeasurement:
    """Reads and measures a sample of the source by its index.

    ``people``: ["humans"], or nothing. ``trained``: what the student was trained on, None where nothing is known.
    ``predict``: gives each model's prediction, float32, where the cache holds none, which then keeps it.
    """

    source: Generator
    domain: Domain
    metrics: Mapping[str, Metric]
    cache: PredictionCache
    people: Sequence[str]
    pictures: bool
    trained: Recordings | None = None
    predict: Callable[[Sample], Mapping[str, np.ndarray]] | None = None

    def __call__(self, index: int) -> MeasuredSource:
        return self.measure(index, read_sample(self.source, index))

    def measure(self, index: int, sample: Sample | str) -> MeasuredSource:
        """What comes of a sample that was read, or of the reason why it could not be."""
        if isinstance(sample, str):
            return MeasuredSource(index, reason=sample)
        if not is_measurable(sample, self.metrics):
            return MeasuredSource(index, is_unlabelled=True)
        predictions, probes = self._predictions(sample), self._probes(sample)
        if predictions is None or probes is None:
            return MeasuredSource(index, is_unpredicted=True)
        groups = {
            group: self._measure(stratum, predictions, probes)
            for group, stratum in {ALL: sample, **call(self.domain.strata, sample)}.items()
        }
        case = Case("", float("nan"), sample, predictions) if self.pictures else None
        return MeasuredSource(index, sample.info, sample.unit, groups, case=case, trained=self._trained(sample))

    def _trained(self, sample: Sample) -> Literal["", "sample", "unit"]:
        if self.trained is None:
            return ""
        if self.trained.find_content(sample) is not None:
            return "sample"
        return "unit" if self.trained.find_unit(sample, kind_of(self.source)) is not None else ""

    def _predictions(self, sample: Sample) -> Mapping[str, np.ndarray] | None:
        predictions: Mapping[str, np.ndarray] | None = self.cache.read(sample)
        if predictions is None and self.predict:
            predictions = self.predict(sample)
            self.cache.write(sample, predictions)
        return predictions

    def _probes(self, sample: Sample) -> dict[str, list[Mapping[str, np.ndarray]]] | None:
        """By metric each model's predictions for its probes; None where one is missing."""
        by_metric = {}
        for name, metric in self.metrics.items():
            predictions = [self._predictions(replace(sample, inputs=probe)) for probe in call(metric.probes, sample)]
            present = [prediction for prediction in predictions if prediction is not None]
            if len(present) < len(predictions):
                return None
            by_metric[name] = present
        return by_metric

    def _measure(
        self,
        sample: Sample,
        predictions: Mapping[str, np.ndarray],
        probes: Mapping[str, Sequence[Mapping[str, np.ndarray]]],
    ) -> _CasesByModel:
        teacher = predictions.get(TEACHER)
        cases: _CasesByModel = {}
        for model in (*predictions, *self.people):
            cases[model] = {}
            for name, metric in self.metrics.items():
                own = [] if model in self.people else [by_model[model] for by_model in probes[name]]
                cases[model][name] = measure_cases(metric, model, predictions.get(model), sample, teacher, own)
        return cases


def read_sample(source: Generator, index: int) -> Sample | str:
    """A sample of the source, or the reason why it cannot be read."""
    try:
        return next(iter(source.generate([index])))
    except DataError as error:
        return error.line
    except BaseException as error:  # a source may fail in any way on one recording
        pass_on_interruption(error)
        return f"{title_of(source)} failed on it: {describe_error(error)}. {place_of(error, component=source)}"


def is_measurable(sample: Sample, metrics: Mapping[str, Metric]) -> bool:
    """Whether the sample has any truth, or a metric needs none."""
    return bool(sample.truth) or any(not metric.needs_truth for metric in metrics.values())
