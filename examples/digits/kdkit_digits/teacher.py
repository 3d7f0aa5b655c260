"""The teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kdkit import ComponentOptions, Field, InputFile, Teacher, load_weights

if TYPE_CHECKING:
    import torch

SHIPPED = Path(__file__).parent / "weights" / "teacher.safetensors"


class DigitsCNN(Teacher):
    """A convolutional network for raw images uint8 (8, 8), bright on dark; returns ten logits.

    Trained on the training half of scikit-learn's digits; ``weights/teacher.json`` describes the training.
    """

    class Options(ComponentOptions):
        weights: InputFile | None = Field(None, description="Weights of the same network; null takes those shipped.")

    def files(self) -> Sequence[Path]:
        return [self.options.weights or SHIPPED]

    def build(self) -> torch.nn.Module:
        from kdkit_digits.networks import teacher_network

        network = teacher_network()
        load_weights(network, self.files()[0])
        return network
