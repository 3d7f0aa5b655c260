"""The default ConvLSTM network: a U-Net whose coarsest level remembers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convlstm import (
    ConvLSTMLayer,
    Layers,
    Memory,
    PerFrame,
    clips_of,
    features_of,
    frames_of,
    initial_states,
    pad_to_multiple,
)
from .normalization import BatchNorm
from .views import RandomView

# EchoNet-Dynamic's grey mean and deviation (Ouyang et al. 2020), rounded: ultrasound clips of any source come near.
MEAN, DEVIATION = 32.0, 50.0

# The ventricle covers about a twelfth of a frame: starting from there saves the first steps of training.
FIRST_LOGIT = -2.5

# From this level on (1/8 of the frame size) frames are small.
COARSE = 2


class ConvLSTMUNet(nn.Module):
    """A U-Net whose coarsest level remembers (Ronneberger et al. 2015; Shi et al. 2015).

    ``blocks`` levels, at 1/2, 1/4, 1/8 and 1/16 of the frame size, with ``width`` times 1, 2, 3 and 4 channels. The
    coarsest level has ``layers`` ConvLSTM layers: there the ventricle is a few pixels wide, so a 3x3 recurrence sees
    its surroundings and costs little. The decoder ends at 1/4, where a skip still brings the wall's position, and the
    logits are interpolated: the cavity's outline is smooth.

    With ``views`` each clip is seen in a :class:`RandomView` in training: without it, a few hundred clips are soon
    overfitted. Input: (batch, time, H, W) grey values 0..255. Output: logits (batch, time, H, W), float32.
    """

    def __init__(self, blocks: int, layers: int, width: int = 12, views: bool = False) -> None:
        super().__init__()
        channels = [width * (level + 1) for level in range(blocks)]
        self.stride = 2**blocks
        self.views = views
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        features, skip_channels = 1, []
        for level, width in enumerate(channels):
            block: list[nn.Module] = [PerFrame(_convolution(features, width, kernel=3 if level else 5, stride=2))]
            # A second convolution costs little where frames are small, and lets them be seen more widely.
            block += [PerFrame(_convolution(width, width))] if level >= COARSE else []
            features = width
            for _ in range(layers if level == blocks - 1 else 0):
                hidden = max(1, 2 * width // 3)
                block.append(ConvLSTMLayer(features, hidden))
                features = hidden
            self.encoder.append(Layers(block))
            skip_channels.append(features)
        for level in reversed(range(min(1, blocks - 1), blocks - 1)):
            self.decoder.append(Merge(features, skip_channels[level], channels[level]))
            features = channels[level]
        self.head = nn.Conv2d(features, 1, 1)
        nn.init.constant_(self.head.bias, FIRST_LOGIT)  # type: ignore[arg-type]
        # As its inputs are: a step of training takes a seventh less on a processor.
        self.to(memory_format=torch.channels_last)

    def forward(self, clips: Tensor) -> Tensor:
        if not (self.training and self.views):
            return self._segment(clips)
        view = RandomView(clips)
        return view.undo(self._segment(view.apply(clips)))

    def initial_state(self, frames: Tensor) -> list[Tensor]:
        """Zeros in the shapes of the states, for frames (batch, H, W)."""
        layers = [layer for layer in self.encoder[-1].modules() if isinstance(layer, ConvLSTMLayer)]
        return [
            zero for layer in layers for zero in initial_states(frames, layer.cell.hidden, self.stride, self.stride)
        ]

    def step(self, frames: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """As :meth:`forward` in evaluation mode, one frame of each clip at a time.

        Frames (batch, H, W) to logits (batch, H, W). ``state``: what the step before returned, at first
        :meth:`initial_state`.
        """
        memory = Memory(state)
        return self._segment(frames.unsqueeze(1), memory).squeeze(1), memory.after

    def gather_features(self, outputs: list[Tensor], clips: Tensor) -> Tensor:
        """For objectives on features: see :func:`features_of`. With ``views`` they are those of the clips as seen."""
        return features_of(outputs, clips)

    def _segment(self, clips: Tensor, states: Memory | None = None) -> Tensor:
        steps = clips.shape[1]
        frames = (pad_to_multiple(frames_of(clips), self.stride) - MEAN) / DEVIATION
        frames = frames.contiguous(memory_format=torch.channels_last)
        padded = frames.shape[2:]
        levels = []
        for block in self.encoder:
            frames = block(frames, steps, states)
            levels.append(frames)
        for convolution, skip in zip(self.decoder, levels[-2::-1], strict=False):
            frames = convolution(frames, skip)
        return clips_of(self._enlarge(self.head(frames).float(), padded), clips)

    def _enlarge(self, logits: Tensor, size: torch.Size) -> Tensor:
        """Bilinear interpolation to this height and width.

        In training as two products of matrices, whose gradient a processor has in a tenth of the time; otherwise as
        the one operation that exporters know.
        """
        if not self.training:
            return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        down, across = (_interpolation(*sizes, logits) for sizes in zip(logits.shape[2:], size, strict=True))
        with torch.autocast(logits.device.type, enabled=False):
            return down @ logits @ across.T


def kernel_of_enlarged(weight: Tensor) -> Tensor:
    """The kernel (inputs, outputs, 4, 4) of a transposed convolution with stride 2 and padding 1.

    It gives what a 3x3 convolution with ``weight`` (outputs, inputs, 3, 3) and padding 1 gives for frames of which
    each value was repeated twice along both axes: neighbours that are equal have their weights added.
    """
    for axis in (2, 3):
        first, second, third = weight.unbind(axis)
        weight = torch.stack([third, second + third, first + second, first], axis)
    return weight.transpose(0, 1)


def _interpolation(inputs: int, outputs: int, like: Tensor) -> Tensor:
    """The matrix (outputs, inputs) of linear interpolation along one axis."""
    unit = torch.eye(inputs, dtype=like.dtype, device=like.device).unsqueeze(0)
    return F.interpolate(unit, size=outputs, mode="linear", align_corners=False).squeeze(0).T


class Merge(nn.Sequential):
    """Joins frames with those of a skip, twice as large: a convolution, its normalisation, and a rectifier."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__(MergingConvolution(inputs, skip, outputs), BatchNorm(outputs), nn.ReLU(inplace=True))

    def forward(self, frames: Tensor, skip: Tensor) -> Tensor:  # type: ignore[override]
        convolution, *layers = self
        merged: Tensor = convolution(frames, skip)
        for layer in layers:
            merged = layer(merged)
        return merged


class MergingConvolution(nn.Conv2d):
    """A 3x3 convolution over frames, enlarged twice by repetition, beside the frames of a skip.

    In training without the enlarged frames and without their copy beside the skip: the same numbers within rounding,
    from four products a value where there were nine. Otherwise as the operations that every exporter knows.
    """

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__(inputs + skip, outputs, 3, padding=1, bias=False)

    def forward(self, frames: Tensor, skip: Tensor) -> Tensor:  # type: ignore[override]
        if not self.training:
            enlarged = F.interpolate(frames, size=skip.shape[2:], mode="nearest")
            return super().forward(torch.cat([enlarged, skip], 1))
        deep, shallow = self.weight.split([frames.shape[1], skip.shape[1]], 1)
        merged = F.conv_transpose2d(frames, kernel_of_enlarged(deep), stride=2, padding=1)
        return merged + F.conv2d(skip, shallow, padding=1)


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        BatchNorm(outputs),
        nn.ReLU(inplace=True),
    )
