"""How the axes of a sample are read by what makes images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Layout = Literal["hw", "hwc", "thw"]
MEANING = "The axes of shape: hw (a gray image), hwc (an image, channels last) or thw (a clip, frames first)."
AXES = {"hw": 2, "hwc": 3, "thw": 3}


def planes_and_size(shape: Sequence[int], layout: Layout) -> tuple[int, tuple[int, int]]:
    """How many planes (channels or frames) a sample of this shape has, and their (height, width)."""
    if layout == "hw":
        return 1, (shape[0], shape[1])
    return (shape[2], (shape[0], shape[1])) if layout == "hwc" else (shape[0], (shape[1], shape[2]))


def arrange_axes(planes: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(batch, planes, height, width) as a batch of samples."""
    if layout == "hw":
        return planes.squeeze(1)
    return planes.movedim(1, -1) if layout == "hwc" else planes
