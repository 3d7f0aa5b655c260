"""The predictions that lie in a run: of its teacher, its student and its controls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from kdkit.runs.folder import TEACHER
from kdkit.runs.run import Run
from kdkit.store.targets import read_prediction

Predictions = Callable[[int], np.ndarray]
"""From the index of an evaluation sample to a model's activated prediction, float32."""


def model_predictions(run: Run) -> dict[str, Predictions]:
    """The predictions of every model of the run, the teacher's first; the student's are those of seed 0."""
    return {model: by_seed[0] for model, by_seed in predictions_by_seed(run).items()}


def predictions_by_seed(run: Run) -> dict[str, list[Predictions]]:
    """The predictions of every model of the run, the teacher's first: one for each of its training seeds."""
    read = partial(read_prediction, activation=run.experiment.domain.activation)
    predictions: dict[str, list[Predictions]] = {TEACHER: [partial(read, run.evaluation.targets)]}
    for arm in run.arms:
        predictions.setdefault(arm.model, []).append(partial(read, run.predictions(arm)))
    return predictions
