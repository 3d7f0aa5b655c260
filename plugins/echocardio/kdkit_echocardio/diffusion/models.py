"""The small networks of a source that is trained on one machine; same classes and layout as the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DModel, UNetSpatioTemporalConditionModel

# Four numbers for each square of 8 x 8 pixels, as published.
LATENT_CHANNELS = 4


def build_autoencoder(size: int) -> AutoencoderKL:
    """Grey pictures float (N, 1, H, W), -1..1, to latents (N, 4, H / 8, W / 8) and back: 0.69 million weights."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 16, 32, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=size,
    )


def build_image_model(side: int) -> UNet2DModel:
    """The denoiser of one latent image (N, 4, side, side): 1.8 million weights."""
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=side,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=(64, 96),
        down_block_types=("AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D"),
        attention_head_dim=8,
    )


def build_video_model(side: int, frames: int) -> UNetSpatioTemporalConditionModel:
    """The denoiser of latent clips (N, T, 8, side, side), latent and condition, to (N, T, 4, side, side).

    2.4 million weights. Attention only at half the side: at the full one it would double the time and hardly help.
    """
    from diffusers import UNetSpatioTemporalConditionModel

    return UNetSpatioTemporalConditionModel(
        sample_size=side,
        in_channels=2 * LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlockSpatioTemporal", "CrossAttnDownBlockSpatioTemporal"),
        up_block_types=("CrossAttnUpBlockSpatioTemporal", "UpBlockSpatioTemporal"),
        block_out_channels=(64, 64),
        addition_time_embed_dim=1,
        projection_class_embeddings_input_dim=1,
        layers_per_block=1,
        cross_attention_dim=1,
        num_attention_heads=(2, 2),
        num_frames=frames,
    )
