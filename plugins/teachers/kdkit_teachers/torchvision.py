"""Teachers from torchvision's model builders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import FilePath

from kdkit import ComponentOptions, Field, KdkitError, Teacher, load_weights

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Torchvision(Teacher):
    """A torchvision classification or segmentation model, by its builder's name, with weights from a local file.

    Inputs: RGB images (batch, height, width, 3) uint8, 0..255. Scaled to 0..1, then (x - mean) / std with the
    constants below (by default ImageNet's, which torchvision's own weights were trained with).
    Answers: logits (batch, classes), or (batch, height, width, classes) for segmentation. Nothing is downloaded.
    """

    class Options(ComponentOptions):
        model: str = Field(description="Name of a torchvision model builder, for example resnet18.")
        weights: FilePath = Field(description="Weights file: safetensors, or a torch state dict.")
        classes: int = Field(1000, ge=1, description="Number of output classes of the weights.")
        mean: tuple[float, float, float] = Field(IMAGENET_MEAN, description="Mean of each channel, of 0..1.")
        std: tuple[float, float, float] = Field(IMAGENET_STD, description="Deviation of each channel, of 0..1.")

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
        from kdkit_teachers.networks import ImageModel

        network = _builder(self.options.model)(num_classes=self.options.classes)
        load_weights(network, self.options.weights)
        return ImageModel(network, self.options.mean, self.options.std)


def _builder(name: str) -> Any:
    from difflib import get_close_matches

    from torchvision import models

    known = [n for n in models.list_models() if not n.startswith("quantized_")]
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise KdkitError(f"torchvision has no model {name!r}", f"Did you mean {near[0]}?" if near else "")

    def build(num_classes: int) -> Any:
        # Segmentation builders also fetch a backbone unless told not to; classifiers do not know the option.
        options = (
            {"weights_backbone": None} if models.get_model_builder(name).__module__.count("segmentation") else {}
        )
        return models.get_model(name, weights=None, num_classes=num_classes, **options)

    return build
