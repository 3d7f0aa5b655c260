"""A teacher whose masks are made to agree over the beat, and whose doubtful frames are left out."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Smoothed(nn.Module):
    """Wraps a network from clips (B, T, H, W) to logits of the same shape.

    Of each pixel's logits the median over ``frames`` frames around is taken; at the ends the first and last one
    repeat, so that two stills stay as they are. Beside them come the weights by which they are learnt from, 0 or 1,
    the same for all of a frame: 0 where the frame's :func:`certainty` is less than ``least_certainty``.
    """

    def __init__(self, network: nn.Module, frames: int, least_certainty: float) -> None:
        super().__init__()
        self.network, self.frames, self.least_certainty = network, frames, least_certainty

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        """``logits`` and ``weight``, float (B, T, H, W) each, of clips (B, T, H, W)."""
        own = self.network(clips)
        logits = median_over_time(own, self.frames)
        is_certain = certainty(own.sigmoid(), logits > 0) >= self.least_certainty
        return {"logits": logits, "weight": is_certain[..., None, None].to(logits.dtype).expand_as(logits)}

    def gather_features(self, outputs: list[Tensor], clips: Tensor) -> Tensor:
        """As the wrapped network gives them: those of each frame alone, not smoothed."""
        features: Tensor = self.network.gather_features(outputs, clips)  # type: ignore[operator]
        return features


def median_over_time(values: Tensor, frames: int) -> Tensor:
    """The median of values (B, T, H, W) over an odd number of frames around each; those at the ends repeat."""
    time, last, half = torch.arange(values.shape[1], device=values.device), values.shape[1] - 1, frames // 2
    near = [values[:, (time + step).clamp(0, last)] for step in range(-half, half + 1)]
    return torch.stack(near).median(0).values if half else values


def certainty(probability: Tensor, mask: Tensor) -> Tensor:
    """The DICE that a frame's own ``probability`` expects of the ``mask`` that frames agree on, 0..1, (B, T).

    Both (B, T, H, W), float 0..1 and bool. It is low where outlines are blurred and where the frame sees another
    ventricle than those around it; 0 where there is none.
    """
    overlap = (probability * mask).sum((-2, -1))
    sizes = probability.sum((-2, -1)) + mask.sum((-2, -1))
    return 2 * overlap / sizes.clamp_min(1.0)
