"""The compact DeepLabV3, whose features look at each other over time.

Its encoder begins as the network for single frames (:func:`start_from_frames`), with the batch norms folded into the
convolutions: their statistics are those of many hearts, and a batch here holds few.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.segmentation.deeplabv3 import DeepLabV3

from .deeplab import build

WIDTH = 96
HEADS = 4
# Of the neighbours in time that each block looks at, in frames.
RATES = (1, 2, 4)
# Attention tells frames apart by their distance up to this number of frames.
FAR = 15
# Channels at 1/4 of the frame size: the encoder's, those that are made of them for the decoder, and the decoder's.
FINE_CHANNELS, SKIP, FINE = 40, 24, 32


class TemporalDeepLabV3(nn.Module):
    """Grey clips (B, T, 112, 112), normalised float, to logits of the same shape; any number of frames.

    Each frame goes through the encoder beside its two neighbours, as three channels. At 1/8 of the frame size its
    features are joined with those of the whole clip by :class:`TimeBlock`, and a decoder adds detail at 1/4. At the
    ends of a clip frames repeat, so that a still is a clip of one frame. 1.6 million weights.
    """

    def __init__(self) -> None:
        super().__init__()
        layers, pyramid, head = _parts(build("compact"))
        # Up to 1/4 of the frame size, and on to 1/8.
        self.fine, self.coarse = nn.Sequential(*layers[:5]), nn.Sequential(*layers[5:])
        self.pyramid, self.head = pyramid, head
        width = head.in_channels
        self.enter = nn.Conv2d(width, WIDTH, 1)
        self.blocks = nn.ModuleList(TimeBlock(WIDTH, HEADS, rate) for rate in RATES)
        self.leave = nn.Conv2d(WIDTH, width, 1)
        self.skip = nn.Conv2d(FINE_CHANNELS, SKIP, 1)
        self.refine = nn.Sequential(nn.Conv2d(width + SKIP, FINE, 3, padding=1), nn.ReLU(), nn.Conv2d(FINE, 1, 1))
        # At first what time and detail have to say is nothing: the network is the one for single frames.
        for parameter in (*self.leave.parameters(), *self.refine[-1].parameters()):
            nn.init.zeros_(parameter)
        self.to(memory_format=torch.channels_last)

    def forward(self, clips: Tensor) -> Tensor:
        batch, steps, height, width = clips.shape
        frames = torch.stack([_shift(clips, -1), clips, _shift(clips, 1)], 2).flatten(0, 1)
        fine = self.fine(frames.contiguous(memory_format=torch.channels_last))
        features = self.pyramid(self.coarse(fine))
        joined = self.enter(features)
        for block in self.blocks:
            joined = block(joined, steps)
        features = features + self.leave(joined)
        scores = _resize(self.head(features), fine.shape[2:])
        detail = torch.cat([_resize(features, fine.shape[2:]), self.skip(fine)], 1)
        logits = _resize(scores + self.refine(detail), (height, width))
        return logits.reshape(batch, steps, height, width)


class TimeBlock(nn.Module):
    """Features of each frame joined with its neighbours', and with those of the same place in the whole clip.

    A convolution over three frames that lie ``rate`` apart, one over the place's surroundings, and attention between
    all frames (Vaswani et al., arXiv:1706.03762), each around a shortcut. (B * T, width, H, W) to the same.
    """

    def __init__(self, width: int, heads: int, rate: int) -> None:
        super().__init__()
        self.heads, self.rate = heads, rate
        self.neighbours = nn.Conv2d(3 * width, width, 1)
        self.around = nn.Conv2d(width, width, 3, padding=1)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked, self.answer = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.distance = nn.Parameter(torch.zeros(heads, 2 * FAR + 1))

    def forward(self, frames: Tensor, steps: int) -> Tensor:
        normed = self.before(frames.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        clips = normed.unflatten(0, (-1, steps))
        triples = [_shift(clips, -self.rate), clips, _shift(clips, self.rate)]
        near = torch.cat([part.flatten(0, 1) for part in triples], 1)
        frames = frames + self.around(torch.relu(self.neighbours(near)))
        return frames + self._attend(frames, steps)

    def _attend(self, frames: Tensor, steps: int) -> Tensor:
        count, width, rows, columns = frames.shape
        places = self.between(frames.permute(0, 2, 3, 1)).view(-1, steps, rows * columns, width).transpose(1, 2)
        # (batch, places, time, 3 x heads x width / heads) to three of (batch * places, heads, time, width / heads)
        parts = self.asked(places).flatten(0, 1).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        time = torch.arange(steps, device=frames.device)
        apart = (time - time[:, None]).clamp(-FAR, FAR) + FAR
        query, key, value = parts
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=self.distance[:, apart].to(parts.dtype))
        answer = self.answer(seen.transpose(1, 2).flatten(2))
        return (
            answer.view(-1, rows, columns, steps, width)
            .permute(0, 3, 4, 1, 2)
            .reshape(count, width, rows, columns)
            .contiguous(memory_format=torch.channels_last)
        )


def start_from_frames(network: TemporalDeepLabV3, frames: DeepLabV3, mean: Tensor, deviation: Tensor) -> None:
    """Give ``network`` the weights of the network for single ``frames`` of three equal channels.

    ``mean``, ``deviation``: (3,), what each channel of ``frames`` is normalised with; that of ``network`` is with
    their averages. Until it is trained further it gives the same logits, within the interpolation.
    """
    layers, pyramid, head = _parts(frames)
    first = cast(nn.Conv2d, layers[0])
    assert first.bias is not None
    with torch.no_grad():
        weight = first.weight / deviation[:, None, None]
        first.bias += (weight * (mean.mean() - mean)[:, None, None]).sum((1, 2, 3))
        one = weight.sum(1) * deviation.mean()
        first.weight.copy_(torch.stack([torch.zeros_like(one), one, torch.zeros_like(one)], 1))
    network.fine.load_state_dict(nn.Sequential(*layers[:5]).state_dict())
    network.coarse.load_state_dict(nn.Sequential(*layers[5:]).state_dict())
    network.pyramid.load_state_dict(pyramid.state_dict())
    network.head.load_state_dict(head.state_dict())


def _parts(network: DeepLabV3) -> tuple[list[nn.Module], nn.Sequential, nn.Conv2d]:
    """The layers of the backbone, those of the head, and its last one; of ``network``, whose norms are folded."""
    _fold(network.eval())
    backbone, classifier = cast(nn.Sequential, network.backbone), cast(nn.Sequential, network.classifier)
    return list(backbone), classifier[:-1], cast(nn.Conv2d, classifier[-1])


def _shift(clips: Tensor, frames: int) -> Tensor:
    """(B, T, ...) so many frames later; the first or the last one repeats."""
    time = torch.arange(clips.shape[1], device=clips.device) + frames
    return clips[:, time.clamp(0, clips.shape[1] - 1)]


def _resize(features: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    return F.interpolate(features, size=size, mode="bilinear", align_corners=False)


def _fold(module: nn.Module) -> None:
    """Fold each batch norm into the convolution before it."""
    children = list(module.named_children())
    for (name, first), (other, second) in pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(first, second))
            setattr(module, other, nn.Identity())
    for _, child in children:
        _fold(child)
