"""The student."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdkit import ComponentOptions, Field, Student

if TYPE_CHECKING:
    import torch


class TumoursMLP(Student):
    """Two hidden layers on columns that are scaled by their bounds: logits (batch, 2); 6274 weights."""

    inputs = "(batch, 30) float32: the columns of bounds.csv in their order and units"

    class Options(ComponentOptions):
        width: int = Field(64, ge=1, description="Width of the hidden layers.")

    def build(self) -> torch.nn.Module:
        from kdkit_tumours.network import TumourNetwork

        return TumourNetwork(self.options.width)
