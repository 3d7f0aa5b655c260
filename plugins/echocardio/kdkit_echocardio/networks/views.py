"""Seeing a clip from another side: augmentation that needs no other targets."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# The ranges of the views: flipped or not, turned (radians), scaled and stretched (natural logarithms), and shifted
# (shares of half the frame).
TURN, SCALE, STRETCH, SHIFT = math.radians(15), 0.2, 0.1, 0.1


class RandomView:
    """One random flip, turn, scale and shift for each clip of a batch, and the way back.

    A network that takes ``view.apply(clips)`` and returns ``view.undo(logits)`` can be trained on the targets of the
    original clips, without any change to the loss. All frames of a
    clip share their view. Drawn from torch's global generator.
    """

    def __init__(self, clips: Tensor) -> None:
        """``clips``: (batch, time, H, W), whose batch size and device are taken."""

        def uniform(reach: float) -> Tensor:
            return torch.empty(len(clips), device=clips.device).uniform_(-reach, reach)

        turn, scale, stretch = uniform(TURN), uniform(SCALE).exp(), uniform(STRETCH).exp()
        across = scale * stretch * uniform(1).sign()
        linear = torch.stack(
            [across * turn.cos(), -scale * turn.sin(), across * turn.sin(), scale * turn.cos()], 1
        ).unflatten(1, (2, 2))
        shift = torch.stack([uniform(SHIFT), uniform(SHIFT)], 1).unsqueeze(2)
        back = torch.linalg.inv(linear)
        self._forward_map = torch.cat([linear, shift], 2)
        self._backward_map = torch.cat([back, -back @ shift], 2)

    def apply(self, clips: Tensor) -> Tensor:
        """The clips, (batch, time, H, W) of any type, in this view, float32; black outside the original."""
        return _warp(clips.float(), self._forward_map, "zeros")

    def undo(self, logits: Tensor) -> Tensor:
        """Logits for :meth:`apply`'s clips, as logits for the clips themselves, float32."""
        return _warp(logits.float(), self._backward_map, "border")


def _warp(clips: Tensor, maps: Tensor, padding: str) -> Tensor:
    grid = F.affine_grid(maps, [len(clips), 1, *clips.shape[2:]], align_corners=False)
    return F.grid_sample(clips, grid, padding_mode=padding, align_corners=False)
