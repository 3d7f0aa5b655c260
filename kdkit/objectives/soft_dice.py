"""Overlap of two soft masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from kdkit.contracts.component import ComponentOptions
from kdkit.contracts.objective import Objective
from kdkit.contracts.vocabulary import Activation

if TYPE_CHECKING:
    import torch


class SoftDice(Objective):
    """One minus the soft Dice coefficient of the student's and the teacher's probabilities, mean over samples.

    1 - 2 Σ p t / (Σ p² + Σ t²), the sums over all values of a sample (V-Net: Milletari, Navab & Ahmadi 2016,
    arXiv:1606.04797). With the squares in the denominator it is smallest where p = t, for soft targets, too. It
    counts a small mask as much as a large one, but is blind to where the teacher doubts: best beside ``soft-bce``.
    For domains with the activation "sigmoid".
    """

    activations: ClassVar[tuple[Activation, ...]] = ("sigmoid",)

    class Options(ComponentOptions):
        smooth: float = Field(
            1.0, gt=0, description="Added above and below the fraction: what a prediction without any mask weighs."
        )

    def loss(self, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        student, teacher = logits.sigmoid().flatten(1), targets.flatten(1)
        weights = 1.0 if weight is None else weight.flatten(1)
        overlap = 2 * (weights * student * teacher).sum(1) + self.options.smooth
        sizes = (weights * (student**2 + teacher**2)).sum(1) + self.options.smooth
        return (1 - overlap / sizes).mean()
