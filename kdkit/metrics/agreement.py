"""Agreement with the teacher, for any field: classes, masks, sequences and numbers; no label is needed.

They say how much a student has learned, not whether it is right: where the teacher is wrong, agreement is no merit.
Every metric reduces a sample to sums, so that intervals over thousands of samples take no time.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from kdkit.contracts.component import ComponentOptions
from kdkit.contracts.metric import Metric
from kdkit.sample import Sample

Kind = Literal["classes", "binary", "numbers"]

_BINS = 15
_SCORE_BINS = 200
_LEAST = 1e-7
_HALF = 0.5


class TeacherAgreement(Metric):
    """What the metrics of agreement have in common. Predictions are activated, of any shape, float32.

    ``classes``: the last axis holds probabilities of classes, which add up to 1; every position before it counts (the
    steps of a sequence, the pixels of a mask). ``binary``: each value is a probability of its own. ``numbers``: each
    value is a number.
    """

    unit = ""
    higher_is_better = True
    value_range: ClassVar[tuple[float, float]] = (0, 1)
    needs_truth = False
    reads_teacher = True
    additive = True

    class Options(ComponentOptions):
        """How predictions are read."""

        kind: Literal["auto", "classes", "binary", "numbers"] = Field(
            "auto",
            description="What the values are: probabilities of classes along the last axis, of their own each, or "
            "numbers; auto looks at the teacher's.",
        )

    kinds: tuple[Kind, ...] = ("classes", "binary")

    @abstractmethod
    def compare(self, prediction: np.ndarray, teacher: np.ndarray, kind: Kind) -> tuple[float, ...]:
        """The sums that one sample gives. Both are float64 (positions, classes), or (positions,)."""

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        teacher = sample.truth.get("teacher")
        if teacher is None or np.shape(teacher) != np.shape(prediction) or not np.size(teacher):
            return []
        kind = kind_of(teacher) if self.options.kind == "auto" else self.options.kind
        if kind not in self.kinds:
            return []
        shape = (-1, np.shape(teacher)[-1]) if kind == "classes" else (-1,)
        one, other = (np.asarray(values, np.float64).reshape(shape) for values in (prediction, teacher))
        return [self.compare(one, other, kind)]

    def example_cases(self) -> Sequence[tuple[np.ndarray, Sample]]:
        """Four samples of the first kind that the metric measures, each predicted with a little doubt."""
        rng = np.random.default_rng(0)
        cases = []
        for _ in range(4):
            logits = 3 * rng.normal(size=(6, 4))
            teacher, prediction = (_activated(z, self.kinds[0]) for z in (logits, logits + rng.normal(size=(6, 4))))
            cases.append((prediction, Sample(np.zeros(1, np.uint8), {"teacher": teacher})))
        return cases


def kind_of(teacher: np.ndarray) -> Kind:
    """What a teacher's activated values are, by themselves: float, any shape."""
    values = np.asarray(teacher, np.float64)
    if values.min() < 0 or values.max() > 1:
        return "numbers"
    is_distribution = values.ndim > 0 and values.shape[-1] > 1 and np.allclose(values.sum(-1), 1, atol=1e-3)
    return "classes" if is_distribution else "binary"


class Accuracy(TeacherAgreement):
    """Share of positions to which the model gives the teacher's class."""

    def compare(self, prediction: np.ndarray, teacher: np.ndarray, kind: Kind) -> tuple[float, ...]:
        same = _decide(prediction, kind) == _decide(teacher, kind)
        return float(same.sum()), float(same.size)

    def summarize(self, cases: np.ndarray) -> float:
        agreeing, total = cases.sum(0)
        return float(agreeing / total)


class TopK(TeacherAgreement):
    """Share of positions whose class by the teacher is among the model's ``k`` most probable ones."""

    kinds = ("classes",)

    class Options(TeacherAgreement.Options):
        """How many classes count."""

        k: int = Field(5, ge=1, description="How many of the most probable classes.")

    def compare(self, prediction: np.ndarray, teacher: np.ndarray, kind: Kind) -> tuple[float, ...]:
        own = np.take_along_axis(prediction, teacher.argmax(1)[:, None], 1)
        # A class that is as probable as others of the best k is among them.
        return float(((prediction > own).sum(1) < self.options.k).sum()), float(len(teacher))

    def summarize(self, cases: np.ndarray) -> float:
        agreeing, total = cases.sum(0)
        return float(agreeing / total)


class Confusion(TeacherAgreement):
    """Sums of the confusion matrix, teacher down and model across, as one row."""

    def compare(self, prediction: np.ndarray, teacher: np.ndarray, kind: Kind) -> tuple[float, ...]:
        classes = teacher.shape[1] if kind == "classes" else 2
        places = _decide(teacher, kind) * classes + _decide(prediction, kind)
        return tuple(np.bincount(places, minlength=classes**2).astype(float))

    def matrix(self, cases: np.ndarray) -> np.ndarray:
        """The matrix of all cases: float64 (classes, classes)."""
        side = int(np.sqrt(cases.shape[1]))
        return np.asarray(cases.sum(0).reshape(side, side))


class Kappa(Confusion):
    """Cohen's kappa (1960) of the model's and the teacher's classes: 1 is perfect, 0 is chance.

    1 where both know a single class and agree.
    """

    value_range = (-1, 1)

    def summarize(self, cases: np.ndarray) -> float:
        matrix = self.matrix(cases)
        total = matrix.sum()
        expected = float(matrix.sum(0) @ matrix.sum(1)) / total**2
        return 1.0 if expected == 1 else float((matrix.trace() / total - expected) / (1 - expected))


