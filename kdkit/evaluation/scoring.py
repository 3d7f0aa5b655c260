"""Models and samples → scores, for everything and for each group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.metric import Metric, Score
from kdkit.contracts.vocabulary import Figure
from kdkit.engine.processor import is_plain_processor
from kdkit.errors import DataError
from kdkit.evaluation.case_table import CaseTable
from kdkit.evaluation.data_doubts import DATA, doubts_about_data
from kdkit.evaluation.grouped_metrics import ALL, GroupedMetrics, Scores
from kdkit.evaluation.judgement import JudgedDifference, judge_differences
from kdkit.evaluation.measurement import measure_each, worker_count
from kdkit.evaluation.overview import Overview
from kdkit.evaluation.paired import CaseRecord
from kdkit.evaluation.prediction_cache import PredictionCache
from kdkit.evaluation.sample_models import SampleModels
from kdkit.evaluation.source_measurement import MeasuredSource, SourceMeasurement
from kdkit.plugins.calls import call
from kdkit.progress import Bar, Progress
from kdkit.recipe.schema import Hardware
from kdkit.runs.folder import HUMANS
from kdkit.runs.recordings import Recordings


@dataclass
class ScoringResult:
    """What came of the data.

    ``scores``: model, group, metric to score; the group "all" comes first. Where people can be measured in a model's
    place, "humans" is the last model. ``rows``: one for each sample, model and group, with each metric's value and
    cases: :class:`CaseTable`. ``unlabelled``: samples without any truth, where every metric needs one.
    ``skipped``: (sample, reason) of what could not be read. ``overview``: what the domain drew of all
    samples together. ``differences``: of all samples, see :func:`judge_differences`, with the domain's margins.
    ``trained``: samples that the student was trained on; ``trained_units``: others of units that it was trained on.
    ``doubts``: sentences on what speaks against the scores, by what they are about.
    """

    scores: Scores = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    unlabelled: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    overview: list[Figure] = field(default_factory=list)
    differences: dict[str, dict[str, JudgedDifference]] = field(default_factory=dict)
    trained: list[str] = field(default_factory=list)
    trained_units: list[str] = field(default_factory=list)
    doubts: dict[str, list[str]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything but rows and pictures as plain values."""
        return {
            "unlabelled": self.unlabelled,
            "skipped": [{"sample": name, "reason": reason} for name, reason in self.skipped],
            "scores": {
                model: {group: _plain(by_name) for group, by_name in groups.items()}
                for model, groups in self.scores.items()
            },
            "differences": {pair: _plain(by_name) for pair, by_name in self.differences.items()},
            "trained": self.trained,
            "trained_units": self.trained_units,
            "doubts": self.doubts,
        }

    def metric_names(self) -> list[str]:
        """The metrics that could be measured at all, in their order."""
        every = [by_name for groups in self.scores.values() for by_name in groups.values()]
        names = dict.fromkeys(name for by_name in every for name in by_name)
        return [name for name in names if any(by_name[name].n for by_name in every)]


