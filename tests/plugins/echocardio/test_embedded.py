"""The embedded teachers and the phantom that they were trained on."""

import hashlib
import json

import numpy as np
import pytest
import torch
from kdkit_echocardio.phantom import VERSION, simulate
from kdkit_echocardio.teacher import EMBEDDED, EMBEDDED_FOR_CLIPS, DeepLabV3


@pytest.mark.parametrize("weights", [EMBEDDED, EMBEDDED_FOR_CLIPS], ids=["compact", "temporal"])
def test_embedded_weights_belong_to_this_phantom(weights):
    card = json.loads(weights.with_suffix(".json").read_text())
    version = card["trained_on"].removeprefix("phantom version ").partition(";")[0]
    assert version.partition(".")[0] == VERSION.partition(".")[0]


def test_the_network_for_clips_began_as_the_one_for_frames():
    card = json.loads(EMBEDDED_FOR_CLIPS.with_suffix(".json").read_text())
    assert card["started_from"]["sha256"] == hashlib.sha256(EMBEDDED.read_bytes()).hexdigest()
    network = DeepLabV3(DeepLabV3.Options(backbone="temporal")).build()
    assert card["parameters"] == sum(weight.numel() for weight in network.parameters())


def overlap(backbone: str, clips: list) -> np.ndarray:
    """DICE of each frame."""
    with torch.inference_mode():
        network = DeepLabV3(DeepLabV3.Options(backbone=backbone)).build().eval()
        predicted = (network(torch.from_numpy(np.stack([clip.frames for clip in clips]))) > 0).numpy()
    true = np.stack([clip.mask for clip in clips])
    return 2 * (predicted & true).sum((2, 3)) / np.maximum(predicted.sum((2, 3)) + true.sum((2, 3)), 1)


@pytest.mark.parametrize("backbone", ["compact", "temporal"])
def test_embedded_teachers_find_the_cavity(backbone):
    clips = [simulate(np.random.default_rng([31, seed]), frames=2, fps=4.0) for seed in range(24)]
    assert np.median(overlap(backbone, clips)) > 0.85


def test_the_network_for_clips_says_of_a_still_what_the_one_for_frames_says():
    stills = [simulate(np.random.default_rng([33, seed]), frames=2, fps=4.0).frames[:1] for seed in range(12)]
    inputs = torch.from_numpy(np.stack(stills))
    with torch.inference_mode():
        frames, clips = (
            (DeepLabV3(DeepLabV3.Options(backbone=backbone)).build().eval()(inputs) > 0).numpy()
            for backbone in ("compact", "temporal")
        )
    same = 2 * (frames & clips).sum((2, 3)) / np.maximum(frames.sum((2, 3)) + clips.sum((2, 3)), 1)
    assert np.median(same) > 0.96


def test_the_network_for_clips_sees_more_in_a_beat_than_the_one_for_frames():
    clips = [simulate(np.random.default_rng([32, seed]), frames=16, fps=20.0) for seed in range(16)]
    scores = {backbone: overlap(backbone, clips) for backbone in ("compact", "temporal")}
    assert scores["temporal"].mean() > scores["compact"].mean()
