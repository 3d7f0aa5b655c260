"""An image segmentation network applied to each frame of a clip."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Framewise(nn.Module):
    """Wraps a network of torchvision's segmentation layout, (N, 3, H, W) to ``{"out": (N, channels, H, W)}``.

    Takes grey clips (B, T, H, W), 0..255, any real dtype, normalises them, and returns the foreground's logits,
    (B, T, H, W). With several channels that exclude each other (``exclusive``), that is the foreground's log-odds
    under softmax; with channels that do not, the foreground's own logit.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        deviation: Sequence[float],
        foreground: int,
        chunk: int,
        exclusive: bool = True,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # faster on CPUs and tensor cores
        self.foreground, self.chunk, self.exclusive = foreground, chunk, exclusive
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(3, 1, 1), persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (B, T, H, W) of clips (B, T, H, W)."""
        frames = clips.flatten(0, 1)
        return torch.cat([self._logits(part) for part in frames.split(self.chunk)]).unflatten(0, clips.shape[:2])

    def gather_features(self, outputs: list[Tensor], clips: Tensor) -> Tensor:
        """What a module gave out for the frames, (B * T, channels, H, W), the frames of each clip in turn."""
        return torch.cat(outputs)

    def _logits(self, frames: Tensor) -> Tensor:
        """(N, H, W) to (N, H, W)."""
        colour = frames.to(self.mean.dtype)[:, None].expand(-1, 3, -1, -1)
        normalised = ((colour - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        scores = self.network(normalised)["out"]
        foreground = scores[:, self.foreground]
        if scores.shape[1] == 1 or not self.exclusive:
            return foreground
        background = torch.cat([scores[:, : self.foreground], scores[:, self.foreground + 1 :]], 1)
        return foreground - background.logsumexp(1)
