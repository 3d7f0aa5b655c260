"""evaluate: predictions and truth → scores."""

from __future__ import annotations

import time
from dataclasses import asdict

from kdkit.atomic import write_csv, write_json
from kdkit.contracts.component import fingerprint_of
from kdkit.evaluation.judgement import judge_differences
from kdkit.evaluation.metric_update import empty_metric, sample_value, update_metric
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
    readers = model_predictions(run)
    models = [*readers, *([] if experiment.evaluation_source.synthetic else [HUMANS])]
    metrics = {model: {name: empty_metric(m) for name, m in experiment.metrics.items()} for model in models}
    record = CaseRecord(experiment.metrics)
    rows = []
    with run.progress.work(NAME, f"{len(experiment.metrics)} metrics", len(split), "samples") as bar:
        for index in split.indices:
            sample = split.samples.sample(index)
            predictions = {model: read(index) for model, read in readers.items()}
            for model, by_name in metrics.items():
                row: dict[str, object] = {
                    "sample": sample.info.get("name", index),
                    "index": index,
                    "model": model,
                }
                for name, metric in by_name.items():
                    cases = update_metric(metric, model, predictions.get(model), sample, predictions[TEACHER])
                    row[name] = sample_value(metric, cases)
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
    differences = {
        pair: {name: asdict(difference) for name, difference in by_name.items()}
        for pair, by_name in judge_differences(record, readers, experiment.margin, experiment.recipe.seed).items()
    }
    write_json(run.folder.scores_file, scores | {DIFFERENCES: differences})
    run.folder.mark_done(NAME, fingerprint(run), time.monotonic() - start)
