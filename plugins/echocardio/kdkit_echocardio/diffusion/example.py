"""A tiny model with random weights in the published layout, to try things out with; importing it loads torch."""

from __future__ import annotations

from pathlib import Path

import torch

from .layout import diffusers


def write_example(folder: Path, latent_channels: int = 4, image_channels: int = 3) -> Path:
    """Write the model into ``folder`` and return that: frames of 16 x 16, latents of 8 x 8, windows of 4 frames."""
    library = diffusers()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = library.AutoencoderKL(
            in_channels=image_channels,
            out_channels=image_channels,
            latent_channels=latent_channels,
            sample_size=16,
            block_out_channels=(8, 8),
            norm_num_groups=4,
            layers_per_block=1,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
        )
        images = library.UNet2DModel(
            sample_size=8,
            in_channels=latent_channels,
            out_channels=latent_channels,
            block_out_channels=(8, 8),
            norm_num_groups=4,
            layers_per_block=1,
            attention_head_dim=4,
            down_block_types=("AttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "AttnUpBlock2D"),
        )
        clips = library.UNetSpatioTemporalConditionModel(
            sample_size=8,
            in_channels=2 * latent_channels,
            out_channels=latent_channels,
            block_out_channels=(32, 32),
            layers_per_block=1,
            num_attention_heads=(1, 1),
            cross_attention_dim=1,
            addition_time_embed_dim=1,
            projection_class_embeddings_input_dim=1,
            num_frames=4,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        )
    for name, network in (("vae", vae), ("lidm_example", images), ("lvdm", clips)):
        network.save_pretrained(str(folder / name))
    return folder
