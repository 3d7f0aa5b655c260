"""The networks of teacher and student; imported only when one is built."""

from __future__ import annotations

import torch
from torch import nn

from kdkit_digits.halves import CLASSES, SIDE


class DigitNetwork(nn.Module):
    """Two convolutions, a pooling and two linear layers: raw uint8 (batch, 8, 8) to logits (batch, 10)."""

    def __init__(self, first: int, second: int, hidden: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.classes = nn.Sequential(
            nn.Linear(second * (SIDE // 2) ** 2, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES)
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classes(self.features(inputs.unsqueeze(1).float() / 255))
        return logits


def teacher_network() -> DigitNetwork:
    """The architecture of the shipped weights."""
    return DigitNetwork(24, 48, 64)
