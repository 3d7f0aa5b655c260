"""Regression of a teacher's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kdkit.contracts.objective import Objective
from kdkit.contracts.vocabulary import Activation

if TYPE_CHECKING:
    import torch


class MSE(Objective):
    """Mean squared difference between the student's logits and the targets (Ba & Caruana 2014, arXiv:1312.6184).

    For domains with the activation "softmax" (the targets are then the teacher's logits) or "identity".
    """

    activations: ClassVar[tuple[Activation, ...]] = ("softmax", "identity")

    def loss(self, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        import torch.nn.functional as F

        squares = F.mse_loss(logits, targets, reduction="none")
        return squares.mean() if weight is None else (weight * squares).mean()
