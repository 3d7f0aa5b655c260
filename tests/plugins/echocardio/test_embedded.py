"""The embedded teacher and the phantom that it was trained on."""

import json

import numpy as np
import torch
from kdkit_echocardio.phantom import VERSION, simulate
from kdkit_echocardio.teacher import EMBEDDED, DeepLabV3


def test_embedded_weights_belong_to_this_phantom():
    card = json.loads(EMBEDDED.with_suffix(".json").read_text())
    assert card["trained_on"].startswith(f"phantom version {VERSION.partition('.')[0]};")


def test_embedded_teacher_finds_the_cavity():
    clips = [simulate(np.random.default_rng([31, seed]), frames=2, fps=4.0) for seed in range(24)]
    with torch.inference_mode():
        logits = DeepLabV3().build().eval()(torch.from_numpy(np.stack([clip.frames for clip in clips])))
    found, true = (logits > 0).numpy(), np.stack([clip.mask for clip in clips])
    dice = 2 * (found & true).sum((2, 3)) / np.maximum(found.sum((2, 3)) + true.sum((2, 3)), 1)
    assert np.median(dice) > 0.85
