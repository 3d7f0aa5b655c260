"""Models and samples → scores, for everything and for each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import Dataset

from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.metric import Metric, Score
from kdkit.contracts.vocabulary import Case, Figure
from kdkit.engine.inference import freeze, infer_logits
from kdkit.engine.sample_prediction import SampleOrReason, SamplePredictor, predict_samples
from kdkit.errors import DataError, KdkitError
from kdkit.evaluation.grouped_metrics import ALL, GroupedMetrics, Scores
from kdkit.evaluation.judgement import JudgedDifference, judge_differences
from kdkit.evaluation.metric_update import sample_value, update_metric
from kdkit.evaluation.overview import Overview
from kdkit.evaluation.paired import CaseRecord
from kdkit.plugins.guard import describe_error, place_of, title_of
from kdkit.progress import Bar
from kdkit.recipe.schema import Hardware
from kdkit.runs.folder import HUMANS, TEACHER
from kdkit.sample import Sample
from kdkit.store.targets import activate

Networks = Mapping[str, torch.nn.Module]
# Each model's prediction for a sample, and those for each metric's probes.
_Predictions = dict[str, tuple[np.ndarray, dict[str, list[np.ndarray]]]]


@dataclass
class ScoringResult:
    """What came of the data.

    ``scores``: model, group, metric to score; the group "all" comes first. Where people can be measured in a model's
    place, "humans" is the last model. ``rows``: one for each sample and model, with each metric on that sample alone.
    ``unlabelled``: samples without any truth, which no model predicted because every metric needs one.
    ``skipped``: (sample, reason) of what could not be read. ``overview``: what the domain drew of all samples
    together. ``differences``: of all samples, see :func:`judge_differences`, with the domain's margins.
    """

    scores: Scores = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    unlabelled: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    overview: list[Figure] = field(default_factory=list)
    differences: dict[str, dict[str, JudgedDifference]] = field(default_factory=dict)

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
    folder: Path,
    bar: Bar,
    pictures: bool = False,
) -> ScoringResult:
    """Have every network predict every sample of the source that has what a metric needs, and score the predictions.

    With ``pictures`` the domain also draws all of them together.
    Raises :class:`DataError` when the source holds nothing that could be measured, and :class:`KdkitError` when a
    prediction is not finite.
    """
    people = [] if source.synthetic else [HUMANS]
    result, grouped_metrics = ScoringResult(), GroupedMetrics([*networks, *people], metrics)
    overview = Overview(domain) if pictures else None
    record = CaseRecord(metrics)
    scorer = _Scorer(domain, grouped_metrics, result, bar, overview, record)
    predict_samples(_ModelPredictor(networks, domain, metrics), _SourceSamples(source), scorer, hardware, folder)
    result.overview = overview.figures() if overview else []
    result.scores = grouped_metrics.scores(seed)
    margins = {title: domain.margins.get(metric.origin.name, 0.0) for title, metric in metrics.items()}
    result.differences = judge_differences(record, networks, margins.__getitem__, seed)
    result.rows = [row for row in result.rows if row["model"] in result.scores]
    if not result.rows:
        raise DataError(
            f"nothing could be measured: {result.unlabelled} samples have no label, "
            f"{len(result.skipped)} could not be read",
        )
    if not any(score.n for groups in result.scores.values() for by in groups.values() for score in by.values()):
        raise DataError(
            f"nothing could be measured: no sample has what {', '.join(metrics)} needs",
            "Choose other metrics with --metric.",
        )
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

        predictions[model] = domain.predict(sample, infer)
    return predictions


class _SourceSamples(Dataset[tuple[int, SampleOrReason]]):
    """Each sample of the source, or the reason why it cannot be read."""

    def __init__(self, source: Generator) -> None:
        self.source = source
        self.count = source.count() or 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> tuple[int, SampleOrReason]:
        try:
            return item, next(iter(self.source.generate([item])))
        except DataError as error:
            return item, error.line
        except Exception as error:  # a source may fail in any way on one recording
            return item, f"{title_of(self.source)} failed on it: {describe_error(error)}. {place_of(error)}"


class _ModelPredictor(SamplePredictor):
    """Every network at once: its predictions for a sample; none where no metric can use them."""

    def __init__(self, networks: Networks, domain: Domain, metrics: Mapping[str, Metric]) -> None:
        super().__init__()
        self.networks = torch.nn.ModuleDict({model: freeze(network) for model, network in networks.items()})
        self.domain = domain
        self.metrics = metrics

    def predict_step(self, batch: tuple[int, SampleOrReason], batch_idx: int) -> _Predictions:
        _, sample = batch
        if isinstance(sample, str) or not (sample.truth or self._any_metric_needs_no_truth()):
            return {}
        networks = dict(self.networks.items())
        predictions = predict_sample(networks, self.domain, sample, self.device)
        probe_predictions = {
            name: [predict_sample(networks, self.domain, replace(sample, inputs=p), self.device) for p in probes]
            for name, metric in self.metrics.items()
            if (probes := metric.probes(sample))
        }
        return {
            model: (prediction, {name: [by[model] for by in probes] for name, probes in probe_predictions.items()})
            for model, prediction in predictions.items()
        }

    def _any_metric_needs_no_truth(self) -> bool:
        return any(not metric.needs_truth for metric in self.metrics.values())


class _Scorer(Callback):
    """Scores each prediction as soon as it is made: predictions are too large to be kept."""

    def __init__(
        self,
        domain: Domain,
        grouped_metrics: GroupedMetrics,
        result: ScoringResult,
        bar: Bar,
        overview: Overview | None,
        record: CaseRecord,
    ) -> None:
        self.record = record
        self.overview = overview
        self.domain = domain
        self.grouped_metrics = grouped_metrics
        self.result = result
        self.bar = bar

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        index, sample = batch
        self.bar.advance()
        if isinstance(sample, str):
            self.result.skipped.append((str(index), sample))
        elif not outputs:
            self.result.unlabelled += 1
        else:
            self._score(index, sample, outputs)
            if self.overview:
                predictions = {model: prediction for model, (prediction, _) in outputs.items()}
                self.overview.add(Case("", float("nan"), sample, predictions))

    def _score(self, index: int, sample: Sample, predictions: _Predictions) -> None:
        strata = self.domain.strata(sample)
        teacher = predictions[TEACHER][0] if TEACHER in predictions else None
        for model, metrics in self.grouped_metrics.of_group(ALL).items():
            prediction, probes = predictions.get(model, (None, {}))
            row: dict[str, Any] = {"sample": sample.info.get("name", index), "index": index, "model": model}
            for name, metric in metrics.items():
                cases = update_metric(metric, model, prediction, sample, teacher, probes.get(name, ()))
                row[name] = sample_value(metric, cases)
                self.record.add(model, name, index, cases, sample.info)
            self.result.rows.append(row)
            for group, stratum in strata.items():
                for name, metric in self.grouped_metrics.of_group(group)[model].items():
                    update_metric(metric, model, prediction, stratum, teacher, probes.get(name, ()))


def _plain(values: Mapping[str, Score | JudgedDifference]) -> dict[str, dict[str, Any]]:
    return {name: asdict(value) for name, value in values.items()}
