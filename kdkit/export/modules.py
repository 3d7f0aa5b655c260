"""A streaming network's methods as modules, which exporters take."""

from __future__ import annotations

from typing import Any

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
