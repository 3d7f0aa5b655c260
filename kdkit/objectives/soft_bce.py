"""Binary cross-entropy with soft targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kdkit.contracts.objective import Objective
from kdkit.contracts.vocabulary import Activation

if TYPE_CHECKING:
    import torch


class SoftBCE(Objective):
    """Binary cross-entropy of the student's logits against the teacher's probabilities, mean over all values.

    For domains with the activation "sigmoid". The cross-entropy is smallest where both probabilities agree, so soft
    targets carry the teacher's doubt along an outline (Hinton, Vinyals & Dean 2015, arXiv:1503.02531).
    """

    activations: ClassVar[tuple[Activation, ...]] = ("sigmoid",)

    def loss(self, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        import torch.nn.functional as F

        return F.binary_cross_entropy_with_logits(logits, targets, weight)
