"""label: samples → the teacher's answers in the store, after the teacher was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdkit.evaluation.teacher_check import CHECKED_SAMPLES, check_teacher
from kdkit.runs.run import Run
from kdkit.store.shards import Range

if TYPE_CHECKING:
    from kdkit.runs.run import LabelledSplit

NAME = "label"


def is_whole(run: Run) -> bool:
    """Whether the teacher has answered every sample."""
    return all(part.is_whole() for part in run.labelled_splits())


def check(run: Run) -> None:
    """Raises :class:`kdkit.errors.UsageError` when this machine lacks what the recipe's ``trainer`` asks for."""
    if not is_whole(run):
        from kdkit.engine.trainer import check_hardware

        check_hardware(run.experiment.recipe.trainer, run.folder.path)


def execute(run: Run) -> None:
    """Check the teacher on a few samples, then have it answer what is missing."""
    from kdkit.engine.inference import freeze, infer_samples

    experiment = run.experiment
    name = experiment.recipe.teacher.name
    todo = [(part, _missing(part)) for part in run.labelled_splits() if not part.is_whole()]
    network = freeze(experiment.teacher.build())
    checked = run.evaluation.split
    samples = [checked.samples.sample(i) for i in checked.indices[:CHECKED_SAMPLES]]
    examination = check_teacher(experiment, network, samples)
    run.progress.say("check", name, examination.verdict)
    for doubt in examination.doubts:
        run.progress.say("check", name, f"doubtful: {doubt}")
    total = sum(len(part.split) for part in run.labelled_splits())
    left = sum(stop - start for _, ranges in todo for start, stop in ranges)
    with run.progress.work(NAME, name, total, "samples", total - left) as bar:
        for part, ranges in todo:
            infer_samples(
                network,
                part.split.samples,
                ranges,
                part.targets,
                experiment.domain.activation,
                experiment.recipe.trainer,
                bar,
            )


def _missing(part: LabelledSplit) -> list[Range]:
    """The unanswered ranges, cut as the samples' own shards are, so that each is read once."""
    missing = part.targets.missing(part.split.start, part.split.stop)
    shards = part.split.samples.store.ranges()
    return [(max(a, start), min(b, stop)) for a, b in shards for start, stop in missing if a < stop and start < b]
