"""Scores that a vision-language model gives in place of an annotator (Petit et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from kdkit import ComponentOptions, InputFolder, Sample, VisionLanguage

from ..beats import Beats, find_beats
from ..geometry import binarize
from .clip_metric import ClipMetric
from .timing import AverageFrameDistance

_MODEL = "Folder of a vision-language model in OpenCLIP's layout: open_clip_config.json and weights (EchoCLIP)."
# Petit et al. dilate by 5 x 5 pixels.
MARGIN = 2


class EchoClipScore(ClipMetric):
    """How well a vision-language model finds what is left of a frame when the predicted ventricle is blacked out.

    The mean over frames of ``s(A, wall) + s(B, nothing) - s(B, ventricle)``, where s is the cosine similarity with a
    prompt, A the frame with the mask black, and B the frame with the mask dilated by 5 x 5 pixels black (Petit et al.
    2025). No truth is needed. Compare models on the same clips: the value itself means nothing.
    """

    unit = ""
    higher_is_better = True
    needs_truth = False
    parallel = False

    class Options(ComponentOptions):
        """The model and its prompts."""

        model: InputFolder = Field(description=_MODEL)
        wall: str = Field("WALL", description="What is to be seen when the mask is black.")
        nothing: str = Field("NOTHING", description="What is to be seen when the dilated mask is black.")
        ventricle: str = Field("LEFT VENTRICLE", description="What is not to be seen any more.")

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A tiny model with random weights."""
        return {"model": VisionLanguage.write_example(folder).folder}

    def files(self) -> Sequence[Path]:
        """The files of the model."""
        return VisionLanguage(self.options.model).files()

    def example_cases(self) -> Sequence[tuple[np.ndarray, Sample]]:
        """The first frames of the base's: every frame takes a while."""
        return [
            (prediction[:3], replace(sample, inputs=sample.inputs[:3]))
            for prediction, sample in super().example_cases()
        ]

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        masks, options = binarize(prediction), self.options
        model = VisionLanguage(options.model)
        wall = model.similarities_without(sample.inputs, masks, [options.wall])[:, 0]
        content_prompts = [options.nothing, options.ventricle]
        nothing, ventricle = model.similarities_without(sample.inputs, masks, content_prompts, MARGIN).T
        return [(float(np.mean(wall + nothing - ventricle)),)]


class EchoClipPhase(AverageFrameDistance):
    """``afd`` against the beats that a vision-language model detects in the clip; it needs no truth.

    Per frame, the similarity with "closed" minus that with "open" (the mitral valve's state), standardised; its
    cumulative sum, which rises in systole, turned over, takes the place of the area, and its beats are detected as in
    ``afd``. A clip without a detected beat is not counted (Petit et al. 2025).
    """

    needs_truth = False
    parallel = False

    class Options(ComponentOptions):
        """The model and its prompts."""

        model: InputFolder = Field(description=_MODEL)
        closed: str = Field("THE MITRAL VALVE IS CLOSED", description="What is to be seen in systole.")
        open: str = Field("THE MITRAL VALVE IS OPEN", description="What is to be seen in diastole.")

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A tiny model with random weights."""
        return {"model": VisionLanguage.write_example(folder).folder}

    def files(self) -> Sequence[Path]:
        """The files of the model."""
        return VisionLanguage(self.options.model).files()

    def example_cases(self) -> Sequence[tuple[np.ndarray, Sample]]:
        """Those of the base, with a bright ventricle that the model can detect."""
        return [
            (prediction, replace(sample, inputs=sample.truth["mask"] * np.uint8(255)))
            for prediction, sample in super().example_cases()
        ]

    def reference(self, sample: Sample) -> Beats | None:
        if not sample.info.get("fps"):
            return None
        valve = [self.options.closed, self.options.open]
        closed_similarity, open_similarity = VisionLanguage(self.options.model).similarities(sample.inputs, valve).T
        beats = find_beats(phase_curve(closed_similarity - open_similarity), sample.info["fps"])
        return beats if len(beats.ed) or len(beats.es) else None


def phase_curve(difference: np.ndarray) -> np.ndarray:
    """A curve that is large at ED and small at ES, 1..2, from how much the valve looks closed, float (T,)."""
    deviation = difference.std()
    if deviation == 0:
        return np.full(len(difference), 1.0)
    fallen = -np.cumsum((difference - difference.mean()) / deviation)
    return 1 + (fallen - fallen.min()) / np.ptp(fallen)