class F1(Confusion):
    """F1 score with the teacher's classes as the truth: of the positive class, or the mean over classes (macro).

    Classes that neither names are left out.
    """

    def summarize(self, cases: np.ndarray) -> float:
        matrix = self.matrix(cases)
        named = matrix.sum(0) + matrix.sum(1)
        scores = 2 * matrix.diagonal()[named > 0] / named[named > 0]
        return float(scores[-1] if len(matrix) == 2 and named[1] > 0 else scores.mean())


class AreaUnderCurve(TeacherAgreement):
    """Area under the ROC curve of the model's probabilities, the teacher's decisions being the truth.

    Of classes the mean of each against the others, those left out that the teacher never or always decides for.
    Probabilities are told apart in steps of 1/200 (Hanley and McNeil 1982; ties count half).
    """

    def compare(self, prediction: np.ndarray, teacher: np.ndarray, kind: Kind) -> tuple[float, ...]:
        if kind == "binary":
            return tuple(_histograms(prediction, teacher >= _HALF))
        decided = teacher.argmax(1)
        parts = [_histograms(prediction[:, c], decided == c) for c in range(teacher.shape[1])]
        return tuple(np.concatenate(parts))

    def summarize(self, cases: np.ndarray) -> float:
        areas = [_area(*part) for part in cases.sum(0).reshape(-1, 2, _SCORE_BINS)]
        known = [area for area in areas if np.isfinite(area)]
        return float(np.mean(known)) if known else float("nan")


class Divergence(TeacherAgreement):
    """Mean Kullback-Leibler divergence of the model's from the teacher's distribution, in nats; 0 is best."""

    higher_is_better = False
    unit = "nats"
    value_range = (0, math.inf)

    def compare(self, prediction: np.ndarray, teacher: np.ndarray, kind: Kind) -> tuple[float, ...]:
        if kind == "binary":
            prediction, teacher = (np.stack([p, 1 - p], axis=1) for p in (prediction, teacher))
        p, q = (np.clip(values, _LEAST, 1) for values in (teacher, prediction))
        return float((p * np.log(p / q)).sum()), float(len(p))

    def summarize(self, cases: np.ndarray) -> float:
        divergence, total = cases.sum(0)
        return float(divergence / total)


class Calibration(TeacherAgreement):
    """Expected calibration error: how far the model's confidence lies from how often it agrees with the teacher.

    Over 15 bins of equal width, weighted by their sizes (Guo et al. 2017).
    """

    higher_is_better = False

    def compare(self, prediction: np.ndarray, teacher: np.ndarray, kind: Kind) -> tuple[float, ...]:
        confidence = prediction.max(1) if kind == "classes" else np.maximum(prediction, 1 - prediction)
        right = _decide(prediction, kind) == _decide(teacher, kind)
        bins = np.clip((confidence * _BINS).astype(np.intp), 0, _BINS - 1)
        sums = [np.bincount(bins, weights, _BINS) for weights in (np.ones(len(bins)), confidence, right)]
        return tuple(np.concatenate(sums))

    def summarize(self, cases: np.ndarray) -> float:
        count, confidence, right = cases.sum(0).reshape(3, _BINS)
        return float(np.abs(confidence - right).sum() / count.sum())


class RootMeanSquareError(TeacherAgreement):
    """Root of the mean squared difference of values from the teacher's."""

    kinds = ("numbers", "binary", "classes")
    higher_is_better = False
    value_range = (0, math.inf)

    def compare(self, prediction: np.ndarray, teacher: np.ndarray, kind: Kind) -> tuple[float, ...]:
        return float(((prediction - teacher) ** 2).sum()), float(teacher.size)

    def summarize(self, cases: np.ndarray) -> float:
        squares, total = cases.sum(0)
        return float(np.sqrt(squares / total))


class Determination(TeacherAgreement):
    """Coefficient of determination R² of all values, the teacher's being the truth; 1 is best.

    Undefined where the teacher always gives the same value.
    """

    kinds = ("numbers", "binary", "classes")
    value_range = (-math.inf, 1)

    def compare(self, prediction: np.ndarray, teacher: np.ndarray, kind: Kind) -> tuple[float, ...]:
        return (
            float(teacher.size),
            float(teacher.sum()),
            float((teacher**2).sum()),
            float(((prediction - teacher) ** 2).sum()),
        )

    def summarize(self, cases: np.ndarray) -> float:
        count, total, squares, residual = cases.sum(0)
        spread = squares - total**2 / count
        return float(1 - residual / spread) if spread > 0 else float("nan")


def _decide(values: np.ndarray, kind: Kind) -> np.ndarray:
    """The class at each position: int (positions,)."""
    return values.argmax(1) if kind == "classes" else (values >= _HALF).astype(np.intp)


def _histograms(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """How many positives and how many negatives have each score: float64 (2 * bins,)."""
    bins = np.clip(np.rint(scores * (_SCORE_BINS - 1)).astype(np.intp), 0, _SCORE_BINS - 1)
    counts = [np.bincount(bins[chosen], minlength=_SCORE_BINS) for chosen in (positive, ~positive)]
    return np.concatenate(counts).astype(np.float64)


def _area(positives: np.ndarray, negatives: np.ndarray) -> float:
    """NaN without any of one kind."""
    pairs = positives.sum() * negatives.sum()
    below = np.cumsum(negatives) - negatives / 2
    return float(positives @ below / pairs) if pairs else float("nan")


def _activated(logits: np.ndarray, kind: Kind) -> np.ndarray:
    if kind == "numbers":
        return logits.astype(np.float32)
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return (exponentials / exponentials.sum(-1, keepdims=True)).astype(np.float32)
