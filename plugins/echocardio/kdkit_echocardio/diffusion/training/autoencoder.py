"""Training the autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional

# How much the latents are drawn to a standard normal distribution: a little, so that they stay near zero
# (Rombach et al., arXiv:2112.10752).
DIVERGENCE_WEIGHT = 1e-4


class AutoencoderTraining(LightningModule):
    """Trains an ``AutoencoderKL`` on pictures float (N, 1, H, W), -1..1.

    The loss is the mean absolute difference from the reconstruction, of the picture and of its differences between
    neighbouring pixels, and the divergence of the latents.
    """

    def __init__(self, network: Any, steps: int, learning_rate: float = 2e-3) -> None:
        super().__init__()
        self.network: Any = network
        self.steps = steps
        self.learning_rate = learning_rate

    def training_step(self, pictures: Tensor, index: int) -> Tensor:
        latents = self.network.encode(pictures).latent_dist
        restored = self.network.decode(latents.sample()).sample
        loss = functional.l1_loss(restored, pictures)
        for axis in (-1, -2):
            loss = loss + functional.l1_loss(restored.diff(dim=axis), pictures.diff(dim=axis))
        self.log("loss", loss, prog_bar=True)
        return loss + DIVERGENCE_WEIGHT * latents.kl().mean() / latents.mean[0].numel()

    def configure_optimizers(self):  # type: ignore[no-untyped-def]
        optimiser = torch.optim.AdamW(self.parameters(), self.learning_rate, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.learning_rate, self.steps, pct_start=0.1)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
