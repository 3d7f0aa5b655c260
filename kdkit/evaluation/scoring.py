"""Models and samples → scores, for everything and for each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.metric import Metric, Score
from kdkit.contracts.vocabulary import Case, Figure
from kdkit.engine.inference import freeze, infer_logits
from kdkit.engine.trainer import interruptible, make_trainer
from kdkit.errors import DataError, KdkitError
from kdkit.evaluation import update as beside
from kdkit.evaluation.judgement import JudgedDifference, judge_differences
from kdkit.evaluation.overview import Overview
from kdkit.evaluation.paired import CaseRecord
from kdkit.progress import Bar
from kdkit.recipe.schema import Hardware
from kdkit.runs.folder import HUMANS, TEACHER
from kdkit.sample import Sample
from kdkit.store.targets import activate

ALL = "all"

Networks = Mapping[str, torch.nn.Module]
Scores = dict[str, dict[str, dict[str, Score]]]
# Each model's answer, and those to each metric's probes.
_Answers = dict[str, tuple[np.ndarray, dict[str, list[np.ndarray]]]]


@dataclass
class Measured:
    """What came of the data.

    ``scores``: model, group, metric to score; the group "all" comes first. Where people can be measured in a model's
    place, "humans" is the last model. ``rows``: one for each sample and model, with each metric on that sample alone.
    ``unlabelled``: samples without any truth, which no model was asked about because every metric needs one.
    ``skipped``: (sample, reason) of what could not be read. ``overview``: what the domain drew of all samples
    together. ``differences``: of all samples, see :func:`judge_differences`, with the domain's margins.
    """

    scores: Scores = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    unlabelled: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    overview: list[Figure] = field(default_factory=list)
    differences: dict[str, dict[str, JudgedDifference]] = field(default_factory=dict)


def measure(
    networks: Networks,
    domain: Domain,
    source: Generator,
    metrics: Mapping[str, Metric],
    hardware: Hardware,
    seed: int,
    folder: Path,
    bar: Bar,
    pictures: bool = False,
) -> Measured:
    """Ask every network about every sample of the source that has what a metric needs, and measure the answers.

    With ``pictures`` the domain also draws all of them together.
    Raises :class:`DataError` when the source holds nothing that could be measured, and :class:`KdkitError` when an
    answer is not finite.
    """
    people = [] if source.synthetic else [HUMANS]
    measured, gathered = Measured(), _Gathered([*networks, *people], metrics)
    module = _Answering(networks, domain, metrics)
    overview = Overview(domain) if pictures else None
    record = CaseRecord(metrics)
    keep = _Keep(domain, gathered, measured, bar, overview, record)
    trainer = make_trainer(hardware, folder, [keep], enable_checkpointing=False)
    loader = DataLoader(_Labelled(source), batch_size=1, collate_fn=lambda items: items[0])
    with interruptible(trainer):
        trainer.predict(module, loader, return_predictions=False)
    measured.overview = overview.figures() if overview else []
    measured.scores = gathered.scores(seed)
    measured.differences = judge_differences(record, networks, lambda name: domain.margins.get(name, 0.0), seed)
    measured.rows = [row for row in measured.rows if row["model"] in measured.scores]
    if not measured.rows:
        raise DataError(
            f"nothing could be measured: {measured.unlabelled} samples have no label, "
            f"{len(measured.skipped)} could not be read",
        )
    if not any(score.n for groups in measured.scores.values() for by in groups.values() for score in by.values()):
        raise DataError(
            f"nothing could be measured: no sample has what {', '.join(metrics)} needs",
            "Choose other metrics with --metric.",
        )
    return measured


def answers_to(networks: Networks, domain: Domain, sample: Sample, device: torch.device) -> dict[str, np.ndarray]:
    """Each network's activated answer to a sample, asked as the domain asks. Raises :class:`KdkitError`."""
    found = {}
    for model, network in networks.items():

        def infer(inputs: Sequence[np.ndarray], model: str = model, network: torch.nn.Module = network) -> list[Any]:
            logits = infer_logits(network, inputs, device)
            if not all(bool(answer.isfinite().all()) for answer in logits):
                raise KdkitError(f"the {model}'s answer to {sample.info.get('name', 'a sample')} is not finite")
            return [activate(answer, domain.activation) for answer in logits]

        found[model] = domain.predict(sample, infer)
    return found


