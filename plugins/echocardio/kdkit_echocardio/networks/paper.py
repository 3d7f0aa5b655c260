"""The ConvLSTM network of the EchoDFKD paper."""

from __future__ import annotations

from torch import Tensor, nn

from .convlstm import ConvLSTMLayer, Layers, PerFrame, clips_of, features_of, frames_of, pad_to_multiple


class _PaperUShape(nn.Module):
    def __init__(self, blocks: int, layers: int, width: int) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(blocks)]
        encoder = []
        for level, (inputs, hidden) in enumerate(zip([1, *channels], channels, strict=False)):
            block: list[nn.Module] = []
            for layer in range(layers):
                block += [ConvLSTMLayer(hidden if layer else inputs, hidden), PerFrame(nn.BatchNorm2d(hidden))]
            if level < blocks - 1:
                block.append(PerFrame(nn.MaxPool2d(2)))
            encoder.append(Layers(block))
        self.conv_lstm_blocks = nn.ModuleList(encoder)
        self.conv_lstm_upsampling = nn.ModuleList(
            Layers(
                [
                    PerFrame(nn.Upsample(scale_factor=2, mode="nearest")),
                    PerFrame(nn.Conv2d(inputs, outputs, 3, padding=1)),
                    PerFrame(nn.BatchNorm2d(outputs)),
                ]
            )
            for inputs, outputs in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.output_layer = PerFrame(nn.Conv2d(width, 1, 1))

    def forward(self, frames: Tensor, steps: int) -> Tensor:
        for block in (*self.conv_lstm_blocks, *self.conv_lstm_upsampling, self.output_layer):
            frames = block(frames, steps)
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

    def forward(self, clips: Tensor) -> Tensor:
        steps = clips.shape[1]
        frames = pad_to_multiple(frames_of(clips), self.stride)
        return clips_of(self.model(frames, steps), clips)

    def gather_features(self, outputs: list[Tensor], clips: Tensor) -> Tensor:
        """For objectives on features: see :func:`features_of`."""
        return features_of(outputs, clips)
