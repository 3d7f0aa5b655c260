"""Watching losses for values that are not finite, without asking a device for a number at each step."""

from __future__ import annotations

from collections.abc import Mapping

import torch

_NONE = 2**62


class FiniteWatch:
    """Remembers of each loss the first step in which it was not finite, on the device itself."""

    def __init__(self) -> None:
        self._first: dict[str, torch.Tensor] = {}

    def add(self, losses: Mapping[str, torch.Tensor], step: int) -> None:
        """The losses of a step, scalars by name; ``step`` counts up."""
        for name, loss in losses.items():
            found = torch.where(loss.detach().reshape(()).isfinite(), _NONE, step)
            self._first[name] = torch.minimum(self._first[name], found) if name in self._first else found

    def find(self) -> tuple[str, int] | None:
        """The loss that was not finite first, and its step; None where all were. From then on it begins anew."""
        steps = {name: int(step) for name, step in self._first.items()}
        self._first.clear()
        name = min(steps, key=lambda name: steps[name], default="")
        return (name, steps[name]) if name and steps[name] < _NONE else None
