"""The sampling loop against diffusers' own, written plainly; its windows against a network that tells their place."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip("diffusers", reason="the extra diffusion of kdkit-echocardio is not installed")

from kdkit_echocardio.diffusion.layout import load
from kdkit_echocardio.diffusion.sampling import (
    batch_size,
    decode_latents,
    encode_frames,
    placed,
    sample_clips,
    sample_images,
    scheduler,
    windows,
)
from torch.nn import functional as F

from kdkit import DataError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def chances(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.fixture(scope="module")
def model(published):
    with torch.inference_mode():
        return placed(load(published), torch.device("cpu"), torch.float32)


def padded(latents):
    """14 to 16: one pixel of border repeated on each side."""
    return F.pad(latents, (1, 1, 1, 1), mode="replicate")


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm-solver++"])
@torch.inference_mode()
def test_one_window_equals_the_library_s_own_loop(model, sampler):
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

    classes = {"ddpm": DDPMScheduler, "ddim": DDIMScheduler, "dpm-solver++": DPMSolverMultistepScheduler}
    plain = classes[sampler].from_config(model.clip_scheduler.config)
    assert plain.config["prediction_type"] == "v_prediction"

    (chance,) = chances(7)
    plain.set_timesteps(3)
    image = torch.randn(1, 4, 14, 14, generator=chance)
    for time in plain.timesteps:
        predicted = model.images(padded(image), time).sample[:, :, 1:-1, 1:-1]
        image = plain.step(predicted, time, image, generator=chance).prev_sample

    plain = classes[sampler].from_config(model.clip_scheduler.config)
    plain.set_timesteps(3)
    clip = torch.randn(1, 4, 4, 14, 14, generator=chance)
    for time in plain.timesteps:
        both = torch.cat([clip, image[:, None].repeat(1, 4, 1, 1, 1)], 2)
        inputs = padded(both.reshape(4, 8, 14, 14)).reshape(1, 4, 8, 16, 16)
        ef, ids = torch.full((1, 1, 1), 0.55), torch.zeros(1, 1)
        predicted = model.clips(inputs, time, ef, ids).sample[..., 1:-1, 1:-1]
        clip = plain.step(predicted, time, clip, generator=chance).prev_sample

    ours = chances(7)
    images = sample_images(model, sampler, 3, ours)
    clips = sample_clips(model, images, [0.55], 4, sampler, 3, 1.0, ours)
    torch.testing.assert_close(images, image, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(clips, clip, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_latents_of_the_ddpm_stay_in_the_range_of_the_training(model):
    # Clipped to 4, as the scheduler is told; the library's default of 1 would cut real latents.
    images = sample_images(model, "ddpm", 4, chances(0, 1))
    assert 1 < images.abs().max() <= 4


def test_windows_as_published():
    assert windows(20, 64) == [(0, 20, 0)]
    assert windows(64, 64) == [(0, 64, 0)]
    assert windows(192, 64) == [(0, 64, 0), (32, 96, 64), (64, 128, 96), (96, 160, 128), (128, 192, 160)]


@pytest.mark.parametrize(("frames", "length"), [(65, 64), (70, 64), (7, 5), (9, 1), (100, 2), (33, 8)])
def test_windows_cover_every_length_once(frames, length):
    found = windows(frames, length)
    assert [frame for _, stop, first in found for frame in range(first, stop)] == list(range(frames))
    for start, stop, first in found[1:]:
        assert stop - start == length
        assert first - start >= length // 2


class Stub(torch.nn.Module):
    """Predicts for each frame the number of its window's first frame and its own place in it; counts its calls."""

    def __init__(self, template):
        super().__init__()
        self.config = template.config
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.calls = []

    def forward(self, sample, timestep, encoder_hidden_states, added_time_ids):
        self.calls.append((sample.clone(), encoder_hidden_states.clone(), added_time_ids.clone()))
        # Latents begin as the frame's own number, see below, so the first channel says where the window lies.
        start = sample[:, :1, :1]
        places = torch.arange(sample.shape[1]).reshape(1, -1, 1, 1, 1)
        frames = (1000 * start + places).expand(-1, -1, 4, *sample.shape[-2:])

        class Output:
            pass

        output = Output()
        output.sample = frames
        return output


