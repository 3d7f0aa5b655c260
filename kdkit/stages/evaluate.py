"""evaluate: predictions and truth → scores."""

from __future__ import annotations

import time
from dataclasses import asdict

import numpy as np

from kdkit.atomic import write_csv, write_json
from kdkit.contracts.component import fingerprint_of
from kdkit.contracts.metric import Metric
from kdkit.evaluation import update as beside
from kdkit.evaluation.judgement import judge_differences
from kdkit.evaluation.outcome import DIFFERENCES
from kdkit.evaluation.paired import CaseRecord
from kdkit.evaluation.predictions import model_predictions
from kdkit.runs.folder import HUMANS, TEACHER
from kdkit.runs.run import Run

NAME = "evaluate"
# Raise it when more is measured, so that older scores are made anew.
FORMAT = 3


def fingerprint(run: Run) -> str:
    """What the scores depend on."""
    return fingerprint_of(
        predictions=[run.prediction_fingerprint(arm) for arm in run.arms],
        teacher=run.evaluation.fingerprint,
        count=len(run.evaluation.split),
        metrics={name: metric.fingerprint() for name, metric in run.experiment.metrics.items()},
        margins={name: run.experiment.margin(name) for name in run.experiment.metrics},
        format=FORMAT,
    )


def is_whole(run: Run) -> bool:
    """Whether the scores of these very predictions are there."""
    return run.folder.scores_file.is_file() and run.folder.fingerprint(NAME) == fingerprint(run)


def execute(run: Run) -> None:
    """Measure every model, and people on real samples, with every metric; write scores and each sample's value."""
    start = time.monotonic()
    experiment, split = run.experiment, run.evaluation.split
    models = model_predictions(run)
    measured = [*models, *([] if experiment.evaluation_source.synthetic else [HUMANS])]
    metrics = {model: {name: _new(m) for name, m in experiment.metrics.items()} for model in measured}
    record = CaseRecord(experiment.metrics)
    rows = []
    with run.progress.work(NAME, f"{len(experiment.metrics)} metrics", len(split), "samples") as bar:
        for index in split.indices:
            sample = split.samples.sample(index)
            answered = {model: answer(index) for model, answer in models.items()}
            for model, by_name in metrics.items():
                row: dict[str, object] = {
                    "sample": sample.info.get("name", index),
                    "index": index,
                    "model": model,
                }
                for name, metric in by_name.items():
                    cases = beside.update(metric, model, answered.get(model), sample, answered[TEACHER])
                    row[name] = _sample_value(metric, cases)
                    record.add(model, name, index, cases, sample.info)
                rows.append(row)
            bar.advance()
        scores = {
            model: {name: asdict(metric.compute(experiment.recipe.seed)) for name, metric in by_name.items()}
            for model, by_name in metrics.items()
        }
    if HUMANS in scores and not any(score["n"] for score in scores[HUMANS].values()):
        del scores[HUMANS]
    write_csv(run.folder.cases_file, [row for row in rows if row["model"] in scores])
    judged = judge_differences(record, models, experiment.margin, experiment.recipe.seed)
    differences = {pair: {name: asdict(one) for name, one in by_name.items()} for pair, by_name in judged.items()}
    write_json(run.folder.scores_file, scores | {DIFFERENCES: differences})
    run.folder.mark_done(NAME, fingerprint(run), time.monotonic() - start)


def _new(metric: Metric) -> Metric:
    return type(metric)(metric.options)


def _sample_value(metric: Metric, cases: np.ndarray | None) -> float | None:
    """The metric on one sample alone; None where it means nothing for one (a correlation)."""
    if cases is None:
        return None
    value = metric.summarize(cases)
    return round(value, 6) if np.isfinite(value) else None
