"""The diffusion model that comes with the plugin, and the clips that it was trained on."""

import json

import numpy as np
import pytest
import torch
from kdkit_echocardio.diffused import EMBEDDED, EchoDiffusion
from kdkit_echocardio.diffusion.training.clips import read_beats, teacher_masks
from kdkit_echocardio.diffusion.training.simulated import FPS, FRAMES, readable_clip
from safetensors.torch import load_file

needs_diffusers = pytest.mark.usefixtures("diffusers")


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers", reason="the extra diffusion of kdkit-echocardio is not installed")


def sampled(indices, **options):
    return list(EchoDiffusion(EchoDiffusion.Options(device="cpu", **options)).generate(indices))


def test_it_is_small_and_says_where_it_comes_from():
    weights = sorted(EMBEDDED.rglob("*.safetensors"))
    assert len(weights) == 3
    assert sum(path.stat().st_size for path in weights) <= 10_000_000
    for path in weights:
        assert {weights.dtype for weights in load_file(path).values()} == {torch.float16}
    card = json.loads((EMBEDDED / "provenance.json").read_text(encoding="utf-8"))
    assert "no real image" in card["trained_on"] and card["licence"] == "Apache-2.0"


@needs_diffusers
def test_it_is_the_default():
    (sample,) = sampled([0])
    assert sample.inputs.shape == (2, 112, 112) and sample.inputs.dtype == np.uint8
    assert sample.info["fps"] == FPS


@needs_diffusers
def test_the_teacher_finds_a_ventricle_in_what_it_draws():
    shares = [teacher_masks(sample.inputs).mean() for sample in sampled(range(12))]
    assert np.mean([0.005 < share < 0.4 for share in shares]) >= 0.9


@needs_diffusers
def test_hearts_differ():
    frames = np.stack([sample.inputs[0].astype(float) for sample in sampled(range(8))])
    pairs = [np.abs(one - other).mean() for n, one in enumerate(frames) for other in frames[:n]]
    assert min(pairs) > 5


@pytest.mark.slow
@needs_diffusers
def test_more_is_ejected_where_more_is_asked_for():
    def read(percent):
        clips = sampled(range(2), frames=FRAMES, ejection_fraction={"values": [percent]})
        return np.array([read_beats(clip.inputs, FPS)[0] for clip in clips])

    gained = read(60.0) - read(20.0)
    assert np.nanmean(gained) > 5


def test_training_clips_know_an_end_diastole_and_the_fraction_that_is_read():
    found = [clip for index in range(6) if (clip := readable_clip(0, index, 0.3)) is not None]
    assert len(found) >= 2
    for clip in found:
        assert clip.frames.shape == (FRAMES, 112, 112)
        areas = teacher_masks(clip.frames).sum(axis=(1, 2))
        # Of three frames, as the teacher reads each by itself.
        assert np.median(areas[max(0, clip.start - 1) : clip.start + 2]) > 0.85 * areas.max()
        assert clip.fraction == pytest.approx(read_beats(clip.frames, FPS)[0])
