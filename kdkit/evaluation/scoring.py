"""Models and samples → scores, for everything and for each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import Dataset

from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.metric import Metric, Score
from kdkit.contracts.vocabulary import Figure
from kdkit.engine.inference import freeze, infer_logits
from kdkit.engine.sample_prediction import SampleOrReason, SamplePredictor, predict_samples
from kdkit.errors import DataError, KdkitError
from kdkit.evaluation.case_table import CaseTable
from kdkit.evaluation.data_doubts import DATA, doubts_about_data
from kdkit.evaluation.grouped_metrics import ALL, GroupedMetrics, Scores
from kdkit.evaluation.judgement import JudgedDifference, judge_differences
from kdkit.evaluation.measurement import measure_each, worker_count
from kdkit.evaluation.overview import Overview
from kdkit.evaluation.paired import CaseRecord
from kdkit.evaluation.prediction_cache import PredictionCache
from kdkit.evaluation.source_measurement import MeasuredSource, SourceMeasurement, is_measurable, read_sample
from kdkit.plugins.calls import call
from kdkit.progress import Bar, Progress
from kdkit.recipe.schema import Hardware
from kdkit.runs.folder import HUMANS
from kdkit.runs.recordings import Recordings
from kdkit.sample import Sample
from kdkit.scratch import scratch_folder
from kdkit.store.targets import activate

Networks = Mapping[str, torch.nn.Module]

# Samples that wait in memory for their turn.
_READ_AHEAD = 3

_LOST = "what was predicted for it is gone: it was changed, or the predictions were removed, in the meantime"


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
    networks: Networks,
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

    What ``cache`` holds already is not predicted again. With ``pictures`` the domain also draws all samples together.
    ``trained``: the recordings that the student was trained on, which the result tells of where they are measured.
    Raises :class:`DataError` when the source holds nothing that could be measured, and :class:`KdkitError` when a
    prediction is not finite.
    """
    people = [] if source.synthetic else [HUMANS]
    measure = SourceMeasurement(source, domain, metrics, cache, people, pictures, trained)
    workers = worker_count(metrics, hardware.workers)
    everything = range(call(source.count) or 0)
    with progress.work("evaluate", f"{len(metrics)} metrics", len(everything), "samples") as bar:
        gathering = _Gathering([*networks, *people], metrics, Overview(domain) if pictures else None)
        missing = everything if cache.is_empty() else gathering.take(measure, everything, workers, bar)
    if missing:
        with progress.work("predict", ", ".join(networks), len(missing), "samples") as bar:
            _predict(networks, domain, source, metrics, missing, cache, hardware, bar)
        with progress.work("evaluate", f"{len(metrics)} metrics", len(missing), "samples") as bar:
            gathering.lost = gathering.take(measure, missing, workers, bar)
    with progress.work("evaluate", "intervals", 1, "step") as bar:
        margins = {title: domain.margins.get(metric.origin.name, 0.0) for title, metric in metrics.items()}
        result = gathering.result(list(networks), margins, seed)
        bar.advance()
    if not result.rows:
        raise DataError(
            f"nothing could be measured: {result.unlabelled} samples have no label, "
            f"{len(result.skipped)} could not be read",
            "Without labels, measure beside the teacher: --metric with one that reads it (kdkit plugins info METRIC)."
            if result.unlabelled
            else "",
        )
    if not any(score.n for groups in result.scores.values() for by in groups.values() for score in by.values()):
        raise DataError(
            f"nothing could be measured: no sample has what {', '.join(metrics)} needs",
            "Choose other metrics with --metric.",
        )
    return result