class _Gathered:
    """A metric of its own for each model and group."""

    def __init__(self, models: Sequence[str], metrics: Mapping[str, Metric]) -> None:
        self.models = models
        self.metrics = metrics
        self.groups: dict[str, dict[str, dict[str, Metric]]] = {}
        self.of(ALL)

    def of(self, group: str) -> dict[str, dict[str, Metric]]:
        if group not in self.groups:
            self.groups[group] = {
                model: {name: type(metric)(metric.options) for name, metric in self.metrics.items()}
                for model in self.models
            }
        return self.groups[group]

    def scores(self, seed: int) -> Scores:
        ordered = [ALL, *sorted(set(self.groups) - {ALL})]
        scores = {
            model: {
                group: {name: metric.compute(seed) for name, metric in self.groups[group][model].items()}
                for group in ordered
            }
            for model in self.models
        }
        if HUMANS in scores and not any(score.n for score in scores[HUMANS][ALL].values()):
            del scores[HUMANS]
        return scores


class _Labelled(Dataset[tuple[int, "Sample | str"]]):
    """Each sample of the source, or the reason why it cannot be read."""

    def __init__(self, source: Generator) -> None:
        self.source = source
        self.count = source.count() or 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> tuple[int, Sample | str]:
        try:
            return item, next(iter(self.source.generate([item])))
        except DataError as error:
            return item, error.line


class _Answering(LightningModule):
    def __init__(self, networks: Networks, domain: Domain, metrics: Mapping[str, Metric]) -> None:
        super().__init__()
        self.networks = torch.nn.ModuleDict({model: freeze(network) for model, network in networks.items()})
        self.domain = domain
        self.metrics = metrics

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave samples as they are (Lightning would look for tensors in them); their arrays are moved later."""
        return batch

    def predict_step(self, batch: tuple[int, Sample | str], batch_idx: int) -> _Answers:
        _, sample = batch
        if isinstance(sample, str) or not (sample.truth or self._unlabelled_count()):
            return {}
        networks = dict(self.networks.items())
        plain = answers_to(networks, self.domain, sample, self.device)
        again = {
            name: [answers_to(networks, self.domain, replace(sample, inputs=p), self.device) for p in probes]
            for name, metric in self.metrics.items()
            if (probes := metric.probes(sample))
        }
        return {
            model: (answer, {name: [asked[model] for asked in every] for name, every in again.items()})
            for model, answer in plain.items()
        }

    def _unlabelled_count(self) -> bool:
        return any(not metric.needs_truth for metric in self.metrics.values())


class _Keep(Callback):
    """Measures each answer as soon as it is there: answers are too large to be kept."""

    def __init__(
        self,
        domain: Domain,
        gathered: _Gathered,
        measured: Measured,
        bar: Bar,
        overview: Overview | None,
        record: CaseRecord,
    ) -> None:
        self.record = record
        self.overview = overview
        self.domain = domain
        self.gathered = gathered
        self.measured = measured
        self.bar = bar

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        index, sample = batch
        self.bar.advance()
        if isinstance(sample, str):
            self.measured.skipped.append((str(index), sample))
        elif not outputs:
            self.measured.unlabelled += 1
        else:
            self._measure(index, sample, outputs)
            if self.overview:
                self.overview.add(Case("", float("nan"), sample, {m: answer for m, (answer, _) in outputs.items()}))

    def _measure(self, index: int, sample: Sample, answers: _Answers) -> None:
        strata = self.domain.strata(sample)
        teacher = answers[TEACHER][0] if TEACHER in answers else None
        for model, metrics in self.gathered.of(ALL).items():
            answer, again = answers.get(model, (None, {}))
            row: dict[str, Any] = {"sample": sample.info.get("name", index), "index": index, "model": model}
            for name, metric in metrics.items():
                cases = beside.update(metric, model, answer, sample, teacher, again.get(name, ()))
                row[name] = _alone(metric, cases)
                self.record.add(model, name, index, cases, sample.info)
            self.measured.rows.append(row)
            for group, part in strata.items():
                for name, metric in self.gathered.of(group)[model].items():
                    beside.update(metric, model, answer, part, teacher, again.get(name, ()))


def _alone(metric: Metric, cases: np.ndarray | None) -> float | None:
    """The metric on one sample; None where it means nothing for one (a correlation)."""
    if cases is None:
        return None
    value = metric.summarize(cases)
    return round(value, 6) if np.isfinite(value) else None
