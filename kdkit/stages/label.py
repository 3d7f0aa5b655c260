"""label: samples → the teacher's targets in the store, after the teacher was checked; and the targets of controls."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kdkit.errors import DataError, UsageError
from kdkit.evaluation.teacher_check import CHECKED_SAMPLES, Examination, check_teacher
from kdkit.plugins.calls import call
from kdkit.progress import Bar
from kdkit.recipe.schema import AUTO_PRECISION
from kdkit.runs.run import Run
from kdkit.stages import ranks
from kdkit.store.shards import Range
from kdkit.store.targets import encode_prediction, to_record

if TYPE_CHECKING:
    import torch

    from kdkit.runs.run import LabelledSplit
    from kdkit.sample import Sample

NAME = "label"
DOUBTFUL = "doubtful: "
# Samples that the precision is chosen by.
PROBED_SAMPLES = 4


def is_whole(run: Run) -> bool:
    """Whether every sample is labelled, and in which precision is written down."""
    return run.is_precision_settled() and all(part.is_whole() for part in run.labelled_splits())


def check(run: Run) -> None:
    """Raises :class:`kdkit.errors.UsageError` for what the labelling would fail of.

    That is a machine that lacks what the recipe's ``trainer`` asks for, or targets that a control cannot have: truth
    that its samples do not hold, of which one is looked at, or new weights for a teacher without any.
    """
    parts = [part for part in run.labelled_splits() if not part.is_whole()]
    if not parts:
        return
    from kdkit.engine.trainer import check_hardware

    experiment = run.experiment
    check_hardware(experiment.recipe.trainer, run.folder.path)
    sources = {part.source for part in parts}
    if "untrained-teacher" in sources and not list(call(experiment.teacher.build).parameters()):
        raise UsageError(
            f"the teacher {experiment.recipe.teacher.name} has no weights, so none can be drawn anew",
            "Leave the control with targets: untrained-teacher out.",
        )
    for part in parts:
        if part.source == "truth" and call(experiment.domain.target_from_truth, _first_sample(part)) is None:
            raise UsageError(
                "a control is to learn from the truth, and its samples do not hold it as a target",
                "Give it another generator, or leave the control with targets: truth out.",
            )


def prepare(run: Run, _anew: bool) -> None:
    """Choose the precision of the targets where the recipe leaves it open and none of them is there."""
    experiment = run.experiment
    name = experiment.recipe.teacher.name
    if run.is_precision_settled():
        if experiment.recipe.trainer.precision == AUTO_PRECISION:
            run.progress.say("precision", name, f"labels in {run.target_precision}: chosen before, by the manifest")
        return
    if run.target_precision != AUTO_PRECISION:
        chosen, reason = run.target_precision, "targets of these samples were in the store"
        run.settle_precision({"chosen": chosen, "reason": reason})
        run.progress.say("precision", name, f"labels in {chosen}: {reason}")
        return
    from kdkit.engine.precision import choose_precision

    split, hardware = run.evaluation.split, experiment.recipe.trainer
    inputs = [split.samples.sample(index).inputs for index in split.indices[:PROBED_SAMPLES]]
    with run.progress.work("precision", name, 1, "step") as bar:
        build = partial(call, experiment.teacher.build)
        choice = choose_precision(build, inputs, experiment.domain.activation, hardware, run.folder.path)
        bar.advance()
    run.settle_precision(choice.as_json())
    run.progress.say("precision", name, f"labels in {choice.chosen}: {choice.why()}")


def execute(run: Run) -> None:
    """Check the teacher on a few samples, then label what is missing."""
    from kdkit.engine.inference import freeze

    experiment = run.experiment
    name = experiment.recipe.teacher.name
    unlabelled = [(part, _missing_ranges(part)) for part in run.labelled_splits() if not part.is_whole()]
    with run.progress.work("check", name, 1, "step") as bar:
        network = freeze(call(experiment.teacher.build))
        examination = _examine_teacher(run, network) if ranks.rank() == 0 else None
        bar.advance()
    if examination is not None:
        run.progress.say("check", name, examination.verdict)
        for doubt in examination.doubts:
            run.progress.say("check", name, f"{DOUBTFUL}{doubt}")
    total = sum(len(part.split) for part in run.labelled_splits())
    missing_count = sum(stop - start for _, ranges in unlabelled for start, stop in ranges)
    with run.progress.work(NAME, name, total, "samples", total - missing_count) as bar:
        for part, ranges in unlabelled:
            if part.source == "truth":
                _label_with_truth(run, part, ranges, bar)
            else:
                _label_with_network(run, part, ranges, network, bar)


def _examine_teacher(run: Run, network: torch.nn.Module) -> Examination:
    split = run.evaluation.split
    samples = [split.samples.sample(i) for i in split.indices[:CHECKED_SAMPLES]]
    return check_teacher(run.experiment, network, samples)


def _label_with_network(
    run: Run, part: LabelledSplit, ranges: list[Range], teacher: torch.nn.Module, bar: Bar
) -> None:
    from kdkit.engine.sample_inference import infer_samples
    from kdkit.engine.untrained import draw_weights

    experiment = run.experiment
    network = teacher
    if part.source == "untrained-teacher":
        network = draw_weights(call(experiment.teacher.build), experiment.recipe.seed)
    activation, hardware = experiment.domain.activation, experiment.recipe.trainer.settle(run.target_precision)
    infer_samples(network, part.split.samples, ranges, part.targets, activation, hardware, bar)


def _label_with_truth(run: Run, part: LabelledSplit, ranges: list[Range], bar: Bar) -> None:
    """Raises :class:`kdkit.DataError` for a sample whose truth is no target."""
    if ranks.rank() == 0:
        domain = run.experiment.domain
        for start, stop in ranges:
            records = []
            for index in range(start, stop):
                target = call(domain.target_from_truth, part.split.samples.sample(index))
                if target is None:
                    raise DataError(f"sample {index} holds no truth to learn from", "Leave the control out.")
                records.append(to_record(encode_prediction(target, domain.activation)))
            part.targets.write(start, records)
            bar.advance(stop - start)
    else:
        ranks.wait_until(lambda: _is_whole_after_refresh(part), NAME)
    part.targets.refresh()


def _is_whole_after_refresh(part: LabelledSplit) -> bool:
    part.targets.refresh()
    return part.is_whole()


def _first_sample(part: LabelledSplit) -> Sample:
    """A stored sample of the split, or the one that would be drawn."""
    samples, first = part.split.samples, part.split.start
    if samples.store.holds(first, first + 1):
        return samples.sample(first)
    return next(call(samples.generator.generate, samples.source_indices((first, first + 1))))


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
