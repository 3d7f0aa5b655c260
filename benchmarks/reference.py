"""Plain and correct implementations, from the published facts alone, that speeds are compared with.

Float32, no thought of speed: the teacher labels a whole clip with gradients kept, clips are decoded at every access,
a ConvLSTM is one convolution over input and hidden state at each step, and a clip is predicted at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.segmentation import deeplabv3_resnet50

MEAN, DEVIATION = (32.085175, 32.591923, 33.37932), (50.129288, 50.487717, 51.34619)
WINDOW = 25


class Teacher(nn.Module):
    """DeepLabV3-ResNet50 with one output channel; (frames, H, W) grey values to logits of that shape."""

    def __init__(self) -> None:
        super().__init__()
        self.network = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=1, aux_loss=None)

    def forward(self, frames: Tensor) -> Tensor:
        colour = frames.float()[:, None].repeat(1, 3, 1, 1)
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        return self.network((colour - mean) / deviation)["out"][:, 0]


class Cell(nn.Module):
    """A ConvLSTM layer over (batch, time, channels, H, W)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.conv = nn.Conv2d(inputs + hidden, 4 * hidden, 3, padding=1)

    def forward(self, clips: Tensor) -> Tensor:
        batch, steps, _, height, width = clips.shape
        state = memory = torch.zeros(batch, self.hidden, height, width)
        states = []
        for step in range(steps):
            gates = self.conv(torch.cat([clips[:, step], state], 1))
            enter, keep, leave, candidate = gates.chunk(4, 1)
            memory = keep.sigmoid() * memory + enter.sigmoid() * candidate.tanh()
            state = leave.sigmoid() * memory.tanh()
            states.append(state)
        return torch.stack(states, 1)


class Frames(nn.Module):
    """A layer for frames, applied to clips."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, clips: Tensor) -> Tensor:
        return self.layer(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])


class Student(nn.Module):
    """The paper's U-shape; (batch, time, H, W) grey values to logits of that shape."""

    def __init__(self, blocks: int, layers: int, width: int = 12) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        channels = [width * 2**level for level in range(blocks)]
        inputs = 1
        for level, hidden in enumerate(channels):
            for _ in range(layers):
                parts += [Cell(inputs, hidden), Frames(nn.BatchNorm2d(hidden))]
                inputs = hidden
            if level < blocks - 1:
                parts.append(Frames(nn.MaxPool2d(2)))
        for outputs in reversed(channels[:-1]):
            parts.append(Frames(nn.Upsample(scale_factor=2, mode="nearest")))
            parts.append(Frames(nn.Conv2d(inputs, outputs, 3, padding=1)))
            parts.append(Frames(nn.BatchNorm2d(outputs)))
            inputs = outputs
        parts.append(Frames(nn.Conv2d(inputs, 1, 1)))
        self.parts = nn.Sequential(*parts)

    def forward(self, clips: Tensor) -> Tensor:
        return self.parts(clips.float()[:, :, None])[:, :, 0]

    def take_weights(self, state: Mapping[str, Tensor]) -> None:
        """The weights of the toolkit's own network, whose layers come in the same order."""
        own = self.state_dict()
        self.load_state_dict(dict(zip(own, state.values(), strict=True)))


def read_item(clip: Path, target: Path, start: int) -> tuple[np.ndarray, np.ndarray]:
    """A window of a clip and of its target, each from its whole file."""
    capture, frames = cv2.VideoCapture(str(clip)), []
    while (frame := capture.read())[0]:
        frames.append(cv2.cvtColor(frame[1], cv2.COLOR_BGR2GRAY))
    capture.release()
    targets = np.load(target)["target"]
    return np.stack(frames)[start : start + WINDOW], targets[start : start + WINDOW]
