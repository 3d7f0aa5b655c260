"""Batch normalisation whose training does not slow down a processor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .derivatives import first_derivatives

# Below this many positions a frame, torch's own kernel is as quick.
LARGE = 100


class BatchNorm(nn.BatchNorm2d):
    """torch's batch normalisation (Ioffe and Szegedy, arXiv:1502.03167), the same within rounding.

    Frames in bfloat16, as autocast makes them, come out in float32 there.

    Training on a processor, torch goes through channels-last frames by the position, in loops of as many values as
    there are channels. With a dozen channels that takes longer than the convolution before it, in two threads even
    more so. Here a row of a frame with all its channels is one vector.
    """

    def forward(self, frames: Tensor) -> Tensor:
        if not (self.training and self.weight.dtype == torch.float32 and _lies_in_rows(frames)):
            return super().forward(frames)
        frames = frames.float()
        normalised, mean, variance = _Normalise.apply(frames, self.weight, self.bias, self.eps)
        assert self.num_batches_tracked is not None and self.running_mean is not None and self.running_var is not None
        assert self.momentum is not None
        count = frames.numel() // frames.shape[1]
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return normalised


def _lies_in_rows(frames: Tensor) -> bool:
    return (
        frames.device.type == "cpu"
        and frames.dtype in (torch.float32, torch.bfloat16)
        and frames.shape[2] * frames.shape[3] >= LARGE
        and frames.is_contiguous(memory_format=torch.channels_last)
    )


class _Normalise(torch.autograd.Function):
    """Normalised frames, and each channel's mean and (biased) variance."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        rows, width = _as_rows(frames), frames.shape[3]
        count = frames.numel() // frames.shape[1]
        mean = _sum(rows, width) / count
        centred = rows - mean.repeat(width)
        variance = _sum(centred.square(), width) / count
        precision = (variance + eps).rsqrt()
        normalised = torch.empty_like(frames)  # no view of the rows, so that what follows may change it in place
        shares = bias.repeat(width), centred, (weight * precision).repeat(width)
        torch.addcmul(*shares, out=_as_rows(normalised))
        ctx.save_for_backward(centred, weight, precision)
        ctx.width = width
        ctx.mark_non_differentiable(mean, variance)
        return normalised, mean, variance

    @staticmethod
    @first_derivatives
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        centred, weight, precision = ctx.saved_tensors
        width, count = ctx.width, gradient.numel() // gradient.shape[1]
        rows = _as_rows(gradient)
        of_bias = _sum(rows, width)
        of_weight = _sum(rows * centred, width) * precision
        scale = weight * precision
        of_rows = torch.addcmul((-scale * of_bias / count).repeat(width), rows, scale.repeat(width))
        of_rows.addcmul_(centred, (-scale * precision * of_weight / count).repeat(width))
        return _as_frames(of_rows, gradient.shape), of_weight, of_bias, None


def _as_rows(frames: Tensor) -> Tensor:
    """(batch, channels, H, W) as (batch * H, W * channels), without a copy where they lie so."""
    return frames.permute(0, 2, 3, 1).flatten(2).flatten(0, 1)


def _as_frames(rows: Tensor, shape: torch.Size) -> Tensor:
    batch, channels, height, width = shape
    return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _sum(rows: Tensor, width: int) -> Tensor:
    """Of each channel."""
    return rows.sum(0).view(width, -1).sum(0)
