"""A streaming network's methods as modules, which exporters take."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Step(nn.Module):
    """One step: frames and states to logits and the next states, all side by side."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        logits, after = self.network.step(frames, states)
        return (logits, *after)


class InitialState(nn.Module):
    """The states before the first of these frames."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.initial_state(frames))


def is_streaming(network: nn.Module) -> bool:
    """Whether a network can be stepped through a stream (see :meth:`kdkit.Student.build`)."""
    return all(callable(getattr(network, name, None)) for name in ("step", "initial_state"))


def activate_exactly(logits: Tensor, activation: str) -> Tensor:
    """Predictions of full precision: those in the store are rounded to 8 bits, or half precision."""
    if activation == "sigmoid":
        return logits.sigmoid()
    return logits.softmax(-1) if activation == "softmax" else torch.clone(logits)
