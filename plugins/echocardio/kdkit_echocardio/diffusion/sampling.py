"""Sampling latents and turning them into frames; importing it loads torch and diffusers.

Latents are float32, (B, C, h, w) for images and (B, T, C, h, w) for clips, multiplied by the autoencoder's scaling
factor as the networks see them. Everything random comes from one generator for each sample, on the processor: what
else is in a batch, and where it is computed, changes nothing but the rounding of sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.nn import functional as F

from kdkit import DataError

from .layout import Model, Sampler, diffusers, downsampling

Predict = Callable[[torch.Tensor, Any], torch.Tensor]

# Frames that are decoded or encoded at once: bounds the memory, whatever the length of a clip.
CHUNK = 16
# Frames of all clips of a batch on the processor, where more of them at once are no faster.
FRAMES_AT_ONCE = 32
MOST_AT_ONCE = {"cpu": 8, "cuda": 64}


def placed(model: Model, device: torch.device, precision: torch.dtype) -> Model:
    """The model on a device, its denoising networks in this precision; the autoencoder stays in float32."""
    return replace(
        model,
        vae=model.vae.to(device),
        images=model.images.to(device, precision),
        clips=model.clips.to(device, precision),
    )


def scheduler(settings: Any, sampler: Sampler, steps: int) -> Any:
    """A scheduler of the sampler's class with the settings of the training, ready for ``steps`` steps.

    ``ddpm``: ancestral sampling (Ho et al. 2020). ``ddim``: without noise (Song et al. 2021, eta 0).
    ``dpm-solver++``: the second-order multistep solver (Lu et al., arXiv:2211.01095). Raises
    :class:`kdkit.DataError` for more steps than the model was trained with.
    """
    training_steps = settings.config["num_train_timesteps"]
    if steps > training_steps:
        raise DataError(f"{steps} steps were asked for, and the model knows {training_steps}", "Lower steps.")
    library = diffusers()
    classes = {
        "ddpm": library.DDPMScheduler,
        "ddim": library.DDIMScheduler,
        "dpm-solver++": library.DPMSolverMultistepScheduler,
    }
    sampling_scheduler = classes[sampler].from_config(settings.config)
    sampling_scheduler.set_timesteps(steps)
    if len(set(sampling_scheduler.timesteps.tolist())) < steps:
        raise DataError(
            f"{sampler} cannot spread {steps} steps over the {training_steps} that the model knows", "Lower steps."
        )
    return sampling_scheduler


def windows(frames: int, length: int) -> list[tuple[int, int, int]]:
    """The parts of a clip that are denoised as one: (first frame, frame after the last, first frame it contributes).

    Each later window overlaps the one before by half and contributes its second half; the last one may contribute
    less, so that clips of any length are covered.
    """
    parts = [(0, min(frames, length), 0)]
    step = max(1, length // 2)
    while (covered := parts[-1][1]) < frames:
        stop = min(covered + step, frames)
        parts.append((stop - length, stop, covered))
    return parts


def sample_images(model: Model, sampler: Sampler, steps: int, chances: Sequence[torch.Generator]) -> torch.Tensor:
    """Latent images, (B, C, h, w), one for each generator."""
    shape = (model.channels, model.side, model.side)
    weights = next(model.images.parameters())

    def predict(latents: torch.Tensor, time: Any) -> torch.Tensor:
        padded, crop = _pad(latents, downsampling(model.images))
        return crop(model.images(padded.to(weights.dtype), time).sample.float())

    start = _noise(shape, chances, weights.device)
    return _denoise(start, predict, scheduler(model.image_scheduler, sampler, steps), chances)


def sample_clips(
    model: Model,
    images: torch.Tensor,
    ejection_fractions: Sequence[float],
    frames: int,
    sampler: Sampler,
    steps: int,
    guidance: float,
    chances: Sequence[torch.Generator],
) -> torch.Tensor:
    """Latent clips, (B, T, C, h, w), that move the latent ``images`` (B, C, h, w) with these ejection fractions.

    ``ejection_fractions``: of one, not percent. ``guidance``: the weight w of classifier-free guidance
    (Ho & Salimans, arXiv:2207.12598), null + w (conditioned - null); the null condition is an ejection fraction
    of 0, which is what the training puts in the place of a dropped one.
    """
    weights = next(model.clips.parameters())
    conditions = torch.tensor(ejection_fractions, device=weights.device, dtype=weights.dtype).reshape(-1, 1, 1)

    def predict(latents: torch.Tensor, time: Any) -> torch.Tensor:
        pictures = images[:, None].expand(-1, latents.shape[1], -1, -1, -1)
        inputs, crop = _pad(torch.cat([latents, pictures], dim=2), downsampling(model.clips))
        conditioned = _predict_by_windows(model, inputs, time, conditions)
        if guidance != 1:
            null = _predict_by_windows(model, inputs, time, torch.zeros_like(conditions))
            conditioned = null + guidance * (conditioned - null)
        return crop(conditioned)

    start = _noise((frames, model.channels, model.side, model.side), chances, weights.device)
    return _denoise(start, predict, scheduler(model.clip_scheduler, sampler, steps), chances)


def decode_latents(model: Model, latents: torch.Tensor) -> torch.Tensor:
    """The frames of latents (N, C, h, w): grey, uint8 (N, H, W) on the processor."""
    frames = []
    for part in latents.split(CHUNK):
        pixels: torch.Tensor = model.vae.decode(part / model.scaling).sample
        frames.append(((pixels.mean(1) + 1) * 128).round().clamp(0, 255).to(torch.uint8).cpu())
    return torch.cat(frames)


def encode_frames(model: Model, frames: torch.Tensor) -> torch.Tensor:
    """The latents (N, C, h, w) of grey frames, uint8 (N, H, W) of any size: the mean of their distribution."""
    device = next(model.vae.parameters()).device
    side = model.side * model.factor
    latents = []
    for part in frames.split(CHUNK):
        pixels = part[:, None].to(device, torch.float32) / 128 - 1
        if pixels.shape[-2:] != (side, side):
            pixels = F.interpolate(pixels, (side, side), mode="bilinear", antialias=True, align_corners=False)
        pixels = pixels.expand(-1, model.vae.config["in_channels"], -1, -1)
        latents.append(model.vae.encode(pixels).latent_dist.mode() * model.scaling)
    return torch.cat(latents)


def batch_size(model: Model, frames: int) -> int:
    """How many clips are sampled at once: by the free memory of a GPU, or the number of frames on the processor."""
    weights = next(model.clips.parameters())
    if weights.device.type != "cuda":
        return max(1, min(MOST_AT_ONCE["cpu"], FRAMES_AT_ONCE // frames))
    free, _ = torch.cuda.mem_get_info(weights.device)
    # Roughly what the layers of one resolution hold at once, twice over for the copies that they work on.
    values = min(frames, model.window) * model.side**2 * 40 * max(model.clips.config["block_out_channels"])
    return int(max(1, min(MOST_AT_ONCE["cuda"], free // 2 // (values * weights.element_size()))))


def _noise(shape: tuple[int, ...], chances: Sequence[torch.Generator], device: torch.device) -> torch.Tensor:
    return torch.stack([torch.randn(shape, generator=chance) for chance in chances]).to(device)


def _denoise(latents: torch.Tensor, predict: Predict, steps: Any, chances: Sequence[torch.Generator]) -> torch.Tensor:
    latents = latents * steps.init_noise_sigma
    for time in steps.timesteps:
        predicted = predict(steps.scale_model_input(latents, time), time.to(latents.device))
        # A generator for each sample of the batch: diffusers draws each one's noise from its own.
        latents = steps.step(predicted, time, latents, generator=list(chances)).prev_sample
    if not torch.isfinite(latents).all():
        raise DataError(
            "the latents hold numbers that are not finite",
            "Half precision overflows in some networks: set precision to float32 or bfloat16. If it is float32 "
            "already, the weights or the noise_scheduler are not those of the training.",
        )
    return latents


def _predict_by_windows(model: Model, inputs: torch.Tensor, time: Any, conditions: torch.Tensor) -> torch.Tensor:
    """What the network of clips predicts for clips of any length, (B, T, C, h, w), from :func:`windows`."""
    config: Any = model.clips.config
    added = config["projection_class_embeddings_input_dim"] // config["addition_time_embed_dim"]
    ids = torch.zeros(len(inputs), added, device=inputs.device, dtype=conditions.dtype)
    velocities = []
    for start, stop, first in windows(inputs.shape[1], model.window):
        part = inputs[:, start:stop].to(conditions.dtype)
        predicted = model.clips(part, time, encoder_hidden_states=conditions, added_time_ids=ids).sample
        velocities.append(predicted[:, first - start :].float())
    return torch.cat(velocities, dim=1)


def _pad(latents: torch.Tensor, multiple: int) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
    """Latents whose sides are multiples of ``multiple``, their border repeated, and what cuts them back."""
    height, width = latents.shape[-2:]
    rows, columns = -height % multiple, -width % multiple
    top, left = rows // 2, columns // 2
    if rows or columns:
        flat = latents.flatten(0, -4)
        flat = F.pad(flat, (left, columns - left, top, rows - top), mode="replicate")
        latents = flat.unflatten(0, latents.shape[:-3])
    return latents, lambda tensor: tensor[..., top : top + height, left : left + width]
