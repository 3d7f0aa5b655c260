"""Knowledge distillation as Hinton wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from kdkit.contracts.component import ComponentOptions
from kdkit.contracts.objective import Objective
from kdkit.contracts.vocabulary import Activation

if TYPE_CHECKING:
    import torch


class KL(Objective):
    """Kullback-Leibler divergence from the teacher's class distribution to the student's, both softened.

    T² · KL(softmax(teacher / T) ‖ softmax(student / T)), mean over samples (Hinton, Vinyals & Dean 2015,
    arXiv:1503.02531). For domains with the activation "softmax"; classes on the last axis.
    """

    activations: ClassVar[tuple[Activation, ...]] = ("softmax",)

    class Options(ComponentOptions):
        temperature: float = Field(
            4.0, gt=0, description="T of Hinton et al. 2015: softens both distributions; 1 leaves them as they are."
        )

    def loss(self, logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        import torch.nn.functional as F

        temperature = self.options.temperature
        student = F.log_softmax(logits.flatten(0, -2) / temperature, dim=-1)
        teacher = F.log_softmax(targets.flatten(0, -2) / temperature, dim=-1)
        divergence = F.kl_div(student, teacher, reduction="none", log_target=True).sum(-1) * temperature**2
        return divergence.mean() if weight is None else (weight.flatten() * divergence).mean()
