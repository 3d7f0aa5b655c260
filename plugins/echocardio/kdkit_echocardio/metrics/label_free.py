"""Scores that need no label: agreement with the teacher, and with oneself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from kdkit import ComponentOptions, Sample

from ..geometry import binarize
from .clip_metric import ClipMetric


def clip_dice(one: np.ndarray, other: np.ndarray) -> float:
    """``2 |P & T| / (|P| + |T|)`` of two probabilities (T, H, W) over all frames of a clip; 1 when both are empty."""
    first, second = binarize(one), binarize(other)
    total = int(first.sum() + second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0


class TeacherAgreement(ClipMetric):
    """``2 |P & T| / (|P| + |T|)`` of a model's with the teacher's masks over all of a clip; no truth is needed.

    It says how much was learned, not whether it is right: where the teacher is wrong, agreement is no merit.
    """

    unit = ""
    higher_is_better = True
    value_range = (0, 1)
    needs_truth = False
    reads_teacher = True

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        if "teacher" not in sample.truth:
            return []
        return [(clip_dice(prediction, sample.truth["teacher"]),)]

    def example_cases(self) -> Sequence[tuple[np.ndarray, Sample]]:
        """Those of the base, with the true masks as the teacher's."""
        return [
            (prediction, _with_truth(sample, teacher=sample.truth["mask"]))
            for prediction, sample in super().example_cases()
        ]


class SelfConsistency(ClipMetric):
    """Mean DICE of a model's prediction with those on the clip played backwards, amplified, and with noise.

    Each over all frames of the clip, the one on the clip played backwards put back in order. None of the three moves
    the ventricle, so a good model predicts the same; no truth is needed. A model with a constant prediction is
    perfectly consistent: read it together with an overlap or ``agreement``. Only ``kdkit evaluate --data`` runs
    models on further inputs; in a run it has no value. Two stills, which have no order in time, are not counted.
    """

    unit = ""
    higher_is_better = True
    value_range = (0, 1)
    needs_truth = False

    class Options(ComponentOptions):
        """How the clip is changed."""

        gain: float = Field(1.2, gt=0, description="Factor of the grey values; what exceeds 255 is cut off.")
        noise: float = Field(8.0, ge=0, description="Standard deviation of the added noise, grey values.")

    def probes(self, sample: Sample) -> Sequence[np.ndarray]:
        """The clip backwards, amplified, and with noise; uint8 like itself."""
        if len(sample.inputs) < 3:
            return []
        clip = sample.inputs.astype(np.float32)
        noise = np.random.default_rng(0).normal(0, self.options.noise, clip.shape)
        changed = (clip * self.options.gain, clip + noise)
        return [sample.inputs[::-1].copy(), *(np.clip(c, 0, 255).round().astype(np.uint8) for c in changed)]

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        if "probes" not in sample.truth:
            return []
        backwards, *others = sample.truth["probes"]
        return [(float(np.mean([clip_dice(prediction, probe) for probe in (backwards[::-1], *others)])),)]

    def example_cases(self) -> Sequence[tuple[np.ndarray, Sample]]:
        """Those of the base, with predictions that are a little too large where the clip was changed."""
        return [
            (prediction, _with_truth(sample, probes=np.stack([prediction[::-1], sample.truth["mask"], prediction])))
            for prediction, sample in super().example_cases()
        ]


def _with_truth(sample: Sample, **truth: np.ndarray) -> Sample:
    return replace(sample, truth={**sample.truth, **truth})
