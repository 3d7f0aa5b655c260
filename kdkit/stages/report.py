"""report: everything measured → one page."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from kdkit.atomic import write_text
from kdkit.contracts.component import fingerprint_of
from kdkit.contracts.vocabulary import Case
from kdkit.evaluation.outcome import Outcome, SampleValues, read_outcome
from kdkit.evaluation.predictions import Predictions, model_predictions
from kdkit.evaluation.ranking import best_first, pick_examples
from kdkit.export.model_card import model_card
from kdkit.pages.run import RankedCase, page
from kdkit.plugins.calls import call, check_answer, name_component
from kdkit.progress import Bar
from kdkit.runs.folder import STUDENT, TEACHER
from kdkit.runs.run import Run
from kdkit.runs.student import read_card
from kdkit.stages import evaluate, generate

NAME = "report"
# Raise it when the page changes, so that older reports are made anew.
FORMAT = 6


def fingerprint(run: Run) -> str:
    """What the report depends on."""
    return fingerprint_of(scores=evaluate.fingerprint(run), domain=run.experiment.domain.fingerprint(), format=FORMAT)


def is_whole(run: Run) -> bool:
    """Whether the report on these very scores is there."""
    return run.folder.is_done(NAME, fingerprint(run))


def execute(run: Run) -> None:
    """Choose the cases to show, have the domain draw them, and write the page."""
    start = time.monotonic()
    run.folder.update_manifest(rejected=generate.count_rejected(run))
    outcome = read_outcome(run)
    with run.progress.work(NAME, "pictures", len(outcome.samples) + 1, "samples") as bar:
        overview = list(call(run.experiment.domain.overview, _cases(run, outcome, bar)))
        folder, cases = run.folder, _ranked_cases(run, outcome)
        bar.advance()
    name = folder.path.resolve().name
    write_text(folder.report_file, page(run.experiment, name, folder.manifest(), outcome, cases, overview))
    student = folder.model(STUDENT)
    write_text(student / "README.md", model_card(run.experiment, read_card(student), outcome))
    files = [folder.report_file, student / "README.md"]
    run.folder.mark_done(NAME, fingerprint(run), time.monotonic() - start, files)


def _ranked_cases(run: Run, outcome: Outcome) -> list[RankedCase]:
    """The best, the median and the worst evaluation sample by the student's first metric, drawn by the domain."""
    direction = run.experiment.metrics[outcome.metric].higher_is_better
    readers, domain = _pictured_predictions(run), run.experiment.domain
    cases = []
    for rank, row in pick_examples(best_first(outcome.samples, direction)):
        # Drawn case by case: a figure does not say which case it shows.
        with name_component(domain, f"failed to draw the {rank} case"):
            figures = list(domain.figures([_case(run, readers, row, rank)]))
        check_answer(domain.figures, figures)
        cases.append(RankedCase(rank, row, figures))
    return cases


def _cases(run: Run, outcome: Outcome, bar: Bar) -> Iterator[Case]:
    """Every evaluation sample with all predictions, read when its turn comes."""
    readers = _pictured_predictions(run)
    for row in outcome.samples:
        yield _case(run, readers, row, "")
        bar.advance()


def _pictured_predictions(run: Run) -> dict[str, Predictions]:
    """The models that the domain draws: more controls than the first would crowd its pictures."""
    readers = model_predictions(run)
    pictured = {model: readers[model] for model in (TEACHER, STUDENT)}
    for control in run.experiment.recipe.controls[:1]:
        pictured["control"] = readers[control.name]
    return pictured


def _case(run: Run, readers: Mapping[str, Predictions], row: SampleValues, rank: str) -> Case:
    score = row.values.get(STUDENT)
    predictions = {model: read(row.index) for model, read in readers.items()}
    sample = run.evaluation.split.samples.sample(row.index)
    return Case(rank, float("nan") if score is None else score, sample, predictions)
