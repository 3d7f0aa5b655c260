"""Comparing runs: the first one is what the others are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kdkit.atomic import read_json
from kdkit.contracts.metric import Metric, Score
from kdkit.errors import DataError, UsageError
from kdkit.evaluation.estimate import ALPHA
from kdkit.evaluation.holm import Candidate, judge_family
from kdkit.evaluation.judgement import JudgedDifference
from kdkit.evaluation.measurement import StoredPredictions, measure_each, worker_count
from kdkit.evaluation.paired import CaseRecord
from kdkit.evaluation.predictions import predictions_by_seed
from kdkit.progress import Progress
from kdkit.recipe.flatten import flatten
from kdkit.runs.folder import STUDENT, TEACHER
from kdkit.runs.run import Run


@dataclass(frozen=True)
class Comparison:
    """Students of several runs, by the runs' names in their order; the first is the one compared with.

    ``seeds``: how many training seeds each run has. ``scores``: metric to run to score. ``differences``: metric to
    every other run to its difference, judged by the first run's margins and all together (Holm):
    :func:`judge_family`.
    ``left_out``: metrics that not every run was measured with. ``recipes``: each path of the recipe that differs, to
    every run's value as JSON, "" where it has none.
    """

    names: Sequence[str]
    item: str
    seeds: Mapping[str, int]
    metrics: Mapping[str, Metric]
    scores: Mapping[str, Mapping[str, Score]]
    differences: Mapping[str, Mapping[str, JudgedDifference]]
    facts: Mapping[str, Mapping[str, Any]]
    left_out: Sequence[str]
    recipes: Mapping[str, Mapping[str, str]]

    @property
    def family_size(self) -> int:
        """How many differences could be measured: the claims among them are adjusted for their number."""
        return sum(difference.n > 0 for by_run in self.differences.values() for difference in by_run.values())

    @property
    def single_seeds(self) -> Sequence[str]:
        """The runs whose interval leaves out the doubt about the training seed, as they have one each."""
        return [name for name in self.names if self.seeds[name] == 1]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "runs": list(self.names),
            "seeds": dict(self.seeds),
            "scores": {m: {run: asdict(score) for run, score in by.items()} for m, by in self.scores.items()},
            "differences": {m: {run: asdict(d) for run, d in by.items()} for m, by in self.differences.items()},
            "family": {"differences": self.family_size, "adjustment": "Holm", "level": ALPHA},
            "models": {run: dict(facts) for run, facts in self.facts.items()},
            "left_out": list(self.left_out),
            "recipes": {path: dict(values) for path, values in self.recipes.items()},
        }


def compare(runs: Sequence[Run], progress: Progress) -> Comparison:
    """Measure the students of several runs anew, from the predictions that lie there, on the samples they share.

    Raises :class:`UsageError` when a run is given twice or they share no metric, and :class:`DataError` when they
    were measured on different samples. The runs must be whole (:func:`kdkit.stages.pipeline.check_whole`).
    """
    names = _names(runs)
    _check_samples(names, runs)
    shared_metrics = {
        name: metric
        for name, metric in runs[0].experiment.metrics.items()
        if all(_fingerprint(run, name) == metric.fingerprint() for run in runs)
    }
    if not shared_metrics:
        raise UsageError("the runs were measured with no metric in common", "Name the same evaluation.metrics.")
    record, scores = _score_students(names, runs, shared_metrics, progress)
    first, *others = names
    experiment = runs[0].experiment
    with progress.work("compare", "intervals", 1, "family") as bar:
        judged = judge_family(
            {
                (name, other): Candidate(
                    record.pair(name, other, first, experiment.recipe.seed),
                    metric.higher_is_better,
                    experiment.margin(name),
                )
                for name, metric in shared_metrics.items()
                for other in others
            }
        )
        bar.advance()
    all_metrics = dict.fromkeys(name for run in runs for name in run.experiment.metrics)
    return Comparison(
        names=names,
        item=runs[0].experiment.domain.item,
        seeds={name: run.experiment.recipe.training.seeds for name, run in zip(names, runs, strict=True)},
        metrics=shared_metrics,
        scores=scores,
        differences={name: {other: judged[name, other] for other in others} for name in shared_metrics},
        facts={name: _facts(run) for name, run in zip(names, runs, strict=True)},
        left_out=[name for name in all_metrics if name not in shared_metrics],
        recipes=_recipes(names, runs),
    )


def _score_students(
    names: Sequence[str], runs: Sequence[Run], shared_metrics: Mapping[str, Metric], progress: Progress
) -> tuple[CaseRecord, dict[str, dict[str, Score]]]:
    """The cases of every run's student, and metric to run to its score."""
    split, seed = runs[0].evaluation.split, runs[0].experiment.recipe.seed
    by_run = {name: predictions_by_seed(run) for name, run in zip(names, runs, strict=True)}
    students = {name: by_model[STUDENT] for name, by_model in by_run.items()}
    teachers = {name: by_model[TEACHER][0] for name, by_model in by_run.items()}
    record = CaseRecord(shared_metrics)
    measure = StoredPredictions(split.samples.store, students, teachers, shared_metrics)
    workers = worker_count(shared_metrics, runs[0].experiment.recipe.trainer.workers)
    with progress.work("compare", f"{len(names)} runs", len(split), "samples") as bar:
        for measured in measure_each(measure, split.indices, workers):
            for (name, number), by_metric in measured.cases.items():
                for metric, cases in by_metric.items():
                    record.add(name, metric, measured.index, cases, measured.info, number)
            bar.advance()
    return record, {metric: {name: record.score(metric, name, seed) for name in names} for metric in shared_metrics}


def _check_samples(names: Sequence[str], runs: Sequence[Run]) -> None:
    first = runs[0].evaluation.split
    for name, run in zip(names, runs, strict=True):
        split = run.evaluation.split
        if (split.samples.fingerprint, len(split)) != (first.samples.fingerprint, len(first)):
            raise DataError(
                f"{names[0]} and {name} were measured on different samples, so their scores cannot be paired",
                "Compare runs whose recipes agree in seed, samples.evaluation and the source of these samples.",
            )


def _fingerprint(run: Run, metric: str) -> str | None:
    component = run.experiment.metrics.get(metric)
    return component.fingerprint() if component else None


def _facts(run: Run) -> dict[str, Any]:
    return dict((read_json(run.folder.models_file) or {}).get(STUDENT, {}))


def _recipes(names: Sequence[str], runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    tables = {name: flatten(run.experiment.resolved_tree()) for name, run in zip(names, runs, strict=True)}
    paths = dict.fromkeys(path for table in tables.values() for path in table)
    rows = {path: {name: table.get(path, "") for name, table in tables.items()} for path in paths}
    return {path: row for path, row in rows.items() if len(set(row.values())) > 1}


def _names(runs: Sequence[Run]) -> list[str]:
    """The names of the runs' folders, or their paths where two are called alike."""
    paths = [run.folder.path.resolve() for run in runs]
    if len(set(paths)) < len(paths):
        raise UsageError("a run is given twice", "Compare different runs.")
    short = [path.name for path in paths]
    return short if len(set(short)) == len(short) else [str(run.folder.path) for run in runs]
