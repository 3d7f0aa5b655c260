"""Scores that a vision-language model gives in place of labels, in any domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from kdkit.contracts.component import ComponentOptions
from kdkit.contracts.metric import Metric
from kdkit.errors import DataError
from kdkit.metrics.open_clip import VisionLanguage
from kdkit.recipe.paths import InputFolder
from kdkit.sample import Sample

THRESHOLD = 0.5
_MODEL = "Folder of a vision-language model in OpenCLIP's layout: open_clip_config.json and weights."
_COLOURS = 3


class VisionLanguageMetric(Metric):
    """A metric that a vision-language model gives for the samples, and that needs no truth."""

    unit = ""
    higher_is_better = True
    needs_truth = False
    parallel = False

    def model(self) -> VisionLanguage:
        """The model that the option names."""
        return VisionLanguage(self.options.model)

    def files(self) -> Sequence[Path]:
        """The files of the model."""
        return self.model().files()


class Term(ComponentOptions):
    """What a picture without the masked region is held against."""

    in_words: ClassVar[str] = "{prompt, weight, margin}"

    prompt: str = Field(description="What may be seen.")
    weight: float = Field(1.0, description="What seeing it counts; below zero where it is not to be seen.")
    margin: int = Field(0, ge=0, description="By how many pixels the mask grows to each side before it is black.")


class ClipScore(VisionLanguageMetric):
    """``sum_k weight_k s(A_k, prompt_k)``, s the cosine similarity of a prompt with a picture whose mask is black.

    The mean over the pictures of a sample (after Petit et al. 2025, and CLIPScore, Hessel et al. 2021, whose factor
    2.5 and cut at zero would only blur differences). Compare models on the same samples: the value itself means
    nothing. Predictions are probabilities of the inputs' height and width, for clips frame by frame; a pixel is
    masked from 0.5 on.
    """

    class Options(ComponentOptions):
        """The model, and its prompts."""

        model: InputFolder = Field(description=_MODEL)
        terms: tuple[Term, ...] = Field(
            min_length=1,
            description="What is to be seen, or not any more, when the masked region is black: prompts with weights.",
        )

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A tiny model with random weights, with prompts for what is left and for what is gone."""
        VisionLanguage.write_example(folder)
        terms = [{"prompt": "a background"}, {"prompt": "a square", "weight": -1, "margin": 1}]
        return {"model": folder, "terms": terms}

    def example_cases(self) -> Sequence[tuple[np.ndarray, Sample]]:
        """Grey pictures of noise, each with another square as its mask."""
        rng = np.random.default_rng(0)
        cases = []
        for side in (3, 6, 9):
            prediction = np.full((16, 16), 0.1, np.float32)
            prediction[4 : 4 + side, 5 : 5 + side] = 0.9
            cases.append((prediction, Sample(rng.integers(0, 256, (16, 16), dtype=np.uint8))))
        return cases

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        images = pictures(sample)
        shape = images.shape[:3]
        if prediction.size != np.prod(shape) or prediction.shape[-2:] != shape[1:]:
            raise DataError(
                f"clip-score needs a mask of the {shape[0]} x {shape[1]} x {shape[2]} pixels of {_name(sample)}, "
                f"but the prediction is of shape {prediction.shape}",
                "Predictions of classes are measured by clip-agreement.",
            )
        masks, model = prediction.reshape(shape) >= THRESHOLD, self.model()
        value = sum(
            term.weight * model.similarities_without(images, masks, [term.prompt], term.margin).mean()
            for term in self.options.terms
        )
        return [(float(value),)]


class ClipAgreement(VisionLanguageMetric):
    """Share of samples whose most probable class is the one that a vision-language model sees.

    It sees the class whose prompt has the greatest cosine similarity with the picture, or the greatest mean over the
    pictures of a clip (zero-shot classification, Radford et al. 2021). No truth is needed, and none is found: where
    the vision-language model is wrong, agreement is no merit.
    """

    class Options(ComponentOptions):
        """The model, and its prompts."""

        model: InputFolder = Field(description=_MODEL)
        prompts: tuple[str, ...] = Field(min_length=2, description="What is to be seen, one for each class in order.")

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A tiny model with random weights and three classes."""
        VisionLanguage.write_example(folder)
        return {"model": folder, "prompts": ["a cat", "a dog", "a house by the sea"]}

    def example_cases(self) -> Sequence[tuple[np.ndarray, Sample]]:
        """A picture of noise with each of three classes as the prediction."""
        picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        return [(prediction, Sample(picture)) for prediction in 0.1 + 0.7 * np.eye(3, dtype=np.float32)]

    def measure(self, prediction: np.ndarray, sample: Sample) -> list[tuple[float, ...]]:
        prompts = self.options.prompts
        if prediction.shape != (len(prompts),):
            raise DataError(
                f"clip-agreement has {len(prompts)} prompts, but the prediction for {_name(sample)} is of shape "
                f"{prediction.shape}",
                "Give one prompt for each class, in their order; masks are measured by clip-score.",
            )
        similarities = self.model().similarities(pictures(sample), prompts).mean(0)
        return [(float(prediction.argmax() == similarities.argmax()),)]


def pictures(sample: Sample) -> np.ndarray:
    """A sample as pictures, uint8 (N, H, W) or (N, H, W, 3): an image, or the frames of a clip, grey or RGB.

    Raises :class:`kdkit.DataError` when it is neither.
    """
    inputs = sample.inputs
    colour = inputs.ndim > 2 and inputs.shape[-1] == _COLOURS
    if inputs.dtype != np.uint8 or inputs.ndim - colour not in (2, 3):
        raise DataError(
            f"{_name(sample)} is {inputs.dtype} of shape {inputs.shape}, which no vision-language model can look at",
            "It sees images uint8 (H, W) or (H, W, 3), and clips of them (T, H, W) or (T, H, W, 3).",
        )
    return inputs if inputs.ndim - colour == 3 else inputs[None]


def _name(sample: Sample) -> str:
    return str(sample.info.get("name", "a sample"))
