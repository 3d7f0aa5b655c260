"""evaluate: predictions and truth → scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from kdkit.atomic import write_csv, write_json
from kdkit.contracts.component import fingerprint_of
from kdkit.contracts.metric import Score
from kdkit.evaluation.case_table import CaseTable
from kdkit.evaluation.doubts import Doubts
from kdkit.evaluation.judgement import judge_differences
from kdkit.evaluation.measurement import StoredPredictions, measure_each, teachers_of, worker_count
from kdkit.evaluation.outcome import DIFFERENCES, read_histories
from kdkit.evaluation.paired import CaseRecord
from kdkit.evaluation.predictions import Predictions, predictions_by_seed
from kdkit.plugins.declarations import check_declarations
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


def check(run: Run) -> None:
    """Raises :class:`kdkit.errors.PluginError` for a metric that does not say its unit or which way is better."""
    if not is_whole(run):
        for metric in run.experiment.metrics.values():
            check_declarations(metric)


def execute(run: Run) -> None:
    """Measure every model, and people on real samples, with every metric; write scores and each sample's cases."""
    start = time.monotonic()
    metrics, seed = run.experiment.metrics, run.experiment.recipe.seed
    readers: dict[str, Sequence[Predictions | None]] = dict(predictions_by_seed(run))
    if not run.experiment.evaluation_source.synthetic:
        readers[HUMANS] = [None]
    doubts = Doubts(run.experiment.domain.activation)
    record, table = _measure(run, readers, doubts)
    scores: dict[str, dict[str, Any]] = {}
    with run.progress.work(NAME, "intervals", len(readers) + 1, "models") as bar:
        for model in readers:
            scores[model] = {name: asdict(_score(record, name, model, seed)) for name in metrics}
            bar.advance()
        if HUMANS in scores and not any(score["n"] for score in scores[HUMANS].values()):
            del scores[HUMANS]
        models = [model for model in readers if model != HUMANS]
        differences = {
            pair: {name: asdict(difference) for name, difference in by_name.items()}
            for pair, by_name in judge_differences(record, models, run.experiment.margin, seed).items()
        }
        bar.advance()
    write_csv(run.folder.cases_file, [row for row in table.rows() if row["model"] in scores])
    write_json(run.folder.scores_file, scores | {DIFFERENCES: differences})
    found = doubts.all(read_histories(run))
    for about, sentences in found.items():
        for sentence in sentences:
            run.progress.say(NAME, about, f"doubtful: {sentence}")
    run.folder.update_manifest(doubts=found)
    files = [run.folder.scores_file, run.folder.cases_file]
    run.folder.mark_done(NAME, fingerprint(run), time.monotonic() - start, files)


def _measure(
    run: Run, readers: Mapping[str, Sequence[Predictions | None]], doubts: Doubts
) -> tuple[CaseRecord, CaseTable]:
    """The cases of every model on every evaluation sample; predictions and cases are shown to ``doubts``."""
    metrics, split = run.experiment.metrics, run.evaluation.split
    record, table = CaseRecord(metrics), CaseTable(metrics)
    measure = StoredPredictions(split.samples.store, readers, teachers_of(readers), metrics)
    workers = worker_count(metrics, run.experiment.recipe.trainer.workers)
    several = any(len(by_seed) > 1 for by_seed in readers.values())
    with run.progress.work(NAME, ", ".join(metrics), len(split), "samples") as bar:
        for measured in measure_each(measure, split.indices, workers):
            _show_predictions(doubts, run, readers, measured.index)
            for (model, number), by_name in measured.cases.items():
                seed = {"seed": number if len(readers[model]) > 1 else ""} if several else {}
                table.add(measured.index, measured.info, model, by_name, **seed)
                for name, cases in by_name.items():
                    doubts.add_cases(model, name, str(measured.info.get("name", measured.index)), cases)
                    record.add(model, name, measured.index, cases, measured.info, number)
            bar.advance()
    return record, table


def _show_predictions(
    doubts: Doubts, run: Run, readers: Mapping[str, Sequence[Predictions | None]], index: int
) -> None:
    (read_teacher,) = readers[TEACHER]
    assert read_teacher is not None
    teacher = read_teacher(index)
    doubts.add_teacher(run.evaluation.split.samples.sample(index), teacher)
    for number, read in enumerate(readers[STUDENT]):
        if read is not None:
            doubts.add_student(number, read(index), teacher)


def _score(record: CaseRecord, name: str, model: str, seed: int) -> Score:
    """A trained model's with its seeds; teacher and people have none."""
    score = record.score(name, model, seed)
    return Score(**{f.name: getattr(score, f.name) for f in fields(Score)}) if model in (TEACHER, HUMANS) else score
