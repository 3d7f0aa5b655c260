"""The preprocessing around image models; imported only when a teacher is built."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class ImageModel(torch.nn.Module):
    """A channels-first image model behind raw channels-last uint8 images; see :class:`Torchvision`."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: torch.nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        images = inputs.movedim(-1, 1).float() / 255
        output = self.network((images - self.mean) / self.std)
        logits = output["out"] if isinstance(output, dict) else output
        return logits.movedim(1, -1)
