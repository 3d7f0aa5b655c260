"""The ConvLSTM network of the EchoDFKD paper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
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


class _PaperUShape(nn.Module):
    def __init__(self, blocks: int, layers: int, width: int) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(blocks)]
        encoder = []
        for level, (inputs, hidden) in enumerate(zip([1, *channels], channels, strict=False)):
            block: list[nn.Module] = []
            for layer in range(layers):
                block += [ConvLSTMLayer(hidden if layer else inputs, hidden), PerFrame(BatchNorm(hidden))]
            if level < blocks - 1:
                block.append(PerFrame(nn.MaxPool2d(2)))
            encoder.append(Layers(block))
        self.conv_lstm_blocks = nn.ModuleList(encoder)
        self.conv_lstm_upsampling = nn.ModuleList(
            Layers(
                [
                    PerFrame(nn.Upsample(scale_factor=2, mode="nearest")),
                    PerFrame(nn.Conv2d(inputs, outputs, 3, padding=1)),
                    PerFrame(BatchNorm(outputs)),
                ]
            )
            for inputs, outputs in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.output_layer = PerFrame(nn.Conv2d(width, 1, 1))

    def forward(self, frames: Tensor, steps: int, states: Memory | None = None) -> Tensor:
        for block in (*self.conv_lstm_blocks, *self.conv_lstm_upsampling, self.output_layer):
            frames = block(frames, steps, states)
        return frames


class PaperConvLSTM(nn.Module):
    """The student of EchoDFKD (Petit et al., WACV 2025), weight for weight.

    ``blocks`` levels of ``layers`` ConvLSTM layers, ``width`` channels at the finest and twice as many at each
    coarser one; no skips and no non-linearity in the decoder. Input: (batch, time, H, W) grey values 0..255, not
    normalised. Output: logits (batch, time, H, W), float32. The names of its weights are those of the published
    Lightning checkpoints.
    """

    def __init__(self, blocks: int, layers: int, width: int = 12) -> None:
        super().__init__()
        self.stride = 2 ** (blocks - 1)
        self.model = _PaperUShape(blocks, layers, width)
        # A step of training takes less time on a processor so, by an eighth at least.
        self.to(memory_format=torch.channels_last)

    def forward(self, clips: Tensor) -> Tensor:
        return self._segment(clips)

    def initial_state(self, frames: Tensor) -> list[Tensor]:
        """Zeros in the shapes of the states, for frames (batch, H, W)."""
        layers = [
            (layer, 2**level)
            for level, block in enumerate(self.model.conv_lstm_blocks)
            for layer in block.modules()
            if isinstance(layer, ConvLSTMLayer)
        ]
        return [
            zero
            for layer, shrinkage in layers
            for zero in initial_states(frames, layer.cell.hidden, self.stride, shrinkage)
        ]

    def step(self, frames: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """As :meth:`forward` in evaluation mode, one frame of each clip at a time.

        Frames (batch, H, W) to logits (batch, H, W). ``state``: what the step before returned, at first
        :meth:`initial_state`.
        """
        memory = Memory(state)
        return self._segment(frames.unsqueeze(1), memory).squeeze(1), memory.after

    def _segment(self, clips: Tensor, states: Memory | None = None) -> Tensor:
        frames = pad_to_multiple(frames_of(clips), self.stride)
        return clips_of(self.model(frames, clips.shape[1], states), clips)

    def gather_features(self, outputs: list[Tensor], clips: Tensor) -> Tensor:
        """For objectives on features: see :func:`features_of`."""
        return features_of(outputs, clips)
