"""Training the autoencoder's decoder to draw speckle."""

from __future__ import annotations

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional

# Speckle cannot be restored pixel by pixel from so few numbers, so what is compared are means of squares this wide.
SQUARE = 4
# How much the decoder follows the judge, as a share of how much it follows the frames.
SHARE = 0.5


def build_judge() -> nn.Module:
    """Scores how real each patch of grey frames (N, 1, H, W) looks: (N, 1, h, w), above 0 real."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(24, 48, 4, 2, 1),
        nn.GroupNorm(8, 48),
        nn.LeakyReLU(0.2),
        nn.Conv2d(48, 48, 3, 1, 1),
        nn.GroupNorm(8, 48),
        nn.LeakyReLU(0.2),
        nn.Conv2d(48, 1, 3, 1, 1),
    )


class SharpeningTraining(LightningModule):
    """Trains the decoder of an ``AutoencoderKL`` against a judge of patches; the encoder stays as it is.

    What is restored keeps the mean of each small square, and its patches learn to look like real ones (the hinge loss
    and the adaptive weight of Esser et al., arXiv:2012.09841).
    """

    def __init__(self, network: Any, steps: int, learning_rate: float = 5e-4) -> None:
        super().__init__()
        self.network: Any = network
        # Several devices would wait for gradients of what stays as it is.
        self.network.encoder.requires_grad_(False)
        self.network.quant_conv.requires_grad_(False)
        self.judge = build_judge()
        self.steps = steps
        self.learning_rate = learning_rate

    def training_step(self, pictures: Tensor, index: int) -> Tensor:
        with torch.no_grad():
            latents = self.network.encode(pictures).latent_dist.mode()
        restored = self.network.decode(latents).sample
        likeness = functional.l1_loss(
            functional.avg_pool2d(restored, SQUARE), functional.avg_pool2d(pictures, SQUARE)
        ) + 0.1 * functional.l1_loss(restored, pictures)
        # One optimiser for both: what the decoder learns from the judge must not teach the judge.
        self.judge.requires_grad_(False)
        disbelief = -self.judge(restored).mean()
        self.judge.requires_grad_(True)
        judged = (
            functional.relu(1 - self.judge(pictures)).mean()
            + functional.relu(1 + self.judge(restored.detach())).mean()
        )
        weight = SHARE * self._pull(likeness) / (self._pull(disbelief) + 1e-6)
        self.log("loss", likeness, prog_bar=True)
        return likeness + weight.clamp(max=1e3) * disbelief + judged

    def _pull(self, loss: Tensor) -> Tensor:
        """How much a loss wants the decoder's last layer changed."""
        (gradient,) = torch.autograd.grad(loss, self.network.decoder.conv_out.weight, retain_graph=True)
        return gradient.norm().detach()

    def configure_optimizers(self):  # type: ignore[no-untyped-def]
        decoder = [*self.network.decoder.parameters(), *self.network.post_quant_conv.parameters()]
        optimiser = torch.optim.Adam([*decoder, *self.judge.parameters()], self.learning_rate, betas=(0.5, 0.9))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
