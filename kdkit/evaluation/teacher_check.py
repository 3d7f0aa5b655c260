"""Whether a teacher is worth asking, found on a few samples before anything is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.errors import DataError, KdkitError
from kdkit.sample import Sample
from kdkit.store.targets import activate

if TYPE_CHECKING:
    import torch

CHECKED_SAMPLES = 8
SAME = 1e-6
_REMEDY = "Check its weights and its preprocessing; nothing was labelled."


def check_teacher(
    domain: Domain, name: str, network: torch.nn.Module, samples: Sequence[Sample]
) -> tuple[str, list[np.ndarray]]:
    """One line on the frozen network's answers to the samples, and the answers, activated.

    Raises :class:`KdkitError` when answers are not finite, do not depend on the input, or the domain calls them
    implausible.
    """
    import torch

    from kdkit.engine.inference import infer_logits

    asked: list[np.ndarray] = []
    logits: list[torch.Tensor] = []

    def infer(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        new = infer_logits(network, inputs, torch.device("cpu"))
        if not all(bool(answer.isfinite().all()) for answer in new):
            raise KdkitError(f"the teacher {name} answers with numbers that are not finite", _REMEDY)
        asked.extend(inputs)
        logits.extend(new)
        return [activate(answer, domain.activation) for answer in new]

    answers = [domain.predict(sample, infer) for sample in samples]
    values = torch.cat([answer.flatten() for answer in logits])
    if float(values.max() - values.min()) < SAME:
        raise KdkitError(f"the teacher {name} gives the same answer everywhere", _REMEDY)
    if len(logits) > 1 and all(_same(answer, logits[0]) for answer in logits) and _differ(asked):
        raise KdkitError(f"the teacher {name} gives the same answer to every sample", _REMEDY)
    verdict = domain.check_teacher(samples, answers)
    return verdict or f"finite and not constant on {len(samples)} samples", answers


def first_samples(source: Generator, count: int, labelled: bool) -> list[Sample]:
    """The first samples of a source, at most ``count``; with ``labelled`` those that carry a truth, if any does.

    What cannot be read is passed over.
    """
    found: list[Sample] = []
    spare: list[Sample] = []
    available = source.count()
    for index in range(count if available is None else available):
        try:
            (sample,) = source.generate([index])
        except DataError:
            continue
        if labelled and not sample.truth:
            spare = [*spare, sample][:count]
            continue
        found.append(sample)
        if len(found) == count:
            break
    return found or spare


def _same(answer: torch.Tensor, other: torch.Tensor) -> bool:
    return answer.shape == other.shape and float((answer - other).abs().max()) < SAME


def _differ(inputs: Sequence[np.ndarray]) -> bool:
    return any(not np.array_equal(array, inputs[0]) for array in inputs)
