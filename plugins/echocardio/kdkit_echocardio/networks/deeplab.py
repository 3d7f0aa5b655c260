"""DeepLabV3 networks (Chen et al., arXiv:1706.05587) for 112 x 112 frames, built without pretrained weights.

All take normalised floats (N, 3, 112, 112) and return a dict whose ``"out"`` holds logits (N, channels, 112,
112).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn
from torchvision.models.segmentation import (
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
)
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabV3

_TORCHVISION: dict[str, Callable[..., DeepLabV3]] = {
    "resnet50": deeplabv3_resnet50,
    "resnet101": deeplabv3_resnet101,
    "mobilenet_v3_large": deeplabv3_mobilenet_v3_large,
}
BACKBONES = (*_TORCHVISION, "compact")
"""Names that :func:`build` knows."""


def build(backbone: str, channels: int = 1) -> DeepLabV3:
    """A DeepLabV3 with that backbone and number of output channels, without auxiliary head, randomly
    initialised.

    ``resnet50`` with one channel is EchoNet-Dynamic's segmentation network (39,633,729 parameters, Ouyang et al.,
    Nature 2020;580:252-256); ``compact`` is small enough to label hundreds of frames per second on two CPU
    cores.

    Raises:
        ValueError: the backbone is none of :data:`BACKBONES`.
    """
    if backbone == "compact":
        return _compact(channels)
    if backbone not in _TORCHVISION:
        raise ValueError(f"unknown DeepLabV3 backbone {backbone!r}: expected one of {', '.join(BACKBONES)}")
    return _TORCHVISION[backbone](weights=None, weights_backbone=None, num_classes=channels, aux_loss=None)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut (He et al., arXiv:1512.03385); a rate above 1 dilates both."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, rate: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=rate, dilation=rate, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=rate, dilation=rate, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return torch.relu(self.body(features) + self.shortcut(features))


class CompactBackbone(nn.Sequential):
    """A dilated residual network of output stride 8: (N, 3, H, W) to ``{"out": (N, 128, H / 8, W / 8)}``."""

    channels = 128

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 24, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(inplace=True),
            ResidualBlock(24, 40, stride=2),
            ResidualBlock(40, 40),
            ResidualBlock(40, 80, stride=2),
            ResidualBlock(80, 80, rate=2),
            ResidualBlock(80, self.channels, rate=2),
            ResidualBlock(self.channels, self.channels, rate=4),
        )

    def forward(self, frames: torch.Tensor) -> dict[str, torch.Tensor]:
        """Features under the name that torchvision's DeepLabV3 reads."""
        return OrderedDict(out=super().forward(frames))


def _compact(channels: int) -> DeepLabV3:
    """DeepLabV3 with the small backbone and rates halved, because its feature map is 14 x 14."""
    width = 64
    head = nn.Sequential(
        ASPP(CompactBackbone.channels, [2, 4, 6], width),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, channels, 1),
    )
    return DeepLabV3(CompactBackbone(), head)
