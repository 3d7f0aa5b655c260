"""label: samples → the teacher's targets in the store, after the teacher was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdkit.evaluation.teacher_check import CHECKED_SAMPLES, check_teacher
from kdkit.runs.run import Run
from kdkit.store.shards import Range

if TYPE_CHECKING:
    from kdkit.runs.run import LabelledSplit

NAME = "label"


def is_whole(run: Run) -> bool:
    """Whether the teacher has labelled every sample."""
    return all(part.is_whole() for part in run.labelled_splits())


def check(run: Run) -> None:
    """Raises :class:`kdkit.errors.UsageError` when this machine lacks what the recipe's ``trainer`` asks for."""
    if not is_whole(run):
        from kdkit.engine.trainer import check_hardware

        check_hardware(run.experiment.recipe.trainer, run.folder.path)


def execute(run: Run) -> None:
    """Check the teacher on a few samples, then have it label what is missing."""
    from kdkit.engine.inference import freeze, infer_samples

    experiment = run.experiment
    name = experiment.recipe.teacher.name
    unlabelled = [(part, _missing_ranges(part)) for part in run.labelled_splits() if not part.is_whole()]
    network = freeze(experiment.teacher.build())
    split = run.evaluation.split
    samples = [split.samples.sample(i) for i in split.indices[:CHECKED_SAMPLES]]
    verdict, _ = check_teacher(experiment.domain, name, network, samples)
    run.progress.say("check", name, verdict)
    total = sum(len(part.split) for part in run.labelled_splits())
    missing_count = sum(stop - start for _, ranges in unlabelled for start, stop in ranges)
    with run.progress.work(NAME, name, total, "samples", total - missing_count) as bar:
        for part, ranges in unlabelled:
            infer_samples(
                network,
                part.split.samples,
                ranges,
                part.targets,
                experiment.domain.activation,
                experiment.recipe.trainer,
                bar,
            )


def _missing_ranges(part: LabelledSplit) -> list[Range]:
    """The unlabelled ranges, cut as the samples' own shards are, so that each is read once."""
    missing = part.targets.missing_ranges(part.split.start, part.split.stop)
    shards = part.split.samples.store.ranges()
    return [
        (max(first, start), min(last, stop))
        for first, last in shards
        for start, stop in missing
        if first < stop and start < last
    ]
