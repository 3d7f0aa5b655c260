"""Whether a teacher is plausible, looked at on a few samples before anything is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kdkit.contracts.component import Component
from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.student import Student
from kdkit.contracts.teacher import Teacher
from kdkit.contracts.vocabulary import Activation
from kdkit.errors import DataError, KdkitError
from kdkit.evaluation.alternatives import doubts_beside_truth
from kdkit.evaluation.output_doubts import doubts_about, find_activation
from kdkit.plugins.calls import call, check_answer, name_component
from kdkit.recipe.experiment import Experiment
from kdkit.sample import Sample
from kdkit.store.targets import activate

if TYPE_CHECKING:
    import torch

CHECKED_SAMPLES = 8
CHECKED_SHAPES = 3
TOLERANCE = 1e-6
_REMEDY = "Check its weights and its preprocessing; nothing was labelled."


@dataclass(frozen=True)
class Examination:
    """What came of a check: ``verdict``, one line; ``predictions``, activated, one for each sample.

    ``doubts``: sentences on what is probably, but not certainly, wrong.
    """

    verdict: str
    predictions: list[np.ndarray]
    doubts: list[str]


@dataclass
class _Outputs:
    """``inputs``: every raw input that a network was given, with its ``logits``; ``predictions``: of each sample."""

    inputs: list[np.ndarray]
    logits: list[torch.Tensor]
    predictions: list[np.ndarray]


def check_teacher(experiment: Experiment, network: torch.nn.Module, samples: Sequence[Sample]) -> Examination:
    """Examine the frozen network of the experiment's teacher on these samples, at least one.

    Raises :class:`KdkitError` when its outputs are no logits, not finite, do not depend on the input, are
    probabilities already, or of another shape than the student's, and when the domain calls them implausible.
    """
    domain, teacher = experiment.domain, experiment.teacher
    name = f"the teacher {experiment.recipe.teacher.name}"
    outputs = _infer(domain, teacher, network, samples, name)
    _check_values(outputs, name)
    _check_shape(teacher, experiment.student, outputs, name)
    _check_activation(teacher, network, outputs, name, domain.activation)
    verdict, refusal = _domain_verdict(domain, samples, outputs)
    doubts = list(doubts_about(outputs.inputs, outputs.logits, domain.activation))
    doubts += doubts_beside_truth(
        teacher,
        domain.activation,
        experiment.metrics,
        samples,
        outputs.predictions,
        lambda other, few: _infer(domain, teacher, other, few, name).predictions,
    )
    if refusal:
        raise KdkitError(refusal.message, "\n  ".join(filter(None, [refusal.remedy, *doubts]))) from refusal
    return Examination(verdict or f"finite and not constant on {len(samples)} samples", outputs.predictions, doubts)


def _infer(
    domain: Domain, teacher: Teacher, network: torch.nn.Module, samples: Sequence[Sample], name: str
) -> _Outputs:
    import torch

    from kdkit.engine.guard import summarize
    from kdkit.engine.inference import infer_logits

    outputs = _Outputs([], [], [])

    def infer(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        new = infer_logits(network, inputs, torch.device("cpu"))
        if not all(bool(logits.isfinite().all()) for logits in new):
            raise KdkitError(f"{name} gives logits that are not finite", _REMEDY)
        outputs.inputs.extend(inputs)
        outputs.logits.extend(new)
        return [activate(logits, domain.activation) for logits in new]

    with name_component(domain, f"failed in predict() on what {name} gives"):
        try:
            outputs.predictions = [domain.predict(sample, infer) for sample in samples]
        except (IndexError, ValueError, TypeError) as error:  # a domain need not expect every shape
            shape = tuple(outputs.logits[-1].shape) if outputs.logits else ()
            raise DataError(
                f"the domain cannot use what {name} gives, logits {shape} for a sample of {samples[0].inputs.shape}: "
                f"{summarize(error)}",
                f"{_say_what_to_change(teacher)}, or Domain.predict and Domain.activation, so that they go together.",
            ) from error
    for sample, prediction in zip(samples, outputs.predictions, strict=True):
        check_answer(domain.predict, prediction, sample)
    return outputs


def _say_what_to_change(*components: Component) -> str:
    """Of each component its options, those of its own that there are, else what its network returns."""
    ways = []
    for component in components:
        names = ", ".join(type(component.options).model_fields)
        what = f"options ({names})" if names else "network"
        ways.append(f"{component.kind}'s {what}")
    return f"Change the {' or the '.join(ways)}"


def _domain_verdict(domain: Domain, samples: Sequence[Sample], outputs: _Outputs) -> tuple[str, KdkitError | None]:
    """The domain's verdict, or its refusal, of which the doubts may tell the reason."""
    try:
        with name_component(domain, "failed in its check of the teacher"):
            verdict = domain.check_teacher(samples, outputs.predictions)
        return check_answer(domain.check_teacher, verdict), None
    except KdkitError as error:
        return "", error