class Identity:
    """A scheduler of one step whose result is the prediction."""

    init_noise_sigma = 1.0
    timesteps = torch.tensor([1])

    def scale_model_input(self, latents, time):
        return latents

    def step(self, predicted, time, latents, generator):
        class Output:
            prev_sample = predicted

        return Output


@torch.inference_mode()
def test_a_later_window_contributes_only_its_second_half(model, monkeypatch):
    from kdkit_echocardio.diffusion import sampling

    stub = Stub(model.clips)
    monkeypatch.setattr(sampling, "scheduler", lambda *_: Identity())
    numbered = torch.arange(10.0).reshape(1, 10, 1, 1, 1).expand(1, 10, 4, 14, 14)
    monkeypatch.setattr(sampling, "_noise", lambda *_: numbered)
    images = torch.full((1, 4, 14, 14), 0.5)
    frames = sample_clips(replace(model, clips=stub), images, [0.3], 10, "ddpm", 1, 1.0, chances(0))
    assert frames.shape == (1, 10, 4, 14, 14)
    # Windows of 4: frames 0-3 from the first, then the second halves of those that begin at 2, 4 and 6.
    assert frames[0, :, 0, 0, 0].tolist() == [0, 1, 2, 3, 2002, 2003, 4002, 4003, 6002, 6003]
    for sample, asked, ids in stub.calls:
        assert sample.shape == (1, 4, 8, 16, 16)
        assert torch.all(sample[:, :, 4:] == 0.5)
        assert asked.tolist() == [[[pytest.approx(0.3)]]]
        assert ids.tolist() == [[0.0]]


@torch.inference_mode()
def test_guidance_goes_on_from_no_ejection_fraction(model):
    image = sample_images(model, "ddim", 1, chances(3))

    def frames(asked, guidance):
        return sample_clips(model, image, [asked], 3, "ddim", 1, guidance, chances(5))

    null, asked = frames(0.0, 1.0), frames(0.9, 1.0)
    # One step of DDIM is linear in the prediction, as long as nothing is clipped.
    assert frames(0.9, 0.0).abs().max() < 4
    torch.testing.assert_close(frames(0.9, 0.0), null, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(frames(0.9, 0.5), null + 0.5 * (asked - null), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(null, asked)


def test_more_steps_than_trained_are_refused(model):
    with pytest.raises(DataError, match="1001 steps"):
        scheduler(model.clip_scheduler, "ddim", 1001)
    # Spaced as the published training says, this solver would take the last step a thousand times.
    with pytest.raises(DataError, match="cannot spread 1000 steps"):
        scheduler(model.clip_scheduler, "dpm-solver++", 1000)
    assert len(scheduler(model.clip_scheduler, "ddpm", 1000).timesteps) == 1000


@torch.inference_mode()
def test_frames_are_grey_from_0_to_255(model):
    class Decoder(torch.nn.Module):
        def decode(self, latents):
            class Output:
                sample = torch.stack([latents.mean((1, 2, 3)) * 5] * 3, 1)[..., None, None]

            return Output

    latents = torch.tensor([-1.5, -1.0, -0.5, 0.0, 0.5, 0.9921875, 2.0]).reshape(-1, 1, 1, 1).expand(-1, 4, 2, 2)
    fake = replace(model, vae=Decoder(), scaling=5.0)
    assert decode_latents(fake, latents).flatten().tolist() == [0, 0, 64, 128, 192, 255, 255]
    frames = decode_latents(model, torch.zeros(20, 4, 14, 14))
    assert (frames.shape, frames.dtype) == ((20, 112, 112), torch.uint8)


@torch.inference_mode()
def test_frames_are_encoded_as_the_autoencoder_does(model):
    frames = torch.randint(0, 256, (2, 112, 112), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    colour = (frames[:, None].float() / 128 - 1).repeat(1, 3, 1, 1)
    expected = model.vae.encode(colour).latent_dist.mean * 0.18215
    torch.testing.assert_close(encode_frames(model, frames), expected)
    assert encode_frames(model, frames[:, :50, :60]).shape == (2, 4, 14, 14)


def test_few_frames_go_together_and_long_clips_alone(model):
    assert [batch_size(model, frames) for frames in (1, 4, 8, 16, 32, 192)] == [8, 8, 4, 2, 1, 1]
