"""Pictures of samples, written during the training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ..layout import Model, Settings
from ..sampling import decode_latents, sample_clips, sample_images

COLUMNS = 8
MOST_FRAMES = 8
STEPS = 16


def scratch_model(autoencoder: Any, network: Any, scheduler: Any, side: int, window: int) -> Model:
    """A model of the one denoiser that is being trained, in both places; the autoencoder stays on the processor."""
    return Model(
        vae=autoencoder,
        images=network,
        clips=network,
        image_scheduler=scheduler,
        clip_scheduler=scheduler,
        settings=Settings(),
        channels=autoencoder.config["latent_channels"],
        side=side,
        factor=2 ** (len(autoencoder.config["block_out_channels"]) - 1),
        window=window,
        scaling=autoencoder.config["scaling_factor"],
    )


class RestorationSheets:
    """Some frames, and below them their restoration by the autoencoder: ``NAME-STEP.png``."""

    def __init__(self, network: Any, pictures: torch.Tensor, folder: Path, name: str) -> None:
        self.network, self.pictures, self.folder, self.name = network, pictures[:COLUMNS], folder, name

    @torch.inference_mode()
    def __call__(self, step: int) -> None:
        pictures = self.pictures.to(self.network.device)
        restored = self.network.decode(self.network.encode(pictures).latent_dist.mode()).sample
        rows = [_grey(self.pictures[:, 0]), _grey(restored[:, 0].cpu())]
        write_rows(self.folder / f"{self.name}-{step:06d}.png", rows)


class ImageSheets:
    """Images from the network of latent images, the same noise every time: ``images-STEP.png``."""

    def __init__(self, model: Model, folder: Path, seed: int) -> None:
        self.model, self.folder, self.seed = model, folder, seed

    @torch.inference_mode()
    def __call__(self, step: int) -> None:
        latents = sample_images(self.model, "dpm-solver++", STEPS, _chances(2 * COLUMNS, self.seed))
        frames = decode_latents(self.model, latents.cpu()).numpy()
        write_rows(self.folder / f"images-{step:06d}.png", [frames[:COLUMNS], frames[COLUMNS:]])


class ClipSheets:
    """Clips that move given latent pictures, a row of frames each: ``NAME-STEP.png``."""

    def __init__(
        self,
        model: Model,
        pictures: torch.Tensor,
        fractions: Sequence[float],
        frames: int,
        folder: Path,
        seed: int,
        name: str,
    ) -> None:
        self.name = name
        self.model, self.pictures, self.fractions = model, pictures, fractions
        self.frames, self.folder, self.seed = frames, folder, seed

    @torch.inference_mode()
    def __call__(self, step: int) -> None:
        chances = _chances(len(self.pictures), self.seed)
        latents = sample_clips(
            self.model,
            self.pictures.to(self.model.clips.device),
            self.fractions,
            self.frames,
            "dpm-solver++",
            STEPS,
            1.0,
            chances,
        )
        frame_indices = np.linspace(0, self.frames - 1, min(MOST_FRAMES, self.frames)).astype(int)
        rows = [decode_latents(self.model, clip[frame_indices]).numpy() for clip in latents.cpu()]
        write_rows(self.folder / f"{self.name}-{step:06d}.png", rows)


def write_rows(path: Path, rows: Sequence[np.ndarray]) -> None:
    """A picture of rows of grey frames, uint8 (N, H, W) each."""
    cv2.imwrite(str(path), np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0))


def _grey(pictures: torch.Tensor) -> np.ndarray:
    return ((pictures + 1) * 128).round().clamp(0, 255).to(torch.uint8).numpy()


def _chances(count: int, seed: int) -> list[torch.Generator]:
    return [torch.Generator("cpu").manual_seed(seed * 1000 + number) for number in range(count)]
