"""Training a whole source, step by step, into a folder of the published layout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from kdkit import TrainingSession

from ..layout import CLIPS, PUBLISHED_SCHEDULER, SETTINGS, VAE, Model, diffusers
from .autoencoder import AutoencoderTraining
from .batches import LatentClips, LatentPictures, Pictures, to_float
from .clips import ClipSet
from .denoisers import DenoiserTraining, denoise_image, denoise_video
from .fit import fit
from .guidance import GuidanceTraining
from .options import SourceTraining
from .samples import COLUMNS, ClipSheets, ImageSheets, RestorationSheets, scratch_model
from .sharpening import SharpeningTraining
from .start import begin

IMAGES = "lidm_trained"
WORK = "training"

# Percentiles of the ejection fractions that a source was trained on, between which samples are drawn.
RANGE = (5, 95)

ENCODING_CHUNK = 32

# Too short for a beat: fewer steps give frames of the same quality.
SHORT_CLIPS = {"sampler": "dpm-solver++", "steps": 3, "image_steps": 6}


def train_networks(data: ClipSet, folder: Path, options: SourceTraining, session: TrainingSession) -> None:
    """Train autoencoder and denoisers on ``data`` and save them in ``folder``; resumes an interrupted training."""
    networks = begin(options, data.clips.shape[-1])
    autoencoder = _train_autoencoder(networks.vae, data, folder, options, session)
    save_settings(folder, data.fractions, options)
    _train_images(networks.images, autoencoder, data, folder, options, session)
    _train_clips(networks.clips, autoencoder, data, folder, options, session)


def _train_images(
    network: Any, autoencoder: Any, data: ClipSet, folder: Path, options: SourceTraining, session: TrainingSession
) -> None:
    if options.image_steps:
        work = folder / WORK
        batches = LatentPictures(_encode(autoencoder, data.clips, work, session), options.image_batch)
        module = DenoiserTraining(network, _scheduler(), denoise_image, options.image_steps, options.learning_rate)
        sampled_model = _scratch(autoencoder, module, options)
        sheets = ImageSheets(sampled_model, work, session.seed)
        fit(module, batches, module.steps, "images", work / IMAGES, session, (options.sample_every, sheets))
        network = module.average.module
    network.save_pretrained(folder / IMAGES)


def _train_clips(
    network: Any, autoencoder: Any, data: ClipSet, folder: Path, options: SourceTraining, session: TrainingSession
) -> None:
    """Train the network, then distil guidance into it."""
    work, guided = folder / WORK, options.guidance_steps if options.guidance != 1 else 0
    if not options.video_steps and not guided:
        network.save_pretrained(folder / CLIPS)
        return
    latents = _encode(autoencoder, data.clips, work, session)
    batches = LatentClips(latents, data.fractions, data.starts, options.video_batch)
    first = batches(np.random.default_rng(session.seed), 0)

    def train_denoiser(module: DenoiserTraining, name: str, target: str) -> Any:
        fractions = first["ejection_fraction"][:COLUMNS].tolist()
        sampled_model = _scratch(autoencoder, module, options)
        sheets = ClipSheets(
            sampled_model, first["picture"][:COLUMNS], fractions, options.frames, work, session.seed, name
        )
        fit(module, batches, module.steps, name, work / target, session, (options.sample_every, sheets))
        return module.average.module

    if options.video_steps:
        module = DenoiserTraining(network, _scheduler(), denoise_video, options.video_steps, options.learning_rate)
        network = train_denoiser(module, "clips", CLIPS)
    if guided:
        low, high = fraction_range(data.fractions)
        trained_range = (low / 100.0, high / 100.0)
        network = train_denoiser(
            GuidanceTraining(network, _scheduler(), options.guidance, trained_range, guided), "guided", "guided"
        )
    network.save_pretrained(folder / CLIPS)


def fraction_range(fractions: np.ndarray) -> tuple[float, float]:
    """The range of ejection fractions in percent from which a source trained on these (0..1) is sampled."""
    percents = 100.0 * fractions[fractions > 0]
    low, high = np.percentile(percents, RANGE) if len(percents) else (0.0, 0.0)
    return round(float(low), 1), round(float(high), 1)


def save_settings(folder: Path, fractions: np.ndarray, options: SourceTraining) -> None:
    """Write ``config.yaml``: the settings that the generator needs."""
    config = {
        # Few steps must start from pure noise (Lin et al., arXiv:2305.08891).
        "noise_scheduler": {**PUBLISHED_SCHEDULER, "timestep_spacing": "trailing"},
        "sampling": {
            # New noise in each step covers the mistakes of networks as small as these, but takes more steps.
            "sampler": "ddpm",
            "steps": options.sampling_steps,
            "image_steps": options.image_sampling_steps,
            "short_clips": SHORT_CLIPS,
            "guidance": 1.0 if options.guidance_steps else options.guidance,
            "fps": options.fps,
            "ejection_fraction": list(fraction_range(fractions)),
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _train_autoencoder(
    network: Any, data: ClipSet, folder: Path, options: SourceTraining, session: TrainingSession
) -> Any:
    network.to(memory_format=torch.channels_last)
    batches = Pictures(data.clips, options.autoencoder_batch)
    first = batches(np.random.default_rng(session.seed), 0)
    steps = options.autoencoder_steps
    if steps:
        _fit_autoencoder("autoencoder", AutoencoderTraining(network, steps), batches, steps, folder, options, session)
        with torch.inference_mode():
            spread = network.eval().encode(first).latent_dist.mode().std()
        network.register_to_config(scaling_factor=float(1.0 / spread))
    if steps := options.sharpening_steps:
        _fit_autoencoder("sharpened", SharpeningTraining(network, steps), batches, steps, folder, options, session)
    network.save_pretrained(folder / VAE)
    return network.eval()


def _fit_autoencoder(
    name: str,
    module: Any,
    batches: Pictures,
    steps: int,
    folder: Path,
    options: SourceTraining,
    session: TrainingSession,
) -> None:
    first = batches(np.random.default_rng(session.seed), 0)
    sampler = RestorationSheets(module.network, first, folder / WORK, name)
    fit(module, batches, steps, name, folder / WORK / name, session, (options.sample_every, sampler))


@torch.inference_mode()
def _encode(autoencoder: Any, clips: np.ndarray, work: Path, session: TrainingSession) -> np.ndarray:
    """Scaled latents of the clips: float16 (N, T, C, h, w)."""
    path = work / "latents.npy"
    if path.is_file():
        return np.load(path, mmap_mode="r")
    work.mkdir(parents=True, exist_ok=True)
    # Each process that trains along writes its own; the same bytes, whichever comes last.
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    side = clips.shape[-1] // 2 ** (len(autoencoder.config["block_out_channels"]) - 1)
    shape = (len(clips), clips.shape[1], autoencoder.config["latent_channels"], side, side)
    latents = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
    with session.progress.work("encode", "latents", len(latents), "clips") as bar:
        for number, clip in enumerate(clips):
            pictures = to_float(clip)[:, None]
            parts = [autoencoder.encode(part).latent_dist.mode() for part in pictures.split(ENCODING_CHUNK)]
            latents[number] = (torch.cat(parts) * autoencoder.config["scaling_factor"]).half().numpy()
            bar.advance()
    latents.flush()
    partial.replace(path)
    return latents


def _scheduler() -> Any:
    arguments = {key: value for key, value in PUBLISHED_SCHEDULER.items() if not key.startswith("_")}
    return diffusers().DDPMScheduler(**arguments)


def _scratch(autoencoder: Any, module: DenoiserTraining, options: SourceTraining) -> Model:
    """A model to draw with as the network is trained."""
    average: Any = module.average.module
    return scratch_model(autoencoder, average, module.scheduler, average.config["sample_size"], options.frames)
