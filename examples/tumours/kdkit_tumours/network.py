"""The student's network; imported only when it is built."""

from __future__ import annotations

import torch
from torch import nn

from kdkit_tumours.table import CLASSES, bounds


class TumourNetwork(nn.Module):
    """Raw rows (batch, 30) to logits (batch, 2). Each column's range becomes -1..1 (of logarithms: log)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        _, low, high, scale = zip(*bounds(), strict=True)
        self.register_buffer("log", torch.tensor([name == "log" for name in scale]), persistent=False)
        self.register_buffer("low", self._scaled(torch.tensor(low)), persistent=False)
        self.register_buffer("high", self._scaled(torch.tensor(high)), persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(len(low), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, len(CLASSES))
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        share = (self._scaled(rows.float()) - self.low) / (self.high - self.low)
        logits: torch.Tensor = self.layers(2 * share - 1)
        return logits

    def _scaled(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.where(self.log, rows.clamp(min=1e-6).log(), rows)
