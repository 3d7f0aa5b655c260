"""Training the two denoisers on latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

# The ejection fraction is left out of so many examples: what is learned without it is what guidance starts from
# (Ho and Salimans, arXiv:2207.12598).
DROPPED = 0.1

# The condition is a number below one that reaches the network through few weights: at the rate of all others, Adam
# would need thousands of steps until it matters.
CONDITION_RATE = 10

# A little of the noise is the same all over a picture, so that its overall brightness is learned too.
NOISE_OFFSET = 0.1

# The share of the running average that stays in each step, once there have been many.
DECAY = 0.998


class DenoiserTraining(LightningModule):
    """Trains a denoiser of latents to predict velocity (Salimans and Ho, arXiv:2202.00512).

    ``denoise(network, noisy, steps, batch)`` returns the velocity, shaped as ``batch["latents"]``;
    ``scheduler`` is a diffusers ``DDPMScheduler`` set to ``v_prediction``. ``average`` holds the running average of
    the weights, which samples better than the last ones.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        scheduler: Any,
        denoise: Callable[[Any, Tensor, Tensor, dict[str, Tensor]], Tensor],
        steps: int,
        learning_rate: float,
    ) -> None:
        super().__init__()
        self.network: Any = network
        self.average = AveragedModel(network, multi_avg_fn=follow)
        # Several devices would wait for gradients of it.
        self.average.requires_grad_(False)
        self.scheduler = scheduler
        self.denoise = denoise
        self.steps = steps
        self.learning_rate = learning_rate

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        latents = batch["latents"]
        scheduler = self.scheduler
        steps = torch.randint(len(scheduler.alphas_cumprod), latents.shape[:1], device=self.device)
        noise = torch.randn_like(latents)
        noise = noise + NOISE_OFFSET * torch.randn_like(latents[..., :1, :1])
        noisy = scheduler.add_noise(latents, noise, steps)
        velocity_prediction = self.denoise(self.network, noisy, steps, batch)
        loss = functional.mse_loss(velocity_prediction.float(), self.target(noisy, noise, steps, batch))
        self.log("loss", loss, prog_bar=True)
        return loss

    def target(self, noisy: Tensor, noise: Tensor, steps: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """The velocity that the network is trained to predict, shaped as ``noisy``."""
        velocity: Tensor = self.scheduler.get_velocity(batch["latents"], noise, steps)
        return velocity

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        self.average.update_parameters(self.network)

    def configure_optimizers(self):  # type: ignore[no-untyped-def]
        slow, fast = list[Tensor](), list[Tensor]()
        for name, weights in self.network.named_parameters():
            (fast if "attn2.to_v" in name else slow).append(weights)
        rates = [self.learning_rate] + [CONDITION_RATE * self.learning_rate] * bool(fast)
        groups = [{"params": weights, "lr": rate} for weights, rate in zip((slow, fast), rates, strict=False)]
        optimiser = torch.optim.AdamW(groups, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, self.steps, pct_start=0.05)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@torch.no_grad()
def follow(average: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
    """Move the running average of weights towards the current ones, faster while there were few ``updates``.

    Without that, what a short training began with would weigh more than what it came to.
    """
    count = int(updates)
    decay = min(DECAY, (1 + count) / (10 + count))
    for old, new in zip(average, current, strict=True):
        old.lerp_(new.to(old.dtype), 1 - decay)


def denoise_image(network: Any, noisy: Tensor, steps: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """The velocity of latent pictures (N, C, h, w)."""
    return network(noisy, steps).sample


def denoise_video(network: Any, noisy: Tensor, steps: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """The velocity of latent clips (N, T, C, h, w), given ``picture`` (N, C, h, w) and ``ejection_fraction`` (N,).

    The ejection fraction is 0..1, and 0 where it is left out.
    """
    count, frames = noisy.shape[:2]
    picture = batch["picture"][:, None].expand(-1, frames, -1, -1, -1)
    return network(
        torch.cat([noisy, picture], dim=2),
        steps,
        encoder_hidden_states=batch["ejection_fraction"].view(count, 1, 1),
        added_time_ids=noisy.new_zeros(count, network.config.addition_time_embed_dim),
    ).sample
