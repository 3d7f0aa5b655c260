"""Small networks to play against; importing it loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch


def player(shape: Sequence[int], output_shape: Sequence[int], seed: int) -> torch.nn.Module:
    """A random network from raw inputs of ``shape`` to logits of ``output_shape``, with batch normalisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = torch.nn.Sequential(
            _Scaled(),
            torch.nn.Linear(prod(shape), 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.ReLU(),
            torch.nn.Linear(8, prod(output_shape)),
            torch.nn.Unflatten(1, tuple(output_shape)),
        )
    return network.eval()


class _Scaled(torch.nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1).float() / 255
