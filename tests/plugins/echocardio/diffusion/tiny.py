"""A tiny random model of exactly the published layout: four levels, four latent channels, 112 x 112 to 14 x 14."""

import torch

SCHEDULER = {
    "_class_name": "DDPMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "variance_type": "fixed_small",
    "clip_sample": True,
    "clip_sample_range": 4.0,
    "prediction_type": "v_prediction",
    "timestep_spacing": "leading",
}


def write_published(folder):
    """Write it into ``folder``, without ``config.yaml``; the network of clips knows 4 frames."""
    from diffusers import AutoencoderKL, UNet2DModel, UNetSpatioTemporalConditionModel

    with torch.random.fork_rng():
        torch.manual_seed(1)
        AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(4, 4, 4, 4),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=2,
            sample_size=112,
        ).save_pretrained(folder / "vae")
        for name in ("lidm_dynamic", "lidm_ped_a4c"):
            UNet2DModel(
                sample_size=14,
                in_channels=4,
                out_channels=4,
                block_out_channels=(8, 8, 8, 8),
                down_block_types=(*("AttnDownBlock2D",) * 3, "DownBlock2D"),
                up_block_types=("UpBlock2D", *("AttnUpBlock2D",) * 3),
                layers_per_block=1,
                attention_head_dim=8,
                norm_num_groups=4,
            ).save_pretrained(folder / name)
        UNetSpatioTemporalConditionModel(
            sample_size=14,
            in_channels=8,
            out_channels=4,
            block_out_channels=(32, 32, 32, 32),
            down_block_types=(*("CrossAttnDownBlockSpatioTemporal",) * 3, "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", *("CrossAttnUpBlockSpatioTemporal",) * 3),
            layers_per_block=1,
            num_attention_heads=(1, 1, 1, 1),
            cross_attention_dim=1,
            addition_time_embed_dim=1,
            projection_class_embeddings_input_dim=1,
            num_frames=4,
        ).save_pretrained(folder / "lvdm")
    return folder
