"""The networks that a training begins with."""

from __future__ import annotations

from typing import Any, NamedTuple

from kdkit import WeightsError

from ..layout import downsampling, load
from ..models import build_autoencoder, build_image_model, build_video_model
from .options import SourceTraining


class Networks(NamedTuple):
    """Of diffusers' classes, as in :class:`kdkit_echocardio.diffusion.layout.Model`."""

    vae: Any
    images: Any
    clips: Any


def begin(options: SourceTraining, size: int) -> Networks:
    """New networks for frames of ``size`` pixels, or those of ``options.start``.

    Raises :class:`kdkit.WeightsError` when they cannot be read, or are not of the kind that is trained here.
    """
    if options.start is None:
        vae: Any = build_autoencoder(size)
        side = size // 2 ** (len(vae.config["block_out_channels"]) - 1)
        return Networks(vae, build_image_model(side), build_video_model(side, options.frames))
    model = load(options.start)
    side, multiple = size // model.factor, max(downsampling(model.images), downsampling(model.clips))
    if model.vae.config["in_channels"] != 1 or side % multiple:
        raise WeightsError(
            f"the networks in {options.start} cannot be trained on: they are for pictures in colour, or halve "
            f"latents of {side} x {side} more often than can be done",
            "Start from a source that kdkit train-generator made.",
        )
    networks = Networks(model.vae, model.images, model.clips)
    for network in networks:
        network.requires_grad_(True).train()
    model.clips.register_to_config(num_frames=options.frames)
    return networks
