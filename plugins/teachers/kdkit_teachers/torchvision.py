"""Teachers from torchvision's model builders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kdkit import Field, InputFile, KdkitError, load_weights
from kdkit_teachers.image_teacher import IMAGENET_MEAN, IMAGENET_STD, ImageTeacher
from kdkit_teachers.images import ImageOptions

if TYPE_CHECKING:
    import torch


class Torchvision(ImageTeacher):
    """A torchvision classification or segmentation model, by its builder's name, with weights from a local file.

    Inputs: RGB images (batch, height, width, 3), 0..255. Scaled to 0..1, then (x - mean) / std with the constants
    below (by default ImageNet's, which torchvision's own weights were trained with). With other options grey images
    (batch, height, width), or clips of either.
    Answers: logits (batch, classes), or (batch, height, width, classes) for segmentation, and without the last axis
    where ``channel`` picks one. Nothing is downloaded.
    """

    class Options(ImageOptions):
        model: str = Field(description="Name of a torchvision model builder, for example resnet18.")
        weights: InputFile = Field(description="Weights file: safetensors, or a torch state dict.")
        classes: int = Field(1000, ge=1, description="Number of output classes of the weights.")
        layout: Literal["color", "gray-to-color"] = Field(
            "color",
            description="color: samples are images with channels last; gray-to-color: they have no channels, and the "
            "model gets theirs three times.",
        )
        mean: tuple[float, ...] = Field(IMAGENET_MEAN, min_length=1, description="Mean of each channel, of 0..1.")
        std: tuple[float, ...] = Field(IMAGENET_STD, min_length=1, description="Deviation of each channel, of 0..1.")

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A small network with weights drawn at random."""
        import torch
        from safetensors.torch import save_file

        model, weights, classes = "shufflenet_v2_x0_5", folder / "weights.safetensors", 3
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            save_file(_builder(model)(num_classes=classes).state_dict(), weights)
        return {"model": model, "weights": weights, "classes": classes}

    def example_inputs(self) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)

    def files(self) -> Sequence[Path]:
        return [self.options.weights]

    def build(self) -> torch.nn.Module:
        from kdkit_teachers.networks import Adapted

        network = _builder(self.options.model)(num_classes=self.options.classes)
        load_weights(network, self.options.weights)
        return Adapted(network, self.options)


def _builder(name: str) -> Any:
    from difflib import get_close_matches

    from torchvision import models

    # Detectors answer with lists of boxes, and quantized models have no weights of floats.
    known = [n for n in models.list_models() if not n.startswith("quantized_")]
    known = [n for n in known if ".detection" not in models.get_model_builder(n).__module__]
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise KdkitError(
            f"torchvision has no classification or segmentation model {name!r}",
            f"Did you mean {near[0]}?" if near else "",
        )

    def build(num_classes: int) -> Any:
        # Segmentation builders also fetch a backbone unless told not to; classifiers do not know the option.
        options = (
            {"weights_backbone": None} if models.get_model_builder(name).__module__.count("segmentation") else {}
        )
        return models.get_model(name, weights=None, num_classes=num_classes, **options)

    return build
