"""Whether another reading of the same model would agree with the truth clearly better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kdkit.contracts.metric import Metric
from kdkit.contracts.teacher import Teacher
from kdkit.contracts.vocabulary import Activation
from kdkit.errors import KdkitError
from kdkit.evaluation.metric_update import measure_cases
from kdkit.plugins.calls import call
from kdkit.runs.folder import TEACHER
from kdkit.sample import Sample

if TYPE_CHECKING:
    import torch

# A teacher that agrees so well can hardly be read wrongly.
GOOD_AGREEMENT = 0.8
# A clearly better reading leaves at most half of what is missing to 1, and is better by this much.
HALF, LEAST_GAIN = 0.5, 0.15
# What counts as better on one sample, and by how many times wins outnumber losses.
WIN, WINS_PER_LOSS, FEWEST_WINS = 0.01, 4, 3
# Below the promise of the card by so much, weights are not read as they were when it was written.
FAR_BELOW = 0.15
# Values of raw input in a sample from which on only some of the samples are asked about again.
LARGE_SAMPLE, SAMPLES_IF_LARGE = 100_000, 3

Predict = Callable[["torch.nn.Module", Sequence[Sample]], list[np.ndarray]]


@dataclass
class Agreement:
    """How predictions agree with the truth: ``value``, 0..1, by the metric ``name``, and that of each sample."""

    name: str
    value: float
    each: list[float]


def measure_agreement(
    metrics: Mapping[str, Metric], samples: Sequence[Sample], predictions: Sequence[np.ndarray]
) -> Agreement | None:
    """By the first metric that is a ratio of prediction and truth, higher better; None where nothing has a truth."""
    for name, metric in metrics.items():
        if metric.needs_truth and not metric.reads_teacher and metric.higher_is_better and metric.unit == "":
            pairs = zip(predictions, samples, strict=True)
            cases = [measure_cases(metric, TEACHER, prediction, sample, None) for prediction, sample in pairs]
            each = [float("nan") if c is None else call(metric.summarize, c) for c in cases]
            every = [c for c in cases if c is not None]
            value = call(metric.summarize, np.concatenate(every)) if every else float("nan")
            if np.isfinite(value):
                return Agreement(name, value, each)
    return None


def doubts_beside_truth(
    teacher: Teacher,
    activation: Activation,
    metrics: Mapping[str, Metric],
    samples: Sequence[Sample],
    predictions: Sequence[np.ndarray],
    predict: Predict,
) -> Iterator[str]:
    """Each doubt as a sentence: a promise that is not kept, and readings that agree clearly better.

    ``predict``: a network's predictions for samples, activated. Yields nothing where no sample has a truth.
    """
    own = measure_agreement(metrics, samples, predictions)
    if own is None:
        return
    promised = call(teacher.promise, own.name)
    if promised is not None and own.value < promised - FAR_BELOW:
        yield f"{own.name} is {own.value:.2f}; the card of its weights promises {promised:.2f}"
    if own.value >= GOOD_AGREEMENT:
        return
    chosen = [i for i, value in enumerate(own.each) if np.isfinite(value)]
    if samples[0].inputs.size > LARGE_SAMPLE:
        chosen = chosen[:SAMPLES_IF_LARGE]
    few, firsts = [samples[i] for i in chosen], [predictions[i] for i in chosen]
    base = measure_agreement(metrics, few, firsts)
    if base is None:
        return
    better: list[tuple[float, str]] = []
    for reading, remedy, others in _readings(teacher, activation, few, firsts, predict):
        found = measure_agreement(metrics, few, others)
        if found is not None and is_clearly_better(found, base):
            better.append((found.value, f"{reading} ({remedy})"))
    if better:
        best = max(value for value, _ in better)
        # Few samples do not tell near ones apart: which of them is meant, the model's author knows.
        named = [reading for value, reading in better if value > best - WIN]
        yield f"on {len(few)} samples {base.name} is {base.value:.2f}, but {best:.2f} with {', or with '.join(named)}"


def is_clearly_better(other: Agreement, own: Agreement) -> bool:
    """By much, and on nearly every sample where they differ: few samples make many readings look good by chance."""
    pairs = list(zip(other.each, own.each, strict=True))
    wins, losses = sum(o > b + WIN for o, b in pairs), sum(o < b - WIN for o, b in pairs)
    large = other.value >= own.value + LEAST_GAIN and 1 - other.value <= HALF * (1 - own.value)
    return large and wins >= max(min(FEWEST_WINS, len(pairs)), WINS_PER_LOSS * losses)


def _readings(
    teacher: Teacher,
    activation: Activation,
    samples: Sequence[Sample],
    predictions: Sequence[np.ndarray],
    predict: Predict,
) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """What each is, what to do for it, and the predictions that come of it."""
    from kdkit.engine.inference import freeze

    if activation == "sigmoid":
        yield "foreground and background exchanged", "choose the other channel", [1 - p for p in predictions]
    if activation == "softmax":
        remedy = "bring the model's classes into the domain's order"
        yield "the classes in reversed order", remedy, [p[..., ::-1].copy() for p in predictions]
        for step in (1, -1):
            yield f"the classes moved by {step:+d}", remedy, [np.roll(p, step, -1) for p in predictions]
    for setting, other in call(teacher.alternatives).items():
        try:
            yield setting, "set it", predict(freeze(other.build()), samples)
        except KdkitError:
            continue  # the model cannot be read so
