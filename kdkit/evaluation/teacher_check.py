"""Whether a teacher is plausible, checked on a few samples before anything is labelled."""

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
TOLERANCE = 1e-6
_REMEDY = "Check its weights and its preprocessing; nothing was labelled."


def check_teacher(
    domain: Domain, name: str, network: torch.nn.Module, samples: Sequence[Sample]
) -> tuple[str, list[np.ndarray]]:
    """One line on the frozen network's predictions for the samples, and the predictions, activated.

    Raises :class:`KdkitError` when its logits are not finite or do not depend on the input, or when the domain calls
    the predictions implausible.
    """
    import torch

    from kdkit.engine.inference import infer_logits

    all_inputs: list[np.ndarray] = []
    all_logits: list[torch.Tensor] = []

    def infer(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        batch = infer_logits(network, inputs, torch.device("cpu"))
        if not all(bool(logits.isfinite().all()) for logits in batch):
            raise KdkitError(f"the teacher {name} gives logits that are not finite", _REMEDY)
        all_inputs.extend(inputs)
        all_logits.extend(batch)
        return [activate(logits, domain.activation) for logits in batch]

    predictions = [domain.predict(sample, infer) for sample in samples]
    values = torch.cat([logits.flatten() for logits in all_logits])
    if float(values.max() - values.min()) < TOLERANCE:
        raise KdkitError(f"the teacher {name} gives the same logits everywhere", _REMEDY)
    agree = all(_agree(logits, all_logits[0]) for logits in all_logits)
    if len(all_logits) > 1 and agree and _differ(all_inputs):
        raise KdkitError(f"the teacher {name} gives the same logits for every sample", _REMEDY)
    verdict = domain.check_teacher(samples, predictions)
    return verdict or f"finite and not constant on {len(samples)} samples", predictions


def first_samples(source: Generator, count: int, prefer_labelled: bool) -> list[Sample]:
    """The first samples of a source, at most ``count``; what cannot be read is passed over.

    ``prefer_labelled``: those that carry a truth, if any does.
    """
    samples: list[Sample] = []
    unlabelled: list[Sample] = []
    available = source.count()
    for index in range(count if available is None else available):
        try:
            (sample,) = source.generate([index])
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
