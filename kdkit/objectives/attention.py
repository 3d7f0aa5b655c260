"""Where the teacher looks, for the student to look there, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from kdkit.contracts.component import ComponentOptions
from kdkit.contracts.objective import FeatureObjective

if TYPE_CHECKING:
    import torch


class Attention(FeatureObjective):
    """Squared distance between the normalised attention maps of the two networks, mean over samples: 0..2.

    A map is the mean over channels of the squared features, divided by its length over all positions: the
    activation-based maps of Zagoruyko & Komodakis 2017 (arXiv:1612.03928), with the squared distance in the place of
    the distance so that it is smooth at its minimum. Features are (batch, channels, height, width), or with one or
    three axes in the place of these two; the numbers of channels may differ, and a student's map of another size is
    stretched to the teacher's. Nothing is learned but the student.
    """

    class Options(ComponentOptions):
        layers: tuple[tuple[str, str], ...] = Field(
            min_length=1,
            description="Pairs [student's module, teacher's module] by their paths in the two networks, for example "
            "[[features.3, backbone.layer2]] (attention transfer, Zagoruyko & Komodakis 2017).",
        )

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        return {"layers": [["features", "features"]]}

    def pairs(self) -> Sequence[tuple[str, str]]:
        return list(self.options.layers)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        import torch.nn.functional as F

        from kdkit.objectives.resize import resize

        student, teacher = (maps.pow(2).mean(1, keepdim=True) for maps in (logits, targets))
        student = resize(student, teacher.shape[2:])
        difference = F.normalize(student.flatten(1), dim=1) - F.normalize(teacher.flatten(1), dim=1)
        return difference.pow(2).sum(1).mean()