class _Gathering:
    """What was measured, sample by sample; ``lost``: samples whose predictions were gone before their turn."""

    def __init__(self, models: Sequence[str], metrics: Mapping[str, Metric], overview: Overview | None) -> None:
        self.models = models
        self.metrics = metrics
        self.overview = overview
        self.measured: list[MeasuredSource] = []
        self.lost: Sequence[int] = []

    def take(self, measure: SourceMeasurement, indices: Sequence[int], workers: int, bar: Bar) -> list[int]:
        """Measure these samples; returns those that a model has not predicted yet."""
        missing = []
        for measured in measure_each(measure, indices, workers):
            if measured.is_unpredicted:
                missing.append(measured.index)
            else:
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
        result.skipped += [(str(index), _LOST) for index in self.lost]
        result.scores = grouped.scores(seed)
        result.differences = judge_differences(record, networks, margins.__getitem__, seed)
        result.rows = [row for row in table.rows() if row["model"] in result.scores]
        result.overview = self.overview.figures() if self.overview else []
        measured = sum(bool(one.groups) for one in self.measured)
        if doubts := doubts_about_data(result.trained, result.trained_units, measured):
            result.doubts = {DATA: doubts}
        return result


def predict_sample(networks: Networks, domain: Domain, sample: Sample, device: torch.device) -> dict[str, np.ndarray]:
    """Each network's activated prediction for a sample, made as the domain makes it.

    Raises :class:`KdkitError` when one is not finite.
    """
    predictions = {}
    for model, network in networks.items():

        def infer(inputs: Sequence[np.ndarray], model: str = model, network: torch.nn.Module = network) -> list[Any]:
            batch = infer_logits(network, inputs, device)
            if not all(bool(logits.isfinite().all()) for logits in batch):
                name = sample.info.get("name", "a sample")
                raise KdkitError(f"the {model}'s prediction for {name} is not finite")
            return [activate(logits, domain.activation) for logits in batch]

        predictions[model] = call(domain.predict, sample, infer)
    return predictions


def _predict(
    networks: Networks,
    domain: Domain,
    source: Generator,
    metrics: Mapping[str, Metric],
    indices: Sequence[int],
    cache: PredictionCache,
    hardware: Hardware,
    bar: Bar,
) -> None:
    """Have every network predict these samples and what metrics ask beside them, and keep the predictions."""
    with scratch_folder("evaluate") as scratch:
        predictor = _ModelPredictor(networks, domain, metrics)
        samples = _SourceSamples(source, indices)
        predict_samples(predictor, samples, _Keeper(cache, bar), hardware, scratch)


class _SourceSamples(Dataset[SampleOrReason]):
    """Each sample of the source, or the reason why it cannot be read; the next one is read while one is predicted."""

    def __init__(self, source: Generator, indices: Sequence[int]) -> None:
        self.source = source
        self.indices = indices
        # One thread: a source need not bear several.
        self.reader = ThreadPoolExecutor(1)
        self.ahead: dict[int, Future[SampleOrReason]] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> SampleOrReason:
        for number in range(item, min(item + _READ_AHEAD, len(self.indices))):
            if number not in self.ahead:
                self.ahead[number] = self.reader.submit(read_sample, self.source, self.indices[number])
        return self.ahead.pop(item).result()


class _ModelPredictor(SamplePredictor):
    """Every network at once: its predictions for a sample, and for each metric's probes of it."""

    def __init__(self, networks: Networks, domain: Domain, metrics: Mapping[str, Metric]) -> None:
        super().__init__()
        self.networks = torch.nn.ModuleDict({model: freeze(network) for model, network in networks.items()})
        self.domain = domain
        self.metrics = metrics

    def predict_step(self, batch: SampleOrReason, batch_idx: int) -> list[tuple[Sample, dict[str, np.ndarray]]]:
        if isinstance(batch, str) or not is_measurable(batch, self.metrics):
            return []
        networks = dict(self.networks.items())
        probes = [replace(batch, inputs=p) for metric in self.metrics.values() for p in call(metric.probes, batch)]
        return [(one, predict_sample(networks, self.domain, one, self.device)) for one in (batch, *probes)]


class _Keeper(Callback):
    """Keeps each prediction on the disk as soon as it is made: predictions are too large for the memory."""

    def __init__(self, cache: PredictionCache, bar: Bar) -> None:
        self.cache = cache
        self.bar = bar

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        for sample, predictions in outputs:
            self.cache.write(sample, predictions)
        self.bar.advance()


def _plain(values: Mapping[str, Score | JudgedDifference]) -> dict[str, dict[str, Any]]:
    return {name: asdict(value) for name, value in values.items()}
