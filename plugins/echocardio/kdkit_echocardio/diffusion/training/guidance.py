"""Distilling guidance: the network of latent clips learns to do in one pass what guidance does in two."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from .denoisers import DenoiserTraining, denoise_video


class GuidanceTraining(DenoiserTraining):
    """Distils classifier-free guidance into the network itself (Meng et al., arXiv:2210.03142, stage one).

    The network learns to predict what its initial copy predicts with guidance of the weight ``guidance``. Ejection
    fractions are drawn evenly from ``fraction_range`` (low, high), 0..1: those that are sampled later, whatever the
    clip's own is. Sampled with a guidance of 1, clips then take half the time.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        scheduler: Any,
        guidance: float,
        fraction_range: tuple[float, float],
        steps: int,
        learning_rate: float = 3e-4,
    ) -> None:
        super().__init__(network.requires_grad_(True), scheduler, denoise_video, steps, learning_rate)
        self.before = copy.deepcopy(network).eval().requires_grad_(False)
        self.guidance = guidance
        self.fraction_range = fraction_range

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        low, high = self.fraction_range
        fractions = low + (high - low) * torch.rand_like(batch["ejection_fraction"])
        return super().training_step(batch | {"ejection_fraction": fractions}, index)

    @torch.no_grad()
    def target(self, noisy: Tensor, noise: Tensor, steps: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """The guided prediction of the initial network, (N, T, C, h, w)."""
        null_batch = batch | {"ejection_fraction": torch.zeros_like(batch["ejection_fraction"])}
        null = denoise_video(self.before, noisy, steps, null_batch).float()
        conditioned = denoise_video(self.before, noisy, steps, batch).float()
        return null + self.guidance * (conditioned - null)
