"""The embedded teachers and the phantom that they were trained on."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from kdkit_echocardio.networks.deeplab import build
from kdkit_echocardio.networks.temporal import TemporalDeepLabV3, start_from_frames
from kdkit_echocardio.phantom import VERSION, simulate
from kdkit_echocardio.teacher import DEVIATION, EMBEDDED, EMBEDDED_FOR_CLIPS, MEAN, DeepLabV3
from safetensors.torch import load, load_file

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("weights", [EMBEDDED, EMBEDDED_FOR_CLIPS], ids=["compact", "temporal"])
def test_embedded_weights_belong_to_this_phantom(weights):
    card = json.loads(weights.with_suffix(".json").read_text())
    version = card["trained_on"].removeprefix("phantom version ").partition(";")[0]
    assert version.partition(".")[0] == VERSION.partition(".")[0]


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_network_for_clips_keeps_what_it_has_from_the_one_for_frames():
    """As that was when the one for clips was trained."""
    (commit,) = re.findall(r"^BEFORE_CLIPS := (\w+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    place = f"{commit}:{EMBEDDED.relative_to(ROOT)}"
    shown = subprocess.run(["git", "show", place], cwd=ROOT, capture_output=True, check=False)
    if shown.returncode:
        pytest.skip("not a clone with its history")
    frames = build("compact")
    frames.load_state_dict(load(shown.stdout))
    began = TemporalDeepLabV3()
    start_from_frames(began, frames.float(), torch.tensor(MEAN), torch.tensor(DEVIATION))
    state = load_file(EMBEDDED_FOR_CLIPS)
    kept = [name for name in state if name.partition(".")[0] in ("fine", "coarse", "pyramid", "head")]
    assert len(kept) > 20
    for name in kept:
        torch.testing.assert_close(state[name].float(), began.state_dict()[name], rtol=1e-3, atol=1e-6)
    card = json.loads(EMBEDDED_FOR_CLIPS.with_suffix(".json").read_text())
    assert card["parameters"] == sum(weight.numel() for weight in state.values())


def masks(backbone: str, clips: list) -> np.ndarray:
    """The predicted cavities, bool (clips, frames, H, W)."""
    with torch.inference_mode():
        network = DeepLabV3(DeepLabV3.Options(backbone=backbone)).build().eval()
        return (network(torch.from_numpy(np.stack([clip.frames for clip in clips]))) > 0).numpy()


def change(cavities: np.ndarray) -> np.ndarray:
    """How much of its largest area each cavity loses, 0..1: (clips,)."""
    areas = cavities.sum((2, 3))
    return 1 - areas.min(1) / np.maximum(areas.max(1), 1)


def overlap(backbone: str, clips: list) -> np.ndarray:
    """DICE of each frame."""
    predicted = masks(backbone, clips)
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
    true = change(np.stack([clip.mask for clip in clips]))
    single, whole = (np.abs(change(masks(backbone, clips)) - true) for backbone in ("compact", "temporal"))
    # Not the mean: where neither finds the ventricle, how they fail is chance.
    assert np.median(whole) < np.median(single) and (whole < single).mean() > 0.5
