"""What the networks are trained on: the batch of any step, a pure function of (seed, step, rank)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from .denoisers import DROPPED


class BatchOf(Protocol):
    """Draws the batch of a step from a random generator of its own."""

    def __call__(self, rng: np.random.Generator, step: int) -> Any: ...


class Batches(IterableDataset[Any]):
    """The batches of the steps from ``start`` on, other ones in every process that trains along."""

    def __init__(self, batch_of: BatchOf, seed: int, start: int, rank: Callable[[], int]) -> None:
        self.batch_of, self.seed, self.start, self.rank = batch_of, seed, start, rank

    def __iter__(self) -> Iterator[Any]:
        step, rank = self.start, self.rank()
        while True:
            yield self.batch_of(np.random.default_rng([self.seed, step, rank]), step)
            step += 1


@dataclass(frozen=True)
class Pictures:
    """Single frames of clips uint8 (N, T, H, W), half of them mirrored: float (size, 1, H, W), -1..1."""

    clips: np.ndarray
    size: int

    def __call__(self, rng: np.random.Generator, step: int) -> Tensor:
        clips, frames = (rng.integers(count, size=self.size) for count in self.clips.shape[:2])
        pictures = np.stack([self.clips[c, f] for c, f in zip(clips, frames, strict=True)])
        mirrored = rng.random(self.size) < 0.5
        pictures[mirrored] = pictures[mirrored, :, ::-1]
        return to_float(pictures)[:, None]


def to_float(frames: np.ndarray) -> Tensor:
    """Grey 0..255 to float, -1..1, same shape: what decoding turns back by (x + 1) * 128."""
    return torch.from_numpy(frames.astype(np.float32) / 128.0 - 1.0)


@dataclass(frozen=True)
class LatentPictures:
    """Single pictures of latent clips float16 (N, T, C, h, w): ``latents`` float (size, C, h, w)."""

    latents: np.ndarray
    size: int

    def __call__(self, rng: np.random.Generator, step: int) -> dict[str, Tensor]:
        clips, frames = (rng.integers(count, size=self.size) for count in self.latents.shape[:2])
        return {"latents": torch.from_numpy(self.latents[clips, frames].astype(np.float32))}


@dataclass(frozen=True)
class LatentClips:
    """Latent clips with their first frame, which they are drawn from, and their ejection fraction.

    ``latents`` float (B, t, C, h, w), ``picture`` float (B, C, h, w) and ``ejection_fraction`` float (B,), 0..1, 0
    where it is left out. Of four batches two have clips from end-diastole on, one of them whole, and two have clips
    from anywhere, one of them of a few frames, so that the network learns to draw clips of any length.
    """

    latents: np.ndarray
    fractions: np.ndarray
    starts: np.ndarray
    size: int

    def __call__(self, rng: np.random.Generator, step: int) -> dict[str, Tensor]:
        clip_length = self.latents.shape[1]
        longest = clip_length - int(self.starts.max())
        # Not two: over two frames the processor's bfloat16 convolutions have gradients that are not numbers.
        short_length = min(clip_length, int(rng.choice([3, 4, 8])))
        frames = (longest, max(1, longest // 2), max(longest, 3 * clip_length // 4), short_length)[step % 4]
        clip_indices = rng.integers(len(self.latents), size=self.size * (clip_length // frames))
        random_starts = rng.integers(clip_length - frames + 1, size=len(clip_indices))
        starts = random_starts if step % 4 > 1 else self.starts[clip_indices]
        stop = clip_length - int(starts.max()) if step % 4 == 0 else frames
        clips = np.stack([self.latents[c, s : s + stop] for c, s in zip(clip_indices, starts, strict=True)])
        fractions = np.where(rng.random(len(clip_indices)) < DROPPED, 0.0, self.fractions[clip_indices])
        return {
            "latents": torch.from_numpy(clips.astype(np.float32)),
            "picture": torch.from_numpy(clips[:, 0].astype(np.float32)),
            "ejection_fraction": torch.from_numpy(fractions.astype(np.float32)),
        }