def score_models(
    networks: Mapping[str, torch.nn.Module],
    domain: Domain,
    source: Generator,
    metrics: Mapping[str, Metric],
    hardware: Hardware,
    seed: int,
    cache: PredictionCache,
    progress: Progress,
    pictures: bool = False,
    trained: Recordings | None = None,
) -> ScoringResult:
    """Have every network predict every sample of the source that has what a metric needs, and score the predictions.

    What ``cache`` holds already is not predicted again. On the processor each sample is read, predicted and measured
    in one of several processes. With ``pictures`` the domain also draws all samples together.
    ``trained``: the recordings that the student was trained on, which the result tells of where they are measured.
    Raises :class:`DataError` when the source holds nothing that could be measured, before anything is read where it
    says so itself, and :class:`KdkitError` when a prediction is not finite.
    """
    everything = range(call(source.count) or 0)
    if all(metric.needs_truth for metric in metrics.values()) and not call(source.has_truth):
        raise _nothing_measured(len(everything), 0)
    people = [] if source.synthetic else [HUMANS]
    models = SampleModels(networks, domain)
    on_processor = is_plain_processor(hardware)
    predict = models if on_processor else None
    measure = SourceMeasurement(source, domain, metrics, cache, people, pictures, trained, predict)
    missing: Sequence[int] = []
    with progress.work("evaluate", f"{len(metrics)} metrics", len(everything), "samples") as bar:
        gathering = _Gathering([*networks, *people], metrics, Overview(domain) if pictures else None)
        if on_processor or not cache.is_empty():
            missing = gathering.take(measure_each(measure, everything, worker_count(metrics, hardware.workers)), bar)
        else:
            missing = everything
        if missing:
            from kdkit.evaluation.device_measurement import measure_on_device

            measure_on_device(measure, models, missing, hardware, lambda one: gathering.take([one], bar))
    with progress.work("evaluate", "intervals", 1, "step") as bar:
        margins = {title: domain.margins.get(metric.origin.name, 0.0) for title, metric in metrics.items()}
        result = gathering.result(list(networks), margins, seed)
        bar.advance()
    if not result.rows:
        raise _nothing_measured(result.unlabelled, len(result.skipped))
    if not any(score.n for groups in result.scores.values() for by in groups.values() for score in by.values()):
        raise DataError(
            f"nothing could be measured: no sample has what {', '.join(metrics)} needs",
            "Choose other metrics with --metric.",
        )
    return result


def _nothing_measured(unlabelled: int, unreadable: int) -> DataError:
    parts = [f"{unlabelled} samples have no label", *([f"{unreadable} could not be read"] if unreadable else [])]
    return DataError(
        f"nothing could be measured: {', '.join(parts)}",
        "Without labels, measure beside the teacher: --metric with one that reads it (kdkit plugins info METRIC)."
        if unlabelled
        else "",
    )


class _Gathering:
    """What was measured, sample by sample."""

    def __init__(self, models: Sequence[str], metrics: Mapping[str, Metric], overview: Overview | None) -> None:
        self.models = models
        self.metrics = metrics
        self.overview = overview
        self.measured: list[MeasuredSource] = []

    def take(self, every: Iterable[MeasuredSource], bar: Bar) -> list[int]:
        """Take what was measured; returns the samples that a model has not predicted yet."""
        missing = []
        for measured in every:
            if measured.is_unpredicted:
                missing.append(measured.index)
                continue
            if self.overview and measured.case:
                self.overview.add(measured.case)
            self.measured.append(replace(measured, case=None))
            bar.advance()
        return missing

    def result(self, networks: Sequence[str], margins: Mapping[str, float], seed: int) -> ScoringResult:
        """Scores, differences, rows and pictures of everything that was taken."""
        grouped, record = GroupedMetrics(self.models, self.metrics), CaseRecord(self.metrics)
        table, result = CaseTable(self.metrics), ScoringResult()
        self.measured.sort(key=lambda one: one.index)
        several = any(len(one.groups) > 1 for one in self.measured)
        for one in self.measured:
            if one.reason:
                result.skipped.append((str(one.index), one.reason))
            result.unlabelled += one.is_unlabelled
            if one.trained:
                known = result.trained if one.trained == "sample" else result.trained_units
                known.append(str(one.info.get("name", one.index)))
            for group, by_model in one.groups.items():
                for model, by_name in by_model.items():
                    table.add(one.index, one.info, model, by_name, **({"group": group} if several else {}))
                    for name, cases in by_name.items():
                        grouped.of_group(group)[model][name].add_cases(cases, one.unit)
                        if group == ALL:
                            record.add(model, name, one.index, cases, one.info)
        result.scores = grouped.scores(seed)
        result.differences = judge_differences(record, networks, margins.__getitem__, seed)
        result.rows = [row for row in table.rows() if row["model"] in result.scores]
        result.overview = self.overview.figures() if self.overview else []
        measured = sum(bool(one.groups) for one in self.measured)
        if doubts := doubts_about_data(result.trained, result.trained_units, measured):
            result.doubts = {DATA: doubts}
        return result


def _plain(values: Mapping[str, Score | JudgedDifference]) -> dict[str, dict[str, Any]]:
    return {name: asdict(value) for name, value in values.items()}
