"""The network of the example teacher; importing it loads torch."""

from __future__ import annotations

import torch


class _Column(torch.nn.Module):
    """Raw inputs of any shape as (batch, 1, values), 0..1."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1).unsqueeze(1).float() / 255


def example_network() -> torch.nn.Module:
    """Convolution, batch normalisation and a linear layer, the same at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Sequential(
            _Column(),
            torch.nn.Conv1d(1, 4, 3, padding=1),
            torch.nn.BatchNorm1d(4),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool1d(4),
            torch.nn.Flatten(),
            torch.nn.Linear(16, 3),
        )
