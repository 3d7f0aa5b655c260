"""A segmentation network that sees whole clips, applied to clips of any length."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Frames that the network sees together: about a second of them. In a clip of more than LONG frames every other one is
# left out of a window, and has a window of its own: such clips come at 30 to 60 frames a second, and a beat would not
# fit into a window otherwise.
WINDOW, LONG = 32, 64
# Frames at both ends of a window that count only where the clip ends: they lack one side of their surroundings.
MARGIN = 6


class Clipwise(nn.Module):
    """Wraps a network from normalised clips (B, T, H, W) to logits of the same shape.

    Takes grey clips (B, T, H, W), 0..255, any real dtype. Short ones are seen whole; of long ones overlapping windows
    are, from whose middles the logits are put together.
    """

    def __init__(self, network: nn.Module, mean: float, deviation: float) -> None:
        super().__init__()
        self.network, self.mean, self.deviation = network, mean, deviation

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (B, T, H, W) of clips (B, T, H, W)."""
        return _join([self._logits(part) for part in _parts(clips)], clips)

    def gather_features(self, outputs: list[Tensor], clips: Tensor) -> Tensor:
        """What a module gave out for the frames, (B * T, channels, H, W), the frames of each clip in turn."""
        parts = zip(outputs, _parts(clips), strict=True)
        return _join([output.unflatten(0, part.shape[:2]) for output, part in parts], clips).flatten(0, 1)

    def _logits(self, clips: Tensor) -> Tensor:
        values = clips.to(torch.get_default_dtype())
        logits: Tensor = self.network((values - self.mean) / self.deviation)
        return logits


def _stride(clips: Tensor) -> int:
    return 2 if clips.shape[1] > LONG else 1


def _parts(clips: Tensor) -> list[Tensor]:
    """What the network sees at once: windows of a few clips, which bounds the memory, whatever the batch."""
    parts: list[Tensor] = []
    for start in range(_stride(clips)):
        frames = clips[:, start :: _stride(clips)]
        for first, _, _ in windows(frames.shape[1]):
            seen = frames[:, first : first + WINDOW]
            parts += seen.split(max(1, WINDOW // seen.shape[1]))
    return parts


def _join(results: list[Tensor], clips: Tensor) -> Tensor:
    """The results for :func:`_parts`, (b, t, ...) each, as (B, T, ...): of each frame the one that is kept."""
    count, steps = clips.shape[:2]
    joined = results[0].new_empty((count, steps, *results[0].shape[2:]))
    rest = iter(results)
    for start in range(_stride(clips)):
        frames = joined[:, start :: _stride(clips)]
        for first, keep, stop in windows(frames.shape[1]):
            done = 0
            while done < count:
                part = next(rest)
                frames[done : done + len(part), keep:stop] = part[:, keep - first : stop - first]
                done += len(part)
    return joined


def windows(steps: int) -> list[tuple[int, int, int]]:
    """The windows of a clip: the first frame of each, and the first and the end of the frames that are kept of it."""
    if steps <= WINDOW:
        return [(0, 0, steps)]
    firsts = [*range(0, steps - WINDOW, WINDOW - 2 * MARGIN), steps - WINDOW]
    cuts = [0, *(first + MARGIN for first in firsts[1:]), steps]
    return list(zip(firsts, cuts, cuts[1:], strict=False))
