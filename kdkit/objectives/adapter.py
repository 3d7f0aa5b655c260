"""What stands between a student's features and a teacher's of another shape; importing it loads torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kdkit.objectives.resize import resize


class Adapter(torch.nn.Module):
    """(batch, ``channels``, ...) to (batch, \\*``shape``): a learned linear map of the channels, then a stretch."""

    def __init__(self, channels: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.map = torch.nn.Linear(channels, shape[0])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return resize(self.map(features.movedim(1, -1)).movedim(-1, 1), self.shape[1:])
