"""label: samples → the teacher's answers in the store, after the teacher was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kdkit.errors import KdkitError
from kdkit.run import Run
from kdkit.sample import Sample
from kdkit.store.answers import decode_answer, encode
from kdkit.store.shards import Range

if TYPE_CHECKING:
    import torch

    from kdkit.run import Labelled

NAME = "label"
CHECKED_SAMPLES = 8
SAME = 1e-6


def is_whole(run: Run) -> bool:
    """Whether the teacher has answered every sample."""
    return all(part.is_whole() for part in run.labelled())


def execute(run: Run) -> None:
    """Check the teacher on a few samples, then have it answer what is missing."""
    from kdkit.engine.answering import answer_samples, freeze

    experiment = run.experiment
    name = experiment.recipe.teacher.name
    todo = [(part, _missing(part)) for part in run.labelled() if not part.is_whole()]
    network = freeze(experiment.teacher.build())
    _check_teacher(run, network, name)
    total = sum(len(part.split) for part in run.labelled())
    left = sum(stop - start for _, ranges in todo for start, stop in ranges)
    with run.progress.work(NAME, name, total, "samples", total - left) as bar:
        for part, ranges in todo:
            answer_samples(
                network,
                part.split.samples,
                ranges,
                part.targets,
                experiment.domain.activation,
                experiment.recipe.trainer,
                bar,
            )


def _missing(part: Labelled) -> list[Range]:
    """The unanswered ranges, cut as the samples' own shards are, so that each is read once."""
    missing = part.targets.missing(part.split.start, part.split.stop)
    shards = part.split.samples.store.ranges()
    return [(max(a, start), min(b, stop)) for a, b in shards for start, stop in missing if a < stop and start < b]


def _check_teacher(run: Run, network: torch.nn.Module, name: str) -> None:
    """Stop before anything is labelled by a teacher that is silently wrong.

    Raises :class:`KdkitError` when answers are not finite, do not depend on the input, or the domain calls them
    implausible.
    """
    import torch

    from kdkit.engine.answering import answers_of

    domain = run.experiment.domain
    split_ = run.evaluation.split
    samples = [split_.samples.sample(i) for i in split_.indices[:CHECKED_SAMPLES]]
    logits = answers_of(network, [sample.inputs for sample in samples], torch.device("cpu"))
    values = torch.cat([answer.flatten() for answer in logits])
    remedy = "Check its weights and its preprocessing; nothing was labelled."
    if not bool(values.isfinite().all()):
        raise KdkitError(f"the teacher {name} answers with numbers that are not finite", remedy)
    if float(values.max() - values.min()) < SAME:
        raise KdkitError(f"the teacher {name} gives the same answer everywhere", remedy)
    if len(logits) > 1 and all(_same(answer, logits[0]) for answer in logits) and _differ(samples):
        raise KdkitError(f"the teacher {name} gives the same answer to every sample", remedy)
    answers = [decode_answer(encode(answer, domain.activation), domain.activation) for answer in logits]
    verdict = domain.check_teacher(samples, answers)
    run.progress.say("check", name, verdict or f"finite and not constant on {len(samples)} samples")


def _same(answer: torch.Tensor, other: torch.Tensor) -> bool:
    return answer.shape == other.shape and float((answer - other).abs().max()) < SAME


def _differ(samples: list[Sample]) -> bool:
    return any(not np.array_equal(sample.inputs, samples[0].inputs) for sample in samples)
