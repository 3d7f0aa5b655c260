"""The contract of an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, get_args

from kdkit.contracts.component import Component
from kdkit.contracts.domain import Activation

if TYPE_CHECKING:
    import torch


class Objective(Component, ABC):
    """A training loss between a student's logits and a teacher's targets.

    ``activations``: those of the domains that it is meant for; all of them unless it says otherwise.

    Example::

        class MeanSquared(Objective):
            '''Mean squared difference.'''

            activations = ("softmax", "identity")

            def loss(self, logits, targets, weight=None):
                squares = (logits - targets) ** 2
                return squares.mean() if weight is None else (weight * squares).mean()
    """

    kind: ClassVar[str] = "objective"
    activations: ClassVar[tuple[Activation, ...]] = get_args(Activation)

    @abstractmethod
    def loss(self, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """A finite scalar, smaller is better.

        ``logits``: the student's, (batch, \\*answer shape), float. ``targets``: the same shape, float: the teacher's
        probabilities in 0..1 when the domain's activation is "sigmoid", its logits when that is "softmax", its
        values when that is "identity". ``weight``: how far each target is to be believed, float 0..1, in the
        targets' shape, the last axis of length 1 under "softmax"; each term of the loss is multiplied by its own
        before the mean is taken. None, when the teacher gives none, counts as 1 everywhere.
        """