def _check_values(outputs: _Outputs, name: str) -> None:
    import torch

    logits = outputs.logits
    values = torch.cat([one.flatten() for one in logits])
    if float(values.max() - values.min()) < TOLERANCE:
        raise KdkitError(f"{name} gives the same logits everywhere", _REMEDY)
    if len(logits) > 1 and all(_agree(one, logits[0]) for one in logits) and _differ(outputs.inputs):
        raise KdkitError(f"{name} gives the same logits for every sample", _REMEDY)


def _check_activation(
    teacher: Teacher, network: torch.nn.Module, outputs: _Outputs, name: str, activation: Activation
) -> None:
    """Refuse probabilities that are read as logits, wherever in the teacher."""
    import torch

    first = [array for array in outputs.inputs if array.shape == outputs.inputs[0].shape]
    with torch.inference_mode():
        own_outputs = call(teacher.model_outputs, network, torch.from_numpy(np.stack(first)))
    seen = [
        ("teacher", outputs.logits, None),
        *((where, [values], axis) for where, (values, axis) in own_outputs.items()),
    ]
    for where, values, axis in seen:
        joined = values[0] if axis is not None else _join(values, activation)
        applied = find_activation(joined, -1 if axis is None else axis, activation)
        if applied:
            sums = " and add up to 1 over the classes" if applied == "softmax" else ""
            # Other teachers may have an option of that name with another meaning.
            settable = where != "teacher" or getattr(teacher.options, "activation", "") == "none"
            remedy = f"Set {where}.activation={applied} if the model ends in a {applied}" if settable else ""
            raise KdkitError(
                f"{name} gives probabilities instead of logits: all values of {where} lie in 0..1{sums}",
                f"{remedy}{', or have' if remedy else 'Have'} it return logits. Nothing was labelled.",
            )


def _join(logits: Sequence[torch.Tensor], activation: Activation) -> torch.Tensor:
    """All logits: (distributions, classes) where the last axis holds classes, else (values,)."""
    import torch

    classes = logits[0].shape[-1] if activation == "softmax" and logits[0].ndim else 0
    return torch.cat([one.reshape(-1, classes) if classes else one.flatten() for one in logits])


def _check_shape(teacher: Teacher, student: Student, outputs: _Outputs, name: str) -> None:
    """Teacher and student are compared value by value."""
    import torch

    from kdkit.engine.guard import read_logits, run_network, title_of_network
    from kdkit.engine.inference import freeze

    network = freeze(call(student.build))
    # One of each of a few shapes: a teacher may give a fixed number of frames, whatever the length of a clip.
    by_shape = {inputs.shape: (inputs, logits) for inputs, logits in zip(outputs.inputs, outputs.logits, strict=True)}
    for inputs, teacher_logits in list(by_shape.values())[:CHECKED_SHAPES]:
        with torch.inference_mode():
            output = run_network(network, torch.from_numpy(inputs[None]))
        logits, _ = read_logits(output, 1, title_of_network(network))
        own, other = tuple(teacher_logits.shape), tuple(logits.shape[1:])
        if own != other:
            raise DataError(
                f"{name} gives logits {own} for a sample of {inputs.shape}, the student {other}",
                f"{_say_what_to_change(teacher, student)} so that both give the same shape.",
            )


def first_samples(source: Generator, count: int, prefer_labelled: bool) -> list[Sample]:
    """The first samples of a source, at most ``count``; what cannot be read is passed over.

    ``prefer_labelled``: those that carry a truth, if any does.
    """
    samples: list[Sample] = []
    unlabelled: list[Sample] = []
    available = call(source.count)
    for index in range(count if available is None else available):
        try:
            (sample,) = call(source.generate, [index])
        except DataError:
            continue
        if prefer_labelled and not sample.truth:
            unlabelled = [*unlabelled, sample][:count]
            continue
        samples.append(sample)
        if len(samples) == count:
            break
    return samples or unlabelled


def _agree(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and float((one - other).abs().max()) < TOLERANCE


def _differ(inputs: Sequence[np.ndarray]) -> bool:
    return any(not np.array_equal(array, inputs[0]) for array in inputs)
