"""The predictions that lie in a run: of its teacher, its student and its control."""

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
    """The predictions of every model of the run, the teacher's first."""
    activation = run.experiment.domain.activation
    stores = {TEACHER: run.evaluation.targets} | {arm.name: run.predictions(arm) for arm in run.arms}
    return {model: partial(read_prediction, store, activation=activation) for model, store in stores.items()}
