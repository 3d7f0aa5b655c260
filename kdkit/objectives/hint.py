"""The teacher's features as hints for the student's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from kdkit.contracts.component import ComponentOptions
from kdkit.contracts.objective import FeatureObjective

if TYPE_CHECKING:
    import torch


class Hint(FeatureObjective):
    """Mean squared difference between the student's features, through a learned adapter, and the teacher's.

    FitNets (Romero et al. 2015, arXiv:1412.6550), where the hint is a first stage of the training; here it is a term
    beside the others, throughout. Features are (batch, channels, ...). The adapter is a linear map of the channels,
    and stretches the axes behind them to the teacher's; it is trained with the student and not kept.
    """

    class Options(ComponentOptions):
        layers: tuple[tuple[str, str], ...] = Field(
            min_length=1,
            description="Pairs [student's module, teacher's module] by their paths in the two networks, for example "
            "[[features.3, backbone.layer2]] (hint and guided layers, Romero et al. 2015).",
        )

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        return {"layers": [["features", "features"]]}

    def pairs(self) -> Sequence[tuple[str, str]]:
        return list(self.options.layers)

    def adapter(self, student: Sequence[int], teacher: Sequence[int]) -> torch.nn.Module:
        from kdkit.objectives.adapter import Adapter

        return Adapter(student[0], teacher)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        import torch.nn.functional as F

        return F.mse_loss(logits, targets)
