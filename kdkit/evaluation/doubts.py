"""Everything that speaks against the result of a run, gathered while it is evaluated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdkit.contracts.vocabulary import Activation
from kdkit.evaluation.prediction_doubts import CLEARLY_EXPLAINED, PredictionSummary, doubts_about_student
from kdkit.evaluation.training_doubts import Rows, doubts_about_training
from kdkit.runs.folder import STUDENT, TEACHER
from kdkit.sample import Sample

METRICS = "metrics"


class Doubts:
    """Of a run's teacher, its students and its metrics."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self.teacher = PredictionSummary(activation)
        self.students: list[PredictionSummary] = []
        self._not_finite: dict[tuple[str, str], list[str]] = {}

    def add_teacher(self, sample: Sample, prediction: np.ndarray) -> None:
        self.teacher.add(prediction, sample.inputs)

    def add_student(self, number: int, prediction: np.ndarray, teacher: np.ndarray) -> None:
        """``number``: of its training seed, from 0; ``teacher``: its prediction for the same sample."""
        if number == len(self.students):
            self.students.append(PredictionSummary(self.activation))
        self.students[number].add(prediction, teacher, teacher)

    def add_cases(self, model: str, metric: str, sample: str, cases: np.ndarray | None) -> None:
        """``cases``: what the metric gave; None where it could not measure the sample."""
        if cases is not None and not np.isfinite(cases).all():
            self._not_finite.setdefault((model, metric), []).append(sample)

    def all(self, histories: Sequence[Rows]) -> dict[str, list[str]]:
        """Sentences by what they are about: "teacher", "student", "metrics"; what nothing speaks against is left out.

        ``histories``: the losses of each student, seed by seed.
        """
        of_students = []
        for number, (summary, history) in enumerate(zip(self.students, histories, strict=True)):
            sentences = doubts_about_student(summary, self.teacher)
            # A student that begins with weights of its own may have little left to learn.
            if summary.explained is None or summary.explained < CLEARLY_EXPLAINED:
                sentences += doubts_about_training(history)
            seed = f"seed {number}: " if len(self.students) > 1 else ""
            of_students += [seed + sentence for sentence in sentences]
        found = {TEACHER: list(self.teacher.doubts()), STUDENT: of_students, METRICS: self._of_metrics()}
        return {about: sentences for about, sentences in found.items() if sentences}

    def _of_metrics(self) -> list[str]:
        sentences = []
        for (model, metric), samples in self._not_finite.items():
            more = f" and {len(samples) - 1} more" if len(samples) > 1 else ""
            sentences.append(f"{metric} of the {model} is not a finite number on {samples[0]}{more}")
        return sentences
