"""What is suspicious about stored predictions, the teacher's and the student's, over every evaluation sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kdkit.contracts.vocabulary import Activation
from kdkit.errors import DataError
from kdkit.evaluation.output_doubts import FEWEST_ALIKE, LEAST_SPREAD, NEARLY_ALL, measure_spread

# Of so many samples parts are kept, to be compared with each other.
KEPT_SAMPLES = 16
# Of a larger prediction only the first items along its first axis are kept.
KEPT_SIZE, KEPT_ITEMS = 4096, 4
# A student that explains less of its teacher's predictions has not learnt them; one constant answer explains 0.
LEAST_EXPLAINED = 0.05
# One that explains so much has learnt them, whatever its losses look like.
CLEARLY_EXPLAINED = 0.5


class PredictionSummary:
    """Sums over a model's activated predictions, sample by sample, beside what they are expected to follow."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self.low, self.high = float("inf"), float("-inf")
        self.samples = self.values = self.certain = 0
        self.classes: set[int] = set()
        self.squared_error = 0.0
        # Count, sum and sum of squares of the teacher's values; for classes that exclude each other, of each class.
        self.count, self.total, self.squares = 0, np.zeros(1), np.zeros(1)
        self.parts: list[np.ndarray] = []
        self.reference_parts: list[np.ndarray] = []

    def add(self, prediction: np.ndarray, reference: np.ndarray, teacher: np.ndarray | None = None) -> None:
        """Take a sample's prediction into account.

        ``reference``: what must differ between samples for a spread of predictions to be expected. ``teacher``: its
        prediction; None where this is the teacher's own. Raises :class:`DataError` when the two are of other shapes.
        """
        self.samples += 1
        self.values += prediction.size
        self.low = min(self.low, float(prediction.min(initial=float("inf"))))
        self.high = max(self.high, float(prediction.max(initial=float("-inf"))))
        if self.activation == "sigmoid":
            self.certain += int(((prediction <= 0) | (prediction >= 1)).sum())
        elif self.activation == "softmax":
            self.classes.update(np.unique(prediction.argmax(-1)).tolist())
        if len(self.parts) < KEPT_SAMPLES:
            self.parts.append(_part(prediction))
            self.reference_parts.append(_part(reference))
        if teacher is not None:
            self._add_error(prediction, teacher)

    def _add_error(self, prediction: np.ndarray, teacher: np.ndarray) -> None:
        if prediction.shape != teacher.shape:
            raise DataError(
                f"the student's prediction of a sample is {prediction.shape}, the teacher's {teacher.shape}",
                "Give both the same number of frames.",
            )
        classes = teacher.shape[-1] if self.activation == "softmax" else 1
        values = teacher.astype(np.float64).reshape(-1, classes)
        self.squared_error += float(np.square(prediction.astype(np.float64) - teacher).sum())
        self.count += len(values)
        self.total = self.total + values.sum(0)
        self.squares = self.squares + np.square(values).sum(0)

    @property
    def explained(self) -> float | None:
        """The share of the variance of the teacher's predictions that these explain, at most 1; None without any."""
        if not self.count:
            return None
        variance = float((self.squares - np.square(self.total) / self.count).sum())
        return 1 - self.squared_error / variance if variance > 1e-9 * self.count else None

    def doubts(self) -> Iterator[str]:
        """Each as a sentence about "it"."""
        if not self.samples:
            return
        if self.activation == "sigmoid":
            if self.high < 0.5:
                yield f"it calls everything background: its probabilities are {self.low:.2g} to {self.high:.2g}"
            elif self.low > 0.5:
                yield f"it calls everything foreground: its probabilities are {self.low:.2g} to {self.high:.2g}"
            elif self.certain >= NEARLY_ALL * self.values:
                yield "it is saturated: nearly every probability is 0 or 1, which says no more than labels would"
        if self.activation == "softmax" and len(self.classes) == 1 and self.samples >= FEWEST_ALIKE:
            yield f"it predicts class {next(iter(self.classes))} for each of {self.samples} samples"
        spread = measure_spread(_cut_alike(self.parts))
        if spread < LEAST_SPREAD < measure_spread(_cut_alike(self.reference_parts)):
            yield (
                f"it hardly depends on the input: only {spread:.2%} of the spread of its predictions lies between "
                "samples"
            )


def doubts_about_student(student: PredictionSummary, teacher: PredictionSummary) -> list[str]:
    """Those that the teacher does not give the same reason for."""
    of_teacher = {doubt.partition(":")[0] for doubt in teacher.doubts()}
    doubts = [doubt for doubt in student.doubts() if doubt.partition(":")[0] not in of_teacher]
    explained = student.explained
    if explained is not None and explained < LEAST_EXPLAINED:
        doubts.append(
            "it has not learnt its teacher's answers: it is no nearer to them than one constant answer would be "
            f"({explained:.2f} of their variance is explained)"
        )
    return doubts


def _cut_alike(parts: list[np.ndarray]) -> list[np.ndarray]:
    """The parts as long along the first axis as the shortest is."""
    if any(part.ndim == 0 for part in parts):
        return parts
    length = min(len(part) for part in parts)
    return [part[:length] for part in parts]


def _part(array: np.ndarray) -> np.ndarray:
    part = array if array.size <= KEPT_SIZE else array[:KEPT_ITEMS]
    return part.astype(np.float32)
