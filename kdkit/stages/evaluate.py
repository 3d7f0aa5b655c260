"""evaluate: predictions and truth → scores."""

from __future__ import annotations

import time
from dataclasses import asdict

from kdkit.atomic import write_csv, write_json
from kdkit.contracts.component import fingerprint_of
from kdkit.evaluation.doubts import Doubts
from kdkit.evaluation.judgement import judge_differences
from kdkit.evaluation.metric_update import empty_metric, sample_value, update_metric
from kdkit.evaluation.outcome import DIFFERENCES, read_histories
from kdkit.evaluation.paired import CaseRecord
from kdkit.evaluation.predictions import predictions_by_seed
from kdkit.runs.folder import HUMANS, STUDENT, TEACHER
from kdkit.runs.run import Run

NAME = "evaluate"
# Raise it when more is measured, so that older scores are made anew.
FORMAT = 5


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
    return run.folder.is_done(NAME, fingerprint(run))


def execute(run: Run) -> None:
    """Measure every model, and people on real samples, with every metric; write scores and each sample's value."""
    start = time.monotonic()
    experiment, split, seed = run.experiment, run.evaluation.split, run.experiment.recipe.seed
    readers = predictions_by_seed(run)
    several = len(readers[STUDENT]) > 1
    models = [*readers, *([] if experiment.evaluation_source.synthetic else [HUMANS])]
    metrics = {model: {name: empty_metric(m) for name, m in experiment.metrics.items()} for model in models}
    record, doubts = CaseRecord(experiment.metrics), Doubts(experiment.domain.activation)
    rows = []
    with run.progress.work(NAME, f"{len(experiment.metrics)} metrics", len(split), "samples") as bar:
        for index in split.indices:
            sample = split.samples.sample(index)
            teacher = readers[TEACHER][0](index)
            doubts.add_teacher(sample, teacher)
            for model, by_name in metrics.items():
                for number, read in enumerate(readers.get(model, [None])):
                    prediction = read and read(index)
                    if model == STUDENT and prediction is not None:
                        doubts.add_student(number, prediction, teacher)
                    row: dict[str, object] = {
                        "sample": sample.info.get("name", index),
                        "index": index,
                        "model": model,
                    }
                    if several:
                        row["seed"] = number if model == STUDENT else ""
                    for name, metric in by_name.items():
                        cases = update_metric(metric, model, prediction, sample, teacher)
                        doubts.add_cases(model, name, str(row["sample"]), cases)
                        row[name] = sample_value(metric, cases)
                        record.add(model, name, index, cases, sample.info, number)
                    rows.append(row)
            bar.advance()
        scores = {
            model: {
                name: asdict(record.score(name, model, seed) if model == STUDENT else metric.compute(seed))
                for name, metric in by_name.items()
            }
            for model, by_name in metrics.items()
        }
    if HUMANS in scores and not any(score["n"] for score in scores[HUMANS].values()):
        del scores[HUMANS]
    write_csv(run.folder.cases_file, [row for row in rows if row["model"] in scores])
    differences = {
        pair: {name: asdict(difference) for name, difference in by_name.items()}
        for pair, by_name in judge_differences(record, readers, experiment.margin, seed).items()
    }
    write_json(run.folder.scores_file, scores | {DIFFERENCES: differences})
    found = doubts.all(read_histories(run))
    for about, sentences in found.items():
        for sentence in sentences:
            run.progress.say(NAME, about, f"doubtful: {sentence}")
    run.folder.update_manifest(doubts=found)
    files = [run.folder.scores_file, run.folder.cases_file]
    run.folder.mark_done(NAME, fingerprint(run), time.monotonic() - start, files)
